"""All hooks of a service: what the core tells goes into the outbox, and from there to each hook that wants it.

All of it belongs to the event loop, apart from the outbox, which a thread of its own writes and reads.
"""

from __future__ import annotations

import asyncio
import itertools
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from audiobatchd.config.hooks import MOST_HOOKS, HookConfig, names_of
from audiobatchd.control.requests import HookTested
from audiobatchd.control.status import HookStatus
from audiobatchd.core import actions as do
from audiobatchd.core.events import MarksFound
from audiobatchd.errors import UsageError
from audiobatchd.hooks.delivery import Delivery, Means
from audiobatchd.hooks.message import body_of, trial_body
from audiobatchd.hooks.outbox import Entry, Outbox, Subject
from audiobatchd.scan.readers import Readers
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.suggestions import cannot_find

_PATIENCE = 1.0
"""Seconds that a job waits at most until it is written that it begins: a disk that hangs holds up none."""
_HANGS = 5.0
"""Seconds that a piece of work may take until it is said that the disk does not answer."""
_LAST_STEPS = 2.0
"""Seconds that messages under way, and the outbox, have at the end of the service."""

InOutbox = do.Begin | do.Dismiss | do.Tell
"""The actions that are done here."""


class Hooks:
    """The hooks; without a `path` for the outbox there are none. What breaks in its thread is handed to `broken`.

    `post` takes what the last run has left where that could be read only after the start.
    """

    def __init__(
        self,
        path: Path | None,
        monotonic: Callable[[], float],
        broken: Callable[[BaseException], None],
        post: Callable[[MarksFound], None],
    ) -> None:
        self._path = path
        self._monotonic = monotonic
        self._broken = broken
        self._post = post
        self._thread = Readers(1)
        self._outbox: Outbox | None = None
        """None as long as there was no hook."""
        self._is_loaded = False
        """Tell whether what a run before this one has left in it was looked at."""
        self._is_read = True
        """False where that could not be read then, and is looked at when it can be."""
        self._first = 0
        """The first number of this run's messages."""
        self._numbers = itertools.count()
        self._left: list[Entry] = []
        """The messages of the run before, until `start`."""
        self._deliveries: dict[str, Delivery] = {}
        self._configs: dict[str, HookConfig] = {}
        self._trials = asyncio.Semaphore(MOST_HOOKS)
        """Lets so many tests at a time through."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        """The ends of hooks that are no longer configured."""
        self._marked = self._written = 0
        """Numbers of marks that were made, and that were written."""
        self._unwritten: dict[int, bytes] = {}
        """The bodies of messages that the thread has not come to yet: those that are dropped before take no memory."""
        self._asked: deque[float] = deque()
        """Moment when each piece of work was asked for that the thread has not done yet."""
        self._done_at = 0.0
        """Moment when the last one was done."""
        self._behind: deque[tuple[int, _Once]] = deque()
        """What waits for marks to be written, with the number of the last."""

    def prepare(self, hooks: Collection[HookConfig]) -> None:
        """Open the outbox, unless that is done, or there is no hook. May wait for the disk."""
        if hooks and self._outbox is None and self._path is not None:
            self._outbox = Outbox(self._path)

    def take_terms(self, hooks: Collection[HookConfig]) -> None:
        """Tell these hooks from now on; what waits for others is lost."""
        self.prepare(hooks)
        before, self._configs = self._configs, names_of(tuple(hooks)) if self._path is not None else {}
        if self._configs and self._outbox is not None and not self._is_loaded:
            self._is_loaded = True
            if self._loop is None:
                left = self._outbox.entries()
                self._is_read = not self._outbox.trouble
                self._left = left if self._is_read else []
                self._first = max(self._left[-1].number + 1 if self._left else 0, time.time_ns() // 1000)
                self._numbers = itertools.count(self._first)
            else:
                self._submit(self._outbox.wipe)  # what a run before this one has left is not for them
        if self._loop is not None:
            self._rearrange(before)

    def marks(self) -> tuple[frozenset[FolderKey], frozenset[str]]:
        """Look up the folders that were begun and the datasets that are unfinished, as the last run left them."""
        return (self._outbox.begun(), self._outbox.unfinished()) if self._outbox else (frozenset(), frozenset())

    def start(self) -> None:
        """Begin to send, in the event loop: at first what the last run has left."""
        self._loop = asyncio.get_running_loop()
        self._rearrange({})
        left, self._left = self._left, []
        self._take_left(left)

    async def stop(self) -> None:
        """End what is under way; the outbox keeps it for the next start."""
        await asyncio.gather(*(each.stop(_LAST_STEPS) for each in self._deliveries.values()), *self._leaving)

    def close(self) -> None:
        """Write what is to be written, and close the outbox. Called in a thread, after `stop`."""
        if self._outbox is not None:
            self._thread.submit(self._outbox.close)
            self._thread.stop(_LAST_STEPS)

    def perform(self, action: InOutbox) -> None:
        """Do what the core wants done."""
        if self._outbox is None:
            return
        match action:
            case do.Begin(key):
                self._marked += 1
                self._submit(partial(self._begin, self._outbox, key, self._marked))
            case do.Dismiss(key):
                self._submit(partial(self._outbox.dismiss, key))
            case do.Tell():
                self._tell(self._outbox, action)

    def when_marked(self, work: Callable[[], None]) -> None:
        """Do `work` when all folders that were begun are marked in the outbox: now, where they are."""
        if self._written >= self._marked or self._loop is None:
            work()
            return
        once = _Once(work)
        while self._behind and self._behind[0][1].is_done:
            self._behind.popleft()
        self._behind.append((self._marked, once))
        self._loop.call_later(_PATIENCE, once)

    def again(self) -> None:
        """Try again what could not be written; called every second or so."""
        self._thread.grow()
        if self._outbox is not None and self._outbox.trouble and not self._hangs:
            self._submit(self._outbox.retry)
        elif self._outbox is not None and not self._is_read:
            self._is_read = True
            self._submit(partial(self._read_left, self._outbox))
        for each in self._deliveries.values():
            each.look_after()

    def status(self) -> list[HookStatus]:
        """Tell how each hook stands."""
        return [each.status() for each in self._deliveries.values()]

    @property
    def trouble(self) -> str:
        """Reason why the outbox cannot be written; empty where it can."""
        if self._hangs:
            return f"the disk of {self._path} does not answer"
        return self._outbox.trouble if self._outbox is not None else ""

    async def test(self, name: str, dataset: str) -> HookTested:
        """Send a hook a message that says that it is a test. Raises UsageError where there is no such hook."""
        delivery = self._deliveries.get(name)
        if delivery is None:
            raise UsageError(cannot_find("the hook", name, self._deliveries))
        started = self._monotonic()
        async with self._trials:
            trouble = await delivery.test(trial_body(_identity(), _time(), dataset))
        seconds = round(self._monotonic() - started, 3)
        return HookTested(name, delivery.status().target, trouble, seconds)

    # How

    def _rearrange(self, before: dict[str, HookConfig]) -> None:
        for name in before.keys() - self._configs.keys():
            gone = self._deliveries.pop(name)
            gone.give_up_all()
            task = asyncio.ensure_future(gone.stop(_LAST_STEPS))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for name, config in self._configs.items():
            if name not in before:
                self._deliveries[name] = Delivery(name, config, self._means())
                self._deliveries[name].start()
            elif config != before[name]:
                self._deliveries[name].change(config)
        if not self._configs and self._outbox is not None:
            self._submit(self._outbox.clear)

    def _means(self) -> Means:
        return Means(self._read, self._drop, self._monotonic)

    @property
    def _hangs(self) -> bool:
        """Tell whether the disk of the outbox has not answered for long."""
        return bool(self._asked) and self._monotonic() - max(self._asked[0], self._done_at) > _HANGS

    def _read_left(self, outbox: Outbox) -> None:
        left = [entry for entry in outbox.entries() if entry.number < self._first]
        marks = MarksFound(outbox.begun(), outbox.unfinished())
        assert self._loop is not None
        if outbox.trouble:
            self._is_read = False
        else:
            self._post(marks)
            self._loop.call_soon_threadsafe(self._take_left, left)

    def _take_left(self, left: list[Entry]) -> None:
        """Send what a run before this one has left; what is for hooks that are gone is dropped."""
        if unknown := [entry.number for entry in left if entry.hook not in self._deliveries]:
            self._drop(unknown)
        for entry in left:
            if entry.hook in self._deliveries:
                self._deliveries[entry.hook].add(entry)

    async def _read(self, number: int) -> bytes | None:
        assert self._outbox is not None
        return await asyncio.wrap_future(self._thread.submit(partial(self._outbox.body, number)))

    def _drop(self, numbers: Collection[int]) -> None:
        assert self._outbox is not None
        for number in numbers:
            self._unwritten.pop(number, None)
        self._submit(partial(self._outbox.drop, numbers))

    def _tell(self, outbox: Outbox, told: do.Tell) -> None:
        subject = told.dataset, told.path
        wanted = [each for each in self._deliveries.values() if each.wants(told.event, told.dataset)]
        body = body_of(told, _identity(), _time()) if wanted else b""
        entries = [Entry(next(self._numbers), each.name, subject, len(body)) for each in wanted]
        finished = told.event is HookEvent.DATASET_COMPLETE
        self._unwritten.update((entry.number, body) for entry in entries)
        # First into the outbox: one that is sent before it is there could not be found by its number.
        self._submit(partial(self._put, outbox, subject, entries, finished=finished))
        for each, entry in zip(wanted, entries, strict=True):
            each.add(entry)

    def _put(self, outbox: Outbox, subject: Subject, entries: list[Entry], *, finished: bool) -> None:
        bodies = ((entry, self._unwritten.pop(entry.number, None)) for entry in entries)
        outbox.put(subject, [(entry, body) for entry, body in bodies if body is not None], finished=finished)

    def _begin(self, outbox: Outbox, key: FolderKey, number: int) -> None:
        outbox.begin(key)
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._is_written, number)

    def _is_written(self, number: int) -> None:
        self._written = number
        while self._behind and self._behind[0][0] <= number:
            self._behind.popleft()[1]()

    def _submit(self, work: Callable[[], object]) -> None:
        def work_off() -> None:
            work()
            self._asked.popleft()
            self._done_at = self._monotonic()

        self._asked.append(self._monotonic())
        self._thread.do(work_off, self._broken)


class _Once:
    """Work that is done by the first call."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work

    @property
    def is_done(self) -> bool:
        """True once it was called."""
        return self._work is None

    def __call__(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


def wanted_by(hooks: Iterable[HookConfig]) -> frozenset[HookEvent]:
    """List the events that any of these is told of."""
    return frozenset(event for each in hooks for event in each.on)


def _identity() -> str:
    return uuid.uuid4().hex


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
