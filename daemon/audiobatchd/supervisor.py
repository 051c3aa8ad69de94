"""The daemon at work: one event loop that takes events off one queue, asks the core what follows, and does it.

Nothing here blocks: what touches a disk is an errand (`errands`), done in threads. Nothing here decides.

asyncio's traps on the way: a handler of `add_signal_handler` runs in the loop and only enqueues; an exception in a
task is lost unless asked for, so every task reports; `Queue.put_nowait` belongs to the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec

from audiobatchd import eventlog
from audiobatchd.catalog import Catalog
from audiobatchd.census import census
from audiobatchd.clock import Clock
from audiobatchd.config import Config, differences, size_in_bytes
from audiobatchd.control.access import operators
from audiobatchd.core import actions as do
from audiobatchd.core.completeness import Policy
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import (
    Event,
    FolderHint,
    PauseAsked,
    Replanned,
    RescanAsked,
    ResumeAsked,
    StopAsked,
    WorkerExited,
    WorkersMeasured,
)
from audiobatchd.core.messages import Stop
from audiobatchd.core.plan import NO_MEMORY, Limits, Memory, Plan
from audiobatchd.errands import Errands, Terms, Watching
from audiobatchd.errors import ConfigError, UnknownFolderError, UsageError
from audiobatchd.explanation import explained, facts_of
from audiobatchd.locks import caretaker
from audiobatchd.model import Cause, FolderKey, FolderState, Mode
from audiobatchd.names import parsed
from audiobatchd.one_off import worker_settings
from audiobatchd.overview import Overview
from audiobatchd.pool import Pool
from audiobatchd.requests import (
    CleanedLocks,
    CleanLocks,
    FolderName,
    Nothing,
    Pause,
    Paused,
    Reloaded,
    Rescan,
    Resume,
    Retried,
    RetryFolders,
    Survey,
    Surveyed,
)
from audiobatchd.sightings import Sightings
from audiobatchd.status import FolderReport, Status, Trouble
from audiobatchd.survey import Asked, Keys, Offered

_LOG = logging.getLogger(__name__)
_VIEW_INTERVAL = 0.25
_PULSE = 1.0
_INTERRUPTED = 130
_BROKEN = 70


class View(Protocol):
    """Somebody who is shown the status now and then: a terminal, systemd."""

    def update(self, status: Status) -> None:
        """Show it; called in the event loop, so it must be quick."""

    def ready(self) -> None:
        """The service has started."""

    def alive(self) -> None:
        """The supervisor goes on: it has just handled what there was, or found nothing to do."""

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows."""

    def stopping(self) -> None:
        """The service begins to end."""


class Source(Protocol):
    """Where the configuration comes from: a file, the environment and a command line."""

    def read(self) -> Config:
        """The configuration as it is now. Raises ConfigError and UsageError."""

    def model_directories(self, config: Config) -> tuple[Path, ...]:
        """Where models are looked for, by this configuration."""


