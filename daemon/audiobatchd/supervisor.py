"""The daemon at work: one event loop that takes events off one queue, asks the core what follows, and does it.

Nothing here blocks: readings, walks, SQLite and what a killed worker left are handled in threads. Nothing here decides.

asyncio's traps on the way: a handler of `add_signal_handler` runs in the loop and only enqueues; an exception in a
thread's future is lost unless asked for, so every future reports; `Queue.put_nowait` belongs to the loop's thread
alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from audiobatchd import eventlog, record
from audiobatchd.catalog import Catalog, FolderMemory, Note
from audiobatchd.clock import Clock
from audiobatchd.config import Config
from audiobatchd.core import actions as do
from audiobatchd.core.completeness import Policy, judges
from audiobatchd.core.dispatcher import Dispatcher, Plan
from audiobatchd.core.events import Event, FolderRead, LocksSeen, StopAsked, Walked, WalkRead, WorkerExited
from audiobatchd.core.folders import Limits, Reading
from audiobatchd.core.messages import Stop
from audiobatchd.errors import LockBusyError, UsageError
from audiobatchd.locks import caretaker
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.observer import Patience
from audiobatchd.model import FolderKey, Mode
from audiobatchd.names import parsed
from audiobatchd.one_off import worker_settings
from audiobatchd.overview import Overview
from audiobatchd.pool import Pool
from audiobatchd.readers import Readers
from audiobatchd.requests import CleanedLocks, CleanLocks
from audiobatchd.scan import Scanner
from audiobatchd.status import Status

_LOG = logging.getLogger(__name__)
_READERS = 4
_QUEUE_LIMIT = 1000
_VIEW_INTERVAL = 0.25
_PATIENCE = 5.0
_INTERRUPTED = 130
_BROKEN = 70


class View(Protocol):
    """Somebody who is shown the status now and then: a terminal, systemd."""

    def update(self, status: Status) -> None:
        """Show it; called in the event loop, so it must be quick."""

    def ready(self) -> None:
        """The service has started."""

    def stopping(self) -> None:
        """The service begins to end."""


class Watching(Protocol):
    """What tells of changes in the datasets, as far as it can: `watch`, or a script of events."""

    def listen(self, post: Callable[[Event], None]) -> None:
        """From now on hand events to `post`, from any thread."""

    def ensure(self, root: str, *, renew: bool) -> str:
        """See to it that this dataset is watched; a reason where it cannot be. Called in a thread, before each walk.

        `renew`: the watch anew, although it seems to be as it should.
        """

    def stop(self) -> None:
        """Tell no more."""


class Supervisor:
    """One run of the daemon; `run` gives its exit code. Without `watches` only walks see changes."""

    def __init__(
        self,
        config: Config,
        policy: Policy,
        catalog: Catalog,
        clock: Clock,
        *,
        views: tuple[View, ...] = (),
        watches: Watching | None = None,
        model_directories: tuple[Path, ...] = (),
        mode: Mode = Mode.SERVICE,
    ) -> None:
        self._config = config
        self._policies = {
            each.path: msgspec.structs.replace(policy, adopt=policy.adopt and each.adopt) for each in config.dataset
        }
        self._datasets = {each.path: each for each in config.dataset}
        self._catalog = catalog
        self._clock = clock
        self._views = views
        self._watches = watches
        self._worker_settings = worker_settings(config, model_directories)
        self.core = Dispatcher(_plan(config, self._policies, policy.only or (), mode), clock.monotonic())
        self.overview = Overview(self.core, clock.wall())
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._readers = {path: Readers(path, _READERS) for path in self._datasets}
        self._notes = ThreadPoolExecutor(1, thread_name_prefix="catalog")
        self._patience = {path: Patience() for path in self._datasets}
        self._ending = threading.Event()
        self._code: int | None = None

    def status(self) -> Status:
        """What `GET /v1/status` answers, now."""
        return self.overview.status(self._clock.monotonic(), self._clock.wall())

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Remove the locks of the dead of one dataset, in a thread. Raises UsageError for what is none of ours."""
        path = parsed(request.dataset)
        if path not in self._datasets:
            message = f"no such dataset: {request.dataset}"
            raise UsageError(message)
        request = msgspec.structs.replace(request, dataset=path)
        settings = self._datasets[path]
        work = partial(caretaker.clean_up, request, settings.ignore, alone=settings.alone)
        try:
            return await asyncio.wrap_future(self._readers[path].submit(work))
        except OSError as error:
            message = f"cannot look for locks in {request.dataset}: {error.strerror}"
            raise UsageError(message) from error

    async def run(self) -> int:
        """Work until told to stop, or until the one pass is over; the exit code."""
        self._loop = asyncio.get_running_loop()
        self._catch_signals()
        self._pool = Pool(self._worker_settings, self._queue.put_nowait)
        if self._watches:
            self._watches.listen(self._post)
        viewing = asyncio.create_task(self._show())
        viewing.add_done_callback(self._check)
        try:
            while self._code is None:
                now = self._clock.monotonic()
                self._perform(self.core.tick(now))
                if self._code is None:
                    await self._take(now)
        finally:
            viewing.cancel()
            await asyncio.to_thread(self._wind_up)
        self._update_views()
        return self._code

    async def _take(self, now: float) -> None:
        """Wait for the next event, no longer than until the core wants to be asked; then take all that are there."""
        wakeup = self.core.next_wakeup()
        # A timeout of 0 would never let the loop see to its descriptors.
        timeout = None if wakeup is None else max(0.001, wakeup - now)
        try:
            event = await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            return
        self._perform(self.core.handle(event, self._clock.monotonic()))
        for _ in range(self._queue.qsize()):
            self._perform(self.core.handle(self._queue.get_nowait(), self._clock.monotonic()))

    def _perform(self, actions: list[do.Action]) -> None:  # noqa: C901, PLR0912  # one case per action
        for action in actions:
            match action:
                case do.SpawnWorker(slot):
                    self._spawn(slot)
                case do.StopWorker(slot):
                    self._pool.send(slot, Stop())
                case do.KillWorker(slot):
                    self._pool.kill(slot)
                case do.SendJob(slot, job):
                    self._pool.send(slot, job)
                case do.ReadFolder(key):
                    self._in_reader(key.dataset, partial(self._read, key))
                case do.WalkTree():
                    self._in_own_thread(action)
                case do.ReapLocks():
                    self._in_reader(action.dataset, partial(self._reap, action))
                case do.Remember():
                    self._notes.submit(self._remember, action).add_done_callback(self._check)
                case do.Tidy(key):
                    self._in_reader(key.dataset, partial(tidy, key))
                case do.Report():
                    eventlog.report(action)
                case do.AnnounceReady():
                    for view in self._views:
                        view.ready()
                case do.AnnounceStopping():
                    for view in self._views:
                        view.stopping()
                case do.Finish(code):
                    self._code = code

    def _spawn(self, slot: int) -> None:
        now = self._clock.monotonic()
        try:
            self.core.slots[slot].spawned(self._pool.spawn(slot), now)
        except OSError as error:
            self.core.slots[slot].spawned(-1, now)
            self._queue.put_nowait(WorkerExited(slot, -1, f"cannot start a process: {error.strerror}"))

    # In threads

    def _read(self, key: FolderKey) -> None:
        self._post(FolderRead(self._scanner(key.dataset).read(key.path)))

    def _walk(self, action: do.WalkTree) -> None:
        remark = ""
        if self._watches and "" in action.paths:
            remark = self._watches.ensure(action.dataset, renew=action.renew)
        walked = self._scanner(action.dataset).walk(action.paths, self._deliver)
        self._post(_with_remark(walked, remark))

    def _reap(self, action: do.ReapLocks) -> None:
        root = action.dataset
        directories = [os.path.join(root, parent) if parent else root for parent in sorted(action.parents)]
        now = self._clock.monotonic()
        overdue = caretaker.look_after(
            root,
            directories,
            self._patience[root],
            now,
            alone=self._datasets[root].alone,
            root_too=action.root_too,
        )
        self._post(LocksSeen(root, overdue))

    def _deliver(self, readings: tuple[Reading, ...]) -> None:
        """Hand a walk's batch over, no faster than the loop takes them."""
        while self._queue.qsize() > _QUEUE_LIMIT and not self._ending.wait(0.01):
            pass
        if self._ending.is_set():
            raise _EndingError
        self._post(WalkRead(readings))

    def _remember(self, action: do.Remember) -> None:
        signature, verdict = (action.signature, action.verdict) if action.verdict else ("", "")
        judged_by = judges(self.core.offers or ()) if verdict else ""
        self._catalog.note([Note(action.key, FolderMemory(action.memory, verdict, signature, judged_by))])

    def _scanner(self, dataset: str) -> Scanner:
        offers = self.core.offers or ()
        settings = self._datasets[dataset]
        return Scanner(dataset, offers, self._policies[dataset], settings.ignore, settings.alone, self._catalog)

    def _post(self, event: Event) -> None:
        """Enqueue from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)
        except RuntimeError:
            if not self._ending.is_set():  # the loop is closed only at the end, and then nobody listens
                raise

    def _in_reader(self, dataset: str, work: Callable[[], None]) -> None:
        self._readers[dataset].submit(work).add_done_callback(self._check)

    def _in_own_thread(self, action: do.WalkTree) -> None:
        """A walk may take long, or hang on a dead mount for ever: it keeps no reading, and no exit, waiting."""

        def target() -> None:
            try:
                self._walk(action)
            except _EndingError:
                pass
            except BaseException as error:  # noqa: BLE001  # it ends the service, with its traceback
                self._fail(error)

        threading.Thread(target=target, name=f"walk {action.dataset}", daemon=True).start()

    def _check(self, future: Future[None] | asyncio.Task[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """A helper broke, which none may: a folder could be lost. The service ends, and is started again."""
        _LOG.critical("helper-broke", exc_info=error)
        self._post(StopAsked(_BROKEN, at_once=True))

    # Signals, views, the end

    def _catch_signals(self) -> None:
        # A service that is told to end has done what it should; a pass has not.
        terminated = _INTERRUPTED if self.core.plan.once else 0
        for number, code in ((signal.SIGTERM, terminated), (signal.SIGINT, _INTERRUPTED)):
            self._loop.add_signal_handler(number, self._queue.put_nowait, StopAsked(code))

    async def _show(self) -> None:
        while True:
            self._update_views()
            await asyncio.sleep(_VIEW_INTERVAL)

    def _update_views(self) -> None:
        if self._views:
            status = self.status()
            for view in self._views:
                view.update(status)

    def _wind_up(self) -> None:
        """Let the threads finish what they were asked; walks, which may take long, and what hangs are left behind."""
        self._ending.set()
        for readers in self._readers.values():
            readers.stop(_PATIENCE)
        self._notes.shutdown()
        if self._watches:
            self._watches.stop()


class _EndingError(Exception):
    """The daemon ends while a walk is under way."""


def tidy(key: FolderKey) -> None:
    """Remove what a killed worker left in and beside a folder, unless somebody else is at it by now."""
    folder = os.path.join(key.dataset, key.path) if key.path else key.dataset
    lock = FolderLock(folder, 60.0)
    try:
        lock.acquire()
    except (LockBusyError, OSError):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            record.sweep(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        eventlog.log("tidy-failed", {"folder": folder, "reason": error.strerror})
    finally:
        lock.release()


def _plan(config: Config, policies: dict[str, Policy], features: tuple[str, ...], mode: Mode) -> Plan:
    once = mode is not Mode.SERVICE
    backoff = (1.0, 10.0) if once else (5.0, 300.0)
    settle = {each.path: each.settle for each in config.dataset}
    return Plan(
        datasets={each.path: each.rescan for each in config.dataset},
        limits=Limits(settle, max_deaths=config.max_deaths, backoff=backoff, once=once),
        policies=policies,
        workers=config.worker_count,
        job_timeout=config.job_timeout,
        job_timeout_factor=config.job_timeout_factor,
        stop_grace=config.stop_grace,
        reap=config.reap,
        features=features,
        once=once,
        dry_run=mode is Mode.DRY_RUN,
    )


def _with_remark(walked: Walked, remark: str) -> Walked:
    return dataclasses.replace(walked, remark=walked.remark or remark)
