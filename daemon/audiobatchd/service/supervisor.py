"""The service at work: one event loop that takes events off one queue, asks the core what follows, and does it.

Nothing here blocks: what touches a disk is done in threads, by `disk_tasks` and `catalog_writes`. Nothing here decides.

asyncio's trap on the way: an exception in a task is lost unless asked for, so every task reports. See also `signals`.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from audiobatchd.config.file import Config, differences
from audiobatchd.control.requests import Reloaded
from audiobatchd.control.status import Status
from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Policy
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import (
    Event,
    Replanned,
    Short,
    StoodStill,
    StopAsked,
    WorkerExited,
    WorkersMeasured,
    WorkerSpawned,
)
from audiobatchd.core.messages import Stop, ToWorker, WorkerSettings
from audiobatchd.core.plan import NO_MEMORY
from audiobatchd.core.slot import SlotState
from audiobatchd.disk import filesystems
from audiobatchd.disk.probes import Probes, Sleepers
from audiobatchd.errors import ConfigError, UsageError
from audiobatchd.hooks.hooks import Hooks
from audiobatchd.locks import oom
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.scan.watch.contract import Watch
from audiobatchd.service import log
from audiobatchd.service.answers.status import Overview
from audiobatchd.service.catalog_writes import CatalogWrites
from audiobatchd.service.clock import Clock
from audiobatchd.service.decisions import Decisions, KeptDispatcher
from audiobatchd.service.disk_tasks import DiskTasks
from audiobatchd.service.event_queue import EventQueue
from audiobatchd.service.inboxes import Inboxes
from audiobatchd.service.machine import Machine
from audiobatchd.service.planning import Planner, Source, memory_of
from audiobatchd.service.signals import Signals
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.states import Cause, Mode
from audiobatchd.worker.pool import Pool

_VIEW_INTERVAL = 0.25
_PULSE = 1.0
"""Seconds between two measurements of workers and threads."""
_LIMIT_EVERY = 5
"""Every so many of them the limit of memory is read: a file for each control group above ours."""
_TURN, _TURN_AT_REST = 0.25, 1.0
"""Seconds that a turn of the loop waits at most, so that it notices when it stood still; at rest no worker works."""
_WORK = 0.25
"""Seconds that the work of one turn may take."""
_WORTH_TELLING = 1.0
"""Seconds of a standstill from which on it is told."""
_PATIENCE, _LEAST_PATIENCE = 5.0, 1.0
"""Seconds that the threads are granted at the end, and of these the catalog's at least."""


class View(Protocol):
    """A terminal, or systemd: what is shown the status now and then. Called in the event loop, so it must be quick."""

    def update(self, status: Status) -> None:
        """Show the status."""

    def ready(self) -> None:
        """Tell that the service has started."""

    def alive(self) -> None:
        """Tell that the service goes on: it has just handled what there was, or found nothing to do."""

    def reloaded(self) -> None:
        """Tell that the service goes by another configuration from now on, in whatever state it is."""

    def stopping(self) -> None:
        """Tell that the service begins to end."""


class Workers(Protocol):
    """All worker processes of one service, on this machine or on others: what happens to them is posted as an event.

    Called in the event loop, so nothing here may wait.
    """

    def replan(self, settings: WorkerSettings) -> None:
        """Start workers with other settings from now on."""

    def pids(self) -> list[int]:
        """Return the PIDs of the workers that are processes of this machine."""

    def owns(self, pid: int) -> bool:
        """Tell whether a process of this machine is, or was, one of the workers; asked from any thread."""

    def resident(self) -> dict[int, int]:
        """Return the bytes of memory of each worker with its children's, by the number that `spawn` gave."""

    def asleep(self, now: float) -> dict[int, float]:
        """Return for how many seconds each worker has not run at all, by the number that `spawn` gave."""

    def spawn(self, slot: int) -> int:
        """Start a worker in a slot that has none; return the number by which events name it. Raises OSError."""

    def send(self, slot: int, message: ToWorker) -> None:
        """Send a message to the worker in `slot`, if there is one."""

    def kill(self, slot: int) -> None:
        """End the worker in `slot` and all that it started, now."""


