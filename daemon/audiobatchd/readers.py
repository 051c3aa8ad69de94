"""Threads that read disks, a few for each dataset: a mount that hangs keeps its own dataset waiting, and nothing else.

The pools of `concurrent.futures` are waited for when Python ends; a read from a dead mount would keep it from ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")
_Work = tuple[Callable[[], object], Future[object]]


class Readers:
    """`count` threads that take one piece of work after the other."""

    def __init__(self, name: str, count: int) -> None:
        self.at_work: set[int] = set()
        """The threads that are at something, by the kernel's number."""
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._name = name
        self._count = count
        self._threads: list[threading.Thread] = []
        self.grow()

    def grow(self) -> str:
        """Start the threads that are not there yet; why that cannot be, empty where all are."""
        while len(self._threads) < self._count:
            name = f"reader {self._name} {len(self._threads)}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more are allowed, or no memory is left for one
                return str(error)
            self._threads.append(thread)
        return ""

    def submit(self, work: Callable[[], _Result]) -> Future[_Result]:
        """Have `work` done; what it returns or raises is the future's."""
        future: Future[_Result] = Future()
        self._work.put((work, future))  # type: ignore[arg-type]  # one queue for results of every type
        return future

    def end(self) -> None:
        """Have them end when they have done what they were asked so far."""
        for _ in self._threads:
            self._work.put(None)

    def stop(self, patience: float) -> None:
        """Let them finish what they were asked, for `patience` seconds at most; what hangs is left behind."""
        deadline = time.monotonic() + patience
        self.end()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, future = item
            self.at_work.add(threading.get_native_id())
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # it is the future's to tell
                future.set_exception(error)
            self.at_work.discard(threading.get_native_id())


async def in_a_thread(work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises, done in a thread that nothing waits for when the service or Python ends."""
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
        except BaseException as error:  # noqa: BLE001  # it is the future's to tell
            failure = error
        with suppress(RuntimeError):  # the loop has ended, and nobody listens
            loop.call_soon_threadsafe(tell, result, failure)

    threading.Thread(target=do, name="for the loop", daemon=True).start()
    return await future
