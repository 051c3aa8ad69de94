"""The daemon at work: one event loop that takes events off one queue, asks the core what follows, and does it.

Nothing here blocks: what touches a disk is an errand (`disk_tasks`), done in threads. Nothing here decides.

asyncio's traps on the way: a handler of `add_signal_handler` runs in the loop and only enqueues; an exception in a
task is lost unless asked for, so every task reports; `Queue.put_nowait` belongs to the loop's thread alone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from audiobatchd.config.checks import operators, worker_settings
from audiobatchd.config.file import Config, differences
from audiobatchd.control.requests import Reloaded
from audiobatchd.control.status import Status
from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Policy
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import Event, Replanned, Short, StopAsked, WorkerExited, WorkersMeasured, WorkerSpawned
from audiobatchd.core.messages import Stop
from audiobatchd.core.plan import NO_MEMORY
from audiobatchd.disk import filesystems, interrupts
from audiobatchd.disk.probes import Probes, Sleepers
from audiobatchd.errors import ConfigError, UsageError
from audiobatchd.locks import oom
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.scan.watch.contract import Watch
from audiobatchd.service import log
from audiobatchd.service.answers.status import Overview
from audiobatchd.service.clock import Clock
from audiobatchd.service.disk_tasks import DiskTasks
from audiobatchd.service.planning import memory_of, plan_of, terms_of, to_walk_again
from audiobatchd.vocabulary.states import Cause, Mode
from audiobatchd.worker.pool import Pool

_LOG = logging.getLogger(__name__)
_VIEW_INTERVAL = 0.25
_PULSE = 1.0
_TURN = 0.25
"""The loop turns at least so often, so that it notices when it stood still."""

_LONGEST_TURN = 0.5
"""What a turn may take, waiting and working: what is beyond counts for no deadline."""

_WORTH_TELLING = 1.0
_INTERRUPTED = 130
_BROKEN = 70
_ABORTED = 134


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
        watches: Watch | None = None,
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
        memory = memory_of(catalog, config, clock.wall().timestamp()) if mode is Mode.SERVICE else NO_MEMORY
        self.core = Dispatcher(plan_of(config, policy, mode), clock.monotonic(), memory)
        self.overview = Overview(
            self.core, clock.wall(), watches.report if watches else None, lambda: self._catalog.trouble
        )
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._code: int | None = None
        self._reloading = asyncio.Lock()
        self._ended = False
        self._hung_up = False
        """Whether a hang-up of the terminal has been handled."""

    @property
    def config(self) -> Config:
        """The configuration that counts now."""
        return self._config

    @property
    def disk_tasks(self) -> DiskTasks:
        """What works at the disks while `run` does."""
        return self._disk_tasks

    def may_change(self, uid: int) -> bool:
        """Whether this user may have the daemon do something."""
        return uid in self._operators

    def tell(self, event: Event) -> None:
        """Enqueue an event; from the loop's thread."""
        self._queue.put_nowait(event)

    # The configuration, again

    async def reload(self) -> Reloaded:
        """Read the configuration again and go by it; what has changed. Raises ConfigError: then nothing has."""
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> Reloaded:
        try:
            config, may_change = await in_a_thread(self._read_configuration)
        except (OSError, ValueError, OverflowError, RuntimeError) as error:
            message = f"cannot read the configuration: {error}"
            raise ConfigError(message) from error
        changes = differences(self._config, config)
        for view in self._views:
            view.reloading()
        self._go_by(config)
        self._operators = may_change
        for view in self._views:
            view.ready()
        log.write("configuration-reloaded", {"changes": "; ".join(changes) or "none"})
        return Reloaded(changes)

    def _read_configuration(self) -> tuple[Config, frozenset[int]]:
        config = self._source.read()
        return config, operators(config.operators)

    def _go_by(self, config: Config) -> None:
        before, self._config = self._config, config
        settings = worker_settings(config, self._source.model_directories(config))
        anew, self._worker_settings = settings != self._worker_settings, settings
        self._pool.replan(settings)
        self._disk_tasks.take_terms(terms_of(config, self._policy), self._watches)
        plan = plan_of(config, self._policy, self._mode)
        self._queue.put_nowait(Replanned(plan, anew, to_walk_again(before, config)))

    # The loop

    async def run(self) -> int:
        """Work until told to stop, or until the one pass is over; the exit code."""
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(self._worker_settings, self._queue.put_nowait)
        self._disk_tasks = DiskTasks(
            self._catalog, self._clock, self._post, self._queue.qsize, self._fail, self._pool.owns
        )
        self._probes = Probes(self._queue.put_nowait)
        if self._watches:
            self._watches.listen(self._post)
        self._disk_tasks.take_offers(self.core.offers or ())
        self._disk_tasks.take_terms(terms_of(self._config, self._policy), self._watches)
        self._catch_signals()
        self._start(self._show())
        self._start(self._measure())
        self._clock.beat(_LONGEST_TURN)  # before this nothing had a deadline
        try:
            while self._code is None:
                now = self._time()
                self._perform(self.core.tick(now))
                for view in self._views:
                    view.alive()
                if self._code is None:
                    await self._take(now)
        finally:
            self._ended = True
            for task in self._tasks:
                task.cancel()
            self._probes.stop()
            with suppress(RuntimeError):  # no thread is left: then these are left behind as they are
                await in_a_thread(self._disk_tasks.stop)
        self._update_views()
        return self._code

    async def _take(self, now: float) -> None:
        """Wait for the next event, until the core wants to be asked or a turn is over; then take all that are there."""
        wakeup = self.core.next_wakeup()
        # A timeout of 0 would never let the loop see to its descriptors.
        timeout = _TURN if wakeup is None else min(_TURN, max(0.001, wakeup - now))
        try:
            event = await asyncio.wait_for(self._queue.get(), timeout)
        except TimeoutError:
            return
        self._handle(event)
        for _ in range(self._queue.qsize()):
            self._handle(self._queue.get_nowait())

    def _handle(self, event: Event) -> None:
        self._perform(self.core.handle(event, self._time()))
        self._disk_tasks.take_offers(self.core.offers or ())

    def _time(self) -> float:
        """The time now, by which all deadlines go; asked for at every turn and with every event.

        What the loop stood still is no worker's fault, and no file's: it is left out.
        """
        stood_still = self._clock.beat(_LONGEST_TURN)
        if stood_still >= _WORTH_TELLING:
            log.write("stood-still", {"seconds": round(stood_still, 1)})
        return self._clock.monotonic()

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
                    self._disk_tasks.read(key)
                case do.WalkTree():
                    self._disk_tasks.walk(action)
                case do.LookAtRoot(dataset):
                    self._disk_tasks.look_at_root(dataset)
                case do.ReapLocks():
                    self._disk_tasks.reap(action)
                case do.Probe(cause=Cause.HANG):
                    self._probes.start(action)
                case do.CountMisses(dataset):
                    self._disk_tasks.count_misses(dataset)
                case do.Probe():
                    self._disk_tasks.probe(action)
                case do.Remember():
                    self._disk_tasks.remember(action)
                case do.Forget():
                    self._disk_tasks.forget(action)
                case do.NoteRoot():
                    self._disk_tasks.note_root(action)
                case do.KeepPause():
                    self._disk_tasks.keep_pause(action)
                case do.KeepAttempt(key, attempt):
                    self._disk_tasks.keep(key, attempt)
                case do.Tidy(key):
                    self._disk_tasks.tidy(key)
                case do.Report():
                    log.report(action)
                case do.AnnounceReady():
                    self._update_views()  # whoever waited for the start is not to be shown the time before it
                    for view in self._views:
                        view.ready()
                case do.AnnounceStopping():
                    for view in self._views:
                        view.stopping()
                case do.Finish(code):
                    self._code = code

    def _spawn(self, slot: int) -> None:
        try:
            self._queue.put_nowait(WorkerSpawned(slot, self._pool.spawn(slot)))
        except OSError as error:
            reason = f"cannot start a process: {error.strerror}"
            if filesystems.cause_of(error) is Cause.SHORTAGE or error.errno == errno.EAGAIN:
                self._queue.put_nowait(Short(reason, slot))
            else:
                self._queue.put_nowait(WorkerSpawned(slot, -1))
                self._queue.put_nowait(WorkerExited(slot, -1, reason))

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
        asked = {signal.SIGTERM: terminated, signal.SIGINT: _INTERRUPTED, signal.SIGQUIT: _INTERRUPTED}
        for number, code in asked.items():
            self._loop.add_signal_handler(number, self._queue.put_nowait, StopAsked(code))
        # What it would leave behind as it is would be taken for the work of a folder.
        self._loop.add_signal_handler(signal.SIGABRT, self._queue.put_nowait, StopAsked(_ABORTED, at_once=True))
        ignored = interrupts.hang_up_is_ignored()
        if not ignored and (self.core.plan.once or interrupts.has_terminal()):
            self._loop.add_signal_handler(signal.SIGHUP, self._hang_up, terminated)
        elif not self.core.plan.once:
            self._loop.add_signal_handler(signal.SIGHUP, lambda: self._start(self._reload_by_signal()))

    def _hang_up(self, code: int) -> None:
        """The terminal has gone: drain, as after SIGTERM, but only once.

        A shell tells its jobs when it is told itself, and the kernel tells them when the shell has ended: the second
        does not mean that running jobs are to be ended at once.
        """
        if not self._hung_up and self.core.life.works:
            self._queue.put_nowait(StopAsked(code))
        self._hung_up = True

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
            log.write("configuration-refused", {"reason": str(error)})

    async def _show(self) -> None:
        while True:
            self._update_views()
            await asyncio.sleep(_VIEW_INTERVAL)

    async def _measure(self) -> None:
        workers, threads = Sleepers(), Sleepers()
        while True:
            await asyncio.sleep(_PULSE)
            now = self._clock.monotonic()
            asleep = workers.measured({pid: f"/proc/{pid}" for pid in self._pool.pids()}, now)
            at_work = self._disk_tasks.at_work()
            waiting: dict[str, float] = {}
            for number, seconds in threads.measured({each: f"/proc/self/task/{each}" for each in at_work}, now).items():
                path = at_work[number]
                waiting[path] = max(seconds, waiting.get(path, 0.0))
            self._queue.put_nowait(WorkersMeasured(self._pool.resident(), asleep, waiting, oom.limit()))
            self._disk_tasks.again()
            if self._catalog.trouble:
                self._disk_tasks.mend_catalog()

    def _update_views(self) -> None:
        if self._views:
            status = self.overview.status(self._clock.monotonic(), self._clock.wall())
            for view in self._views:
                view.update(status)