class Supervisor:
    """One run of the service; `run` gives its exit code. Without `watches` only walks see changes.

    `remote` makes what has the workers on other machines, of their settings and of what takes events.

    `config` is what `source` gave, and what it gives again at a reload counts from then on.
    """

    def __init__(  # noqa: PLR0913  # the parts of a service, each made elsewhere
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
        decisions: Decisions | None = None,
        outbox: Path | None = None,
        remote: Callable[[WorkerSettings, Callable[[Event], None]], Workers] | None = None,
    ) -> None:
        self._clock = clock
        self._views = views
        self._planner = Planner(source, policy, mode, remote=remote is not None)
        self._derived = self._planner.derive(config)
        self._events = EventQueue()
        self.hooks = Hooks(outbox, clock.monotonic, self._fail, self._events.post)
        self.hooks.take_terms(config.hook)
        memory = NO_MEMORY
        if mode is Mode.SERVICE:
            memory = memory_of(catalog, config, clock.wall().timestamp(), self.hooks.marks())
        self.core = (
            KeptDispatcher(self._derived.plan, clock.monotonic(), memory, decisions)
            if decisions is not None
            else Dispatcher(self._derived.plan, clock.monotonic(), memory)
        )
        self.inboxes = Inboxes()
        self.overview = Overview(
            self.core,
            clock.wall(),
            watches.report if watches else None,
            lambda: catalog.trouble or self.hooks.trouble,
            self.inboxes.status,
            self.hooks.status,
        )
        self._pool = (remote or Pool)(self._derived.workers, self._events.put)
        self._probes = Probes(self._events.put)
        self.catalog_writes = CatalogWrites(catalog, clock, self._events.post, self._fail)
        self.disk_tasks = DiskTasks(
            catalog, clock, self._events.post, lambda: len(self._events), self._fail, self._pool.owns, watches
        )
        self._take_terms()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._code: int | None = None
        """The exit code, when all is over."""
        self._has_news = True
        """True where anything happened since the views were told."""
        self._told_at = 0.0
        """Moment when they were told."""
        self._longest_turn = _TURN + _WORK
        """Seconds that the turn under way takes at most; what is beyond counts for no deadline."""
        self._reloading = asyncio.Lock()
        self._next_reload: asyncio.Task[Reloaded] | None = None
        """The reload that has not begun to read."""
        self._signalled: asyncio.Task[Reloaded] | None = None
        """The last reload that a signal asked for."""

    @property
    def config(self) -> Config:
        """Return the configuration that counts now."""
        return self._derived.config

    def may_change(self, uid: int) -> bool:
        """Tell whether this user may have the service do something."""
        return uid in self._derived.operators

    def tell(self, event: Event) -> bool:
        """Handle an event at once, after all that came before it, in the loop; tell whether it changed anything.

        So the answer to a request is by what the core has come to, also where another request came just before.
        """
        if self._code is not None:
            return False  # what would follow is not done any more
        try:
            self._handle_all()
            actions = self._handle(event)
        except BaseException as error:
            self._fail(error)  # the request alone would hear of it
            raise
        self._events.wake()  # for what follows from it in `tick`
        return bool(actions)

    # The configuration, again

    async def reload(self) -> Reloaded:
        """Read the configuration again, go by it, and tell what has changed. Raises ConfigError: then nothing has."""
        return await asyncio.shield(self._reload_to_come())  # others may wait for it as well

    def _reload_to_come(self) -> asyncio.Task[Reloaded]:
        """Return the reload that has not begun to read, for which all wait who come before that; or begin one."""
        if self._next_reload is None:
            self._next_reload = asyncio.create_task(self._read_again())
            self._tasks.add(self._next_reload)
            self._next_reload.add_done_callback(self._tasks.discard)
        return self._next_reload

    async def _read_again(self) -> Reloaded:
        async with self._reloading:
            self._next_reload = None
            try:
                derived = await in_a_thread(self._planner.read)
                await in_a_thread(partial(self.hooks.prepare, derived.config.hook))
            except (OSError, ValueError, OverflowError, RuntimeError) as error:
                message = f"cannot read the configuration: {getattr(error, 'strerror', None) or error}"
                raise ConfigError(message) from error
            before, self._derived = self._derived, derived
            self._pool.replan(derived.workers)
            self._take_terms()
            self._events.put(Replanned(derived.plan, derived.workers != before.workers, derived.to_walk_again(before)))
            for view in self._views:
                view.reloaded()
            changes = differences(before.config, derived.config)
            write(LogEvent.CONFIGURATION_RELOADED, {"changes": "; ".join(changes) or "none"})
            return Reloaded(changes)

    def _take_terms(self) -> None:
        self.disk_tasks.take_terms(self._derived.terms)
        self.catalog_writes.take_terms(self._derived.terms)
        self.inboxes.take_terms(self._derived.inboxes)
        self.hooks.take_terms(self._derived.config.hook)

    def _take_offers(self) -> None:
        self.disk_tasks.take_offers(self.core.offers or ())
        self.catalog_writes.take_offers(self.core.offers or ())

    # The loop

    async def run(self) -> int:
        """Work until told to stop, or until the one pass is over; return the exit code."""
        self._events.open()
        self._take_offers()
        self.hooks.start()
        Signals(self._events.put, self._reload_by_signal, lambda: self.core.works, once=self.core.plan.once).catch()
        self._start(self._measure())
        machine = Machine(self._clock, self._events.put, self._pool.pids)
        self._start(machine.watch(self.core.conditions))
        self._time()  # before this nothing had a deadline
        try:
            while self._code is None:
                now = self._time()
                self._perform(self.core.tick(now))
                for view in self._views:
                    view.alive()
                if self._has_news and now >= self._told_at + _VIEW_INTERVAL:
                    self._update_views()
                if self._code is None:
                    await self._turn()
        finally:
            self._clock.beat(math.inf)  # there is no other: the clock goes on to the end
            self._events.close()
            for task in self._tasks:
                task.cancel()
            self._probes.stop()
            await self.inboxes.stop()
            await self.hooks.stop()
            with suppress(RuntimeError):  # no thread is left: then these are left behind as they are
                await in_a_thread(self._stop_threads)
        self._update_views()
        return self._code

    async def _turn(self) -> None:
        """Wait for events until the core wants to be asked, or a turn is over; then take all that are there."""
        turn = _TURN_AT_REST if all(slot.state is SlotState.IDLE for slot in self.core.slots) else _TURN
        self._longest_turn = turn + _WORK
        now = self._time()
        until = [now + turn]
        if (wakeup := self.core.next_wakeup()) is not None:
            until.append(wakeup)
        if self._has_news:
            until.append(self._told_at + _VIEW_INTERVAL)
        # A timeout of 0 would never let the loop see to its descriptors.
        await self._events.wait(max(0.001, min(until) - now))
        self._handle_all()

    def _handle_all(self) -> None:
        for event in self._events.taken():
            self._handle(event)

    def _handle(self, event: Event) -> list[do.Action]:
        self._has_news = True  # once a second at least, by WorkersMeasured: views tell how long things take
        actions = self.core.handle(event, self._time())
        self._perform(actions)
        self._take_offers()
        return actions

    def _time(self) -> float:
        """Return the time now, by which all deadlines go; asked for at every turn and with every event.

        What the loop stood still is no worker's fault, and no file's: it is left out.
        """
        stood_still = self._clock.beat(self._longest_turn)
        now = self._clock.monotonic()
        if stood_still >= _WORTH_TELLING:
            write(LogEvent.STOOD_STILL, {"seconds": round(stood_still, 1)})
            self._perform(self.core.handle(StoodStill(stood_still), now))
        return now

    def _perform(self, actions: list[do.Action]) -> None:  # noqa: C901, PLR0912  # one case per kind of action
        for action in actions:
            match action:
                case do.SpawnWorker(slot):
                    self._spawn(slot)
                case do.StopWorker(slot):
                    self._pool.send(slot, Stop())
                case do.KillWorker(slot):
                    self._pool.kill(slot)
                case do.SendJob():
                    self.hooks.when_marked(partial(self._send, action))
                case do.Begin() | do.Dismiss() | do.Tell():
                    self.hooks.perform(action)
                case do.Probe(cause=Cause.HANG):
                    self._probes.start(action)
                case do.ReadFolder() | do.WalkTree() | do.LookAtRoot() | do.ReapLocks() | do.Probe() | do.Tidy():
                    self.disk_tasks.perform(action)
                case do.NoteRoot():
                    self.disk_tasks.note_root(action)
                    self.catalog_writes.perform(action)
                case do.Remember() | do.Disown() | do.Forget() | do.KeepAttempt() | do.CountMisses():
                    self.catalog_writes.perform(action)
                case do.KeepPause() | do.KeepPace() | do.CountJob():
                    self.catalog_writes.perform(action)
                case do.Report():
                    log.report(action)
                case do.AnnounceReady():
                    self._update_views()  # a caller that waited for the start is not to be shown the time before it
                    for view in self._views:
                        view.ready()
                case do.AnnounceStopping():
                    self.inboxes.drain()
                    for view in self._views:
                        view.stopping()
                case do.Finish(code):
                    self._code = code

    def _send(self, action: do.SendJob) -> None:
        slots = self.core.slots
        assignment = slots[action.slot].assignment if action.slot < len(slots) else None
        if assignment is not None and assignment.number == action.job.number:  # else its worker has gone meanwhile
            self._pool.send(action.slot, action.job)

    def _spawn(self, slot: int) -> None:
        try:
            self._events.put(WorkerSpawned(slot, self._pool.spawn(slot)))
        except OSError as error:
            reason = f"cannot start a process: {error.strerror}"
            if filesystems.cause_of(error) is Cause.SHORTAGE or error.errno == errno.EAGAIN:
                self._events.put(Short(reason, slot))
            else:
                self._events.put(WorkerSpawned(slot, -1))
                self._events.put(WorkerExited(slot, -1, reason))

    def _fail(self, error: BaseException) -> None:
        """End the service, which is started again: a helper broke, which none may, for a folder could be lost."""
        write(LogEvent.HELPER_BROKE, error=error)
        self._events.post(StopAsked(DaemonExit.BROKEN, at_once=True))

    def _stop_threads(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        self.disk_tasks.stop(_PATIENCE)
        self.catalog_writes.stop(max(_LEAST_PATIENCE, deadline - time.monotonic()))
        self.hooks.close()
        self.disk_tasks.stop_watching()

    # Helpers

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _reload_by_signal(self) -> None:
        asked = self._reload_to_come()
        if asked is self._signalled:
            return
        self._signalled = asked

        async def reload() -> None:
            try:
                await asyncio.shield(asked)
            except (ConfigError, UsageError) as error:
                write(LogEvent.CONFIGURATION_REFUSED, {"reason": str(error)})

        self._start(reload())

    async def _measure(self) -> None:
        threads = Sleepers()
        memory_limit = 0
        for measurement in itertools.count():
            await asyncio.sleep(_PULSE)
            if measurement % _LIMIT_EVERY == 0:
                memory_limit = oom.limit()
            now = self._clock.monotonic()
            at_work = self.disk_tasks.at_work()
            waiting: dict[str, float] = {}
            for number, seconds in threads.measured({each: f"/proc/self/task/{each}" for each in at_work}, now).items():
                path = at_work[number]
                waiting[path] = max(seconds, waiting.get(path, 0.0))
            self._events.put(WorkersMeasured(self._pool.resident(), self._pool.asleep(now), waiting, memory_limit))
            self.inboxes.look_after(self.core.datasets, now)
            self.disk_tasks.again()
            self.catalog_writes.again()
            self.hooks.again()

    def _update_views(self) -> None:
        now = self._clock.monotonic()
        self._has_news, self._told_at = False, now
        if self._views:
            status = self.overview.status(now, self._clock.wall())
            for view in self._views:
                view.update(status)
