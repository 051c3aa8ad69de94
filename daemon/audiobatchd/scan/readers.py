"""Threads that read disks, from one set for all datasets: a mount that hangs keeps only its own threads waiting.

The pools of `concurrent.futures` are waited for when Python ends; a read from a dead mount would keep it from ending.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")
_Work = tuple[Callable[[], object], Future[object]]
_HANGS = 5.0
"""Seconds without a sign of life after which a thread does not count among those at work any more."""
_IDLE = 10.0
"""Seconds after which a thread without work ends."""


class Hands:
    """Threads for any number of `Readers`: begun when there is work, ended when there has been none for some time.

    At most `most` of them are at work at once, beside threads that hang: one that has given no `sign_of_life` for
    `_HANGS` seconds does not count, so a disk that does not answer takes no thread from others. `Readers` come in turn.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.changed = threading.Condition()
        """Held while any of the fields below is used, or one of the readers' fields."""
        self._waiting: deque[Readers] = deque()
        """The readers with work that no thread has begun, which may have one more thread."""
        self._hands: set[_Hand] = set()
        self._idle = 0
        """Number of threads that have no work, or have just been started."""

    def wait_for(self, readers: Readers) -> None:
        """Put readers that have more work in the line. Called with `changed` held."""
        if not readers.is_waiting and readers.work and readers.running < readers.count:
            readers.is_waiting = True
            self._waiting.append(readers)

    def grow(self) -> str:
        """Start the threads that the work takes; the reason why that cannot be, empty where it can."""
        with self.changed:
            wanted = len(self._waiting) - self._idle
            self.changed.notify(len(self._waiting))
            if wanted <= 0:
                return ""
            long_ago = time.monotonic() - _HANGS
            at_work = sum(hand.since > long_ago for hand in self._hands if hand.since) + self._idle
            for _ in range(min(wanted, self._most - at_work)):
                hand = _Hand(self)
                try:
                    hand.start()
                except RuntimeError as error:  # no more are allowed, or no memory is left for one
                    return str(error)
                self._hands.add(hand)
                self._idle += 1
        return ""

    def serve(self, hand: _Hand) -> None:
        """Do the work of one thread."""
        while (taken := self._next(hand)) is not None:
            readers, (work, future) = taken
            number = threading.get_native_id()
            readers.at_work.add(number)
            try:
                if future.set_running_or_notify_cancel():  # else its caller wants no answer any more
                    future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # the future tells of it
                future.set_exception(error)
            readers.at_work.discard(number)
            with self.changed:
                hand.since = 0.0
                self._idle += 1
                readers.running -= 1
                self.wait_for(readers)
                self.changed.notify_all() if not (readers.running or readers.work) else None
            del taken, readers, work, future  # an idle thread keeps nothing alive

    def _next(self, hand: _Hand) -> tuple[Readers, _Work] | None:
        with self.changed:
            if not self.changed.wait_for(lambda: self._waiting, _IDLE):
                self._idle -= 1
                self._hands.discard(hand)
                return None
            readers = self._waiting.popleft()
            work = readers.work.popleft()
            readers.is_waiting = False
            readers.running += 1
            self._idle -= 1
            hand.since = time.monotonic()
            self.wait_for(readers)
            self.grow()  # for what waits beside this; where that cannot be, it is tried again and told later
            return readers, work


class _Hand(threading.Thread):
    """A thread of `Hands`."""

    def __init__(self, hands: Hands) -> None:
        super().__init__(name="reader", daemon=True)
        self._of = hands
        self.since = 0.0
        """Moment when it began its work, or last gave a sign of life; 0 while it has no work."""

    def run(self) -> None:
        self._of.serve(self)


def sign_of_life() -> None:
    """Show that the work of this thread goes on, though it may take long."""
    hand = threading.current_thread()
    if isinstance(hand, _Hand):
        hand.since = time.monotonic()


class Readers:
    """Queue of what is to be read in one dataset: at most `count` pieces of work are under way at once.

    The threads are those of `hands`, or its own.
    """

    def __init__(self, count: int, hands: Hands | None = None) -> None:
        self.count = count
        self.at_work: set[int] = set()
        """The threads that are at work, by the kernel's number."""
        self.work: deque[_Work] = deque()
        self.running = 0
        """Number of pieces of work that are under way."""
        self.is_waiting = False
        """True where it stands in the line of its `Hands`."""
        self._hands = hands or Hands(count)

    def grow(self) -> str:
        """Begin what could not be begun; the reason why that cannot be, empty where it can."""
        return self._hands.grow()

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have `work` done; the future has what it returns or raises."""
        future: Future[_Result] = Future()
        with self._hands.changed:
            self.work.append((work, future))  # type: ignore[arg-type]  # one queue for results of every type
            self._hands.wait_for(self)
        self._hands.grow()
        return future

    def do(self, work: Callable[[], object], broken: Callable[[BaseException], None]) -> None:
        """Have `work` done, of which nothing is expected; what it raises is handed to `broken`."""

        def reporting() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001  # it ends the service, with its traceback
                broken(error)

        self.submit(reporting)

    def stop(self, patience: float) -> None:
        """Let the work be finished, for `patience` seconds at most; what hangs is left behind."""
        with self._hands.changed:
            self._hands.changed.wait_for(lambda: not (self.running or self.work), max(0.0, patience))


async def in_a_thread(work: Callable[[], _Result]) -> _Result:
    """Do `work` in a thread that nothing waits for when the service or Python ends; its result."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def tell(result: _Result | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error it is one

    def do() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # the future tells of it
            failure = error
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=do, name="for the loop", daemon=True).start()
    return await future