class Supervisor:
    """One run of the daemon; `run` gives its exit code. Without `watches` only walks see changes.

    `config` is what `source` gave, and what it gives again at a reload counts from then on.
    """

    def __init__(
        self,
        config: Config,
        source: Source,
        policy: Policy,
        catalog: Catalog,
        clock: Clock,
        *,
        views: tuple[View, ...] = (),
        watches: Watching | None = None,
        mode: Mode = Mode.SERVICE,
    ) -> None:
        self._config = config
        self._source = source
        self._policy = policy
        self._catalog = catalog
        self._clock = clock
        self._views = views
        self._watches = watches
        self._mode = mode
        self._operators = operators(config.operators)
        self._worker_settings = worker_settings(config, source.model_directories(config))
        memory = _memory(catalog, config, clock.wall().timestamp()) if mode is Mode.SERVICE else NO_MEMORY
        self.core = Dispatcher(self._plan(config), clock.monotonic(), memory)
        self.overview = Overview(self.core, clock.wall(), watches.report if watches else None)
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._code: int | None = None
        self._reloading = asyncio.Lock()
        self._ended = False

    # What the control socket asks for

    def status(self) -> Status:
        """What `GET /v1/status` answers, now."""
        return self.overview.status(self._clock.monotonic(), self._clock.wall())

    async def failures(self) -> list[Trouble]:
        """Every folder that failed or is blocked, the latest first; made in a thread, for there may be a million."""
        return await asyncio.to_thread(self.overview.failures, self._clock.monotonic(), self._clock.wall())

    @property
    def config(self) -> Config:
        """The configuration that counts now."""
        return self._config

    def may_change(self, uid: int) -> bool:
        """Whether this user may have the daemon do something."""
        return uid in self._operators

    async def explain(self, name: FolderName) -> FolderReport:
        """What is known of one folder, and what comes next. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        scanner = self._errands.scanner(key.dataset)
        if scanner is None:
            raise _no_such(name.dataset)
        work = partial(facts_of, key, scanner, self._catalog)
        facts = await asyncio.wrap_future(self._errands.submit(key.dataset, work))
        if not facts.is_track and key not in self.core.ledger.active:
            message = f"there is no track folder {name.folder} in {name.dataset}"
            raise UnknownFolderError(message)
        return explained(self.core, key, facts, self._clock.monotonic(), self._clock.wall())

    async def retry(self, request: RetryFolders) -> Retried:
        """Try folders again, whatever they have come to. Raises UsageError and UnknownFolderError."""
        keys = {self._key_of(name) for name in request.folders}
        unknown = [key for key in keys if key not in self.core.ledger.active and key not in self.core.ledger.complete]
        if unknown:
            message = f"there is no track folder {unknown[0].path} in {unknown[0].dataset}"
            raise UnknownFolderError(message)
        if request.dataset:
            self._dataset_of(request.dataset)
        if request.all or request.dataset:
            wanted = parsed(request.dataset) if request.dataset else None
            keys |= {key for key in self.core.ledger.troubled if wanted in (None, key.dataset)}
        self._errands.pardon(keys)
        return Retried(len(keys))

    async def survey(self, request: Survey) -> Surveyed:
        """What the folders of a dataset have and lack, by what is known of them. Raises UsageError."""
        path = self._dataset_of(request.dataset)
        dataset = self.core.datasets[path]
        if not (self._catalog.lasts and (dataset.walks or dataset.passes)):
            message = f"{request.dataset} has not been walked yet"
            raise UsageError(message)
        asked: Asked = Keys(tuple(dict.fromkeys(request.features)))
        if not request.features:
            asked = Offered(self.core.offers or (), self.core.plan.policies[path])
        busy = {
            key.path
            for key, folder in self.core.ledger.active.items()
            if key.dataset == path and folder.state in (FolderState.RUNNING, FolderState.LOCKED)
        }
        work = partial(census, path, Sightings(self._catalog), asked, busy, names=request.names)
        return await asyncio.wrap_future(self._errands.submit(path, work))

    def bump(self, name: FolderName) -> Retried:
        """Have a folder measured before all others. Raises UsageError and UnknownFolderError."""
        key = self._key_of(name)
        if not self.core.ledger.bump(key):
            message = f"{name.folder} in {name.dataset} waits for nothing"
            raise UnknownFolderError(message)
        self._queue.put_nowait(FolderHint(key))
        return Retried(1)

    def pause(self, request: Pause) -> Paused:
        """Give out no more jobs. Raises UsageError."""
        paths = self._datasets_of(request.dataset)
        for path in paths:
            self._queue.put_nowait(PauseAsked(path, request.seconds))
        return Paused(len(paths))

    def resume(self, request: Resume) -> Paused:
        """Give out jobs again. Raises UsageError."""
        paths = [
            path for path in self._datasets_of(request.dataset) if Cause.OPERATOR in self.core.datasets[path].holds
        ]
        for path in paths:
            self._queue.put_nowait(ResumeAsked(path))
        return Paused(len(paths))

    def rescan(self, request: Rescan) -> Nothing:
        """Walk a dataset now. Raises UsageError."""
        self._queue.put_nowait(RescanAsked(self._dataset_of(request.dataset), request.accept))
        return Nothing()

    async def clean_locks(self, request: CleanLocks) -> CleanedLocks:
        """Remove the locks of the dead of one dataset, in a thread. Raises UsageError for what is none of ours."""
        path = self._dataset_of(request.dataset)
        settings = next(each for each in self._config.dataset if each.path == path)
        request = msgspec.structs.replace(request, dataset=path)
        work = partial(caretaker.clean_up, request, settings.ignore, alone=settings.alone)
        try:
            return await asyncio.wrap_future(self._errands.submit(path, work))
        except OSError as error:
            message = f"cannot look for locks in {request.dataset}: {error.strerror}"
            raise UsageError(message) from error

    async def reload(self) -> Reloaded:
        """Read the configuration again and go by it; what has changed. Raises ConfigError: then nothing has."""
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> Reloaded:
        try:
            config, may_change = await asyncio.to_thread(self._read_configuration)
        except (OSError, ValueError, OverflowError, RecursionError) as error:
            message = f"cannot read the configuration: {error}"
            raise ConfigError(message) from error
        changes = differences(self._config, config)
        for view in self._views:
            view.reloading()
        self._go_by(config)
        self._operators = may_change
        for view in self._views:
            view.ready()
        eventlog.log("configuration-reloaded", {"changes": "; ".join(changes) or "none"})
        return Reloaded(changes)

    def _read_configuration(self) -> tuple[Config, frozenset[int]]:
        config = self._source.read()
        size_in_bytes(config.worker_memory)
        return config, operators(config.operators)

    def _go_by(self, config: Config) -> None:
        before, self._config = self._config, config
        settings = worker_settings(config, self._source.model_directories(config))
        anew, self._worker_settings = settings != self._worker_settings, settings
        self._pool.replan(settings)
        self._errands.take_terms(self._terms(config), self._watches)
        old = {each.path: _looked_at_by(before, each.path) for each in before.dataset}
        rewalk = {each.path for each in config.dataset if old.get(each.path) != _looked_at_by(config, each.path)}
        self._queue.put_nowait(Replanned(self._plan(config), anew, frozenset(rewalk)))

    def _datasets_of(self, name: str) -> list[str]:
        """The named one, or all."""
        return [self._dataset_of(name)] if name else list(self.core.datasets)

    def _dataset_of(self, name: str) -> str:
        path = parsed(name)
        if path not in self.core.datasets:
            raise _no_such(name)
        return path

    def _key_of(self, name: FolderName) -> FolderKey:
        dataset, path = self._dataset_of(name.dataset), parsed(name.folder)
        parts = path.split("/") if path not in ("", ".") else []
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            message = f"not a path below a dataset: {name.folder}"
            raise UsageError(message)
        return FolderKey(dataset, "/".join(parts))

    # The loop

    async def run(self) -> int:
        """Work until told to stop, or until the one pass is over; the exit code."""
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(self._worker_settings, self._queue.put_nowait)
        self._errands = Errands(self._catalog, self._clock, self._post, self._queue.qsize, self._fail, self._pool.owns)
        if self._watches:
            self._watches.listen(self._post)
        self._errands.take_offers(self.core.offers or ())
        self._errands.take_terms(self._terms(self._config), self._watches)
        self._catch_signals()
        self._start(self._show())
        self._start(self._measure())
        try:
            while self._code is None:
                now = self._clock.monotonic()
                self._perform(self.core.tick(now))
                for view in self._views:
                    view.alive()
                if self._code is None:
                    await self._take(now)
        finally:
            self._ended = True
            for task in self._tasks:
                task.cancel()
            await asyncio.to_thread(self._errands.stop)
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
        self._handle(event)
        for _ in range(self._queue.qsize()):
            self._handle(self._queue.get_nowait())

    def _handle(self, event: Event) -> None:
        self._perform(self.core.handle(event, self._clock.monotonic()))
        self._errands.take_offers(self.core.offers or ())

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
                    self._errands.read(key)
                case do.WalkTree():
                    self._errands.walk(action)
                case do.ReapLocks():
                    self._errands.reap(action)
                case do.Probe():
                    self._errands.probe(action)
                case do.Remember():
                    self._errands.remember(action)
                case do.NoteRoot():
                    self._errands.note_root(action)
                case do.KeepPause():
                    self._errands.keep_pause(action)
                case do.KeepAttempt(key, attempt):
                    self._errands.keep(key, attempt)
                case do.Tidy(key):
                    self._errands.tidy(key)
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
            self.core.crew.slots[slot].spawned(self._pool.spawn(slot), now)
        except OSError as error:
            self.core.crew.slots[slot].spawned(-1, now)
            self._queue.put_nowait(WorkerExited(slot, -1, f"cannot start a process: {error.strerror}"))

    def _post(self, event: Event) -> None:
        """Enqueue from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._queue.put_nowait, event)
        except RuntimeError:
            if not self._ended:  # the loop is closed only at the end, and then nobody listens
                raise

    def _fail(self, error: BaseException) -> None:
        """A helper broke, which none may: a folder could be lost. The service ends, and is started again."""
        _LOG.critical("helper-broke", exc_info=error)
        self._post(StopAsked(_BROKEN, at_once=True))

    # Signals, helpers, views

    def _catch_signals(self) -> None:
        # A service that is told to end has done what it should; a pass has not.
        terminated = _INTERRUPTED if self.core.plan.once else 0
        for number, code in ((signal.SIGTERM, terminated), (signal.SIGINT, _INTERRUPTED)):
            self._loop.add_signal_handler(number, self._queue.put_nowait, StopAsked(code))
        if not self.core.plan.once:
            self._loop.add_signal_handler(signal.SIGHUP, lambda: self._start(self._reload_by_signal()))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _reload_by_signal(self) -> None:
        try:
            await self.reload()
        except (ConfigError, UsageError) as error:
            eventlog.log("configuration-refused", {"reason": str(error)})

    async def _show(self) -> None:
        while True:
            self._update_views()
            await asyncio.sleep(_VIEW_INTERVAL)

    async def _measure(self) -> None:
        while True:
            await asyncio.sleep(_PULSE)
            self._queue.put_nowait(WorkersMeasured(self._pool.resident()))

    def _update_views(self) -> None:
        if self._views:
            status = self.status()
            for view in self._views:
                view.update(status)

    # The configuration in the core's terms

    def _terms(self, config: Config) -> list[Terms]:
        return [Terms(each, self._policy_for(config, each.path)) for each in config.dataset]

    def _policy_for(self, config: Config, path: str) -> Policy:
        adopt = next(each.adopt for each in config.dataset if each.path == path)
        return msgspec.structs.replace(
            self._policy,
            adopt=self._policy.adopt and adopt,
            recompute_other_models=config.recompute_other_models,
        )

    def _plan(self, config: Config) -> Plan:
        once = self._mode is not Mode.SERVICE
        limits = Limits(
            {each.path: each.settle for each in config.dataset},
            max_deaths=config.max_deaths,
            max_suspect=config.max_suspect,
            backoff=(1.0, 10.0) if once else (5.0, 300.0),
            once=once,
        )
        return Plan(
            datasets={each.path: each.rescan for each in config.dataset},
            limits=limits,
            policies={each.path: self._policy_for(config, each.path) for each in config.dataset},
            workers=config.worker_count,
            job_timeout=config.job_timeout,
            job_timeout_factor=config.job_timeout_factor,
            worker_memory=size_in_bytes(config.worker_memory),
            recycle_jobs=config.recycle_jobs,
            stop_grace=config.stop_grace,
            reap=config.reap,
            features=self._policy.only or (),
            once=once,
            dry_run=self._mode is Mode.DRY_RUN,
        )


def _no_such(dataset: str) -> UsageError:
    return UsageError(f"no such dataset: {dataset}")


def _memory(catalog: Catalog, config: Config, now: float) -> Memory:
    sightings = Sightings(catalog)
    datasets = {each.path: (sightings.count(each.path), sightings.root(each.path)) for each in config.dataset}
    return Memory(sightings.offers(), datasets, sightings.pauses(now))


def _looked_at_by(config: Config, path: str) -> tuple[object, ...]:
    """What decides which folders a dataset has, and what is due in them."""
    dataset = next(each for each in config.dataset if each.path == path)
    policy = (dataset.adopt, dataset.alone, config.recompute_other_models)
    return dataset.ignore, dataset.mode, dataset.ready_marker, *policy
