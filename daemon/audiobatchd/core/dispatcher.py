"""The one entrance of the core: events go in, actions come out, and questions are answered.

A folder's way through here: `FolderHint` -> `ReadFolder` -> `FolderRead` (settling, then queued) -> `SendJob` ->
`WorkerSaid(Result)` -> complete, or one of the other ends. What follows for folders is `transitions`, for whole
datasets `rounds`, for workers and their jobs `crew` and `jobs`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.asked import left_out, unknown_among, why_unknown
from audiobatchd.core.assessment import Offer
from audiobatchd.core.crew import Lost
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.folder import Folder
from audiobatchd.core.jobs import Jobs
from audiobatchd.core.lifecycle import DaemonState
from audiobatchd.core.messages import Ready, Result, Stage
from audiobatchd.core.parts import Parts
from audiobatchd.core.plan import NO_MEMORY, Memory, Plan
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.rounds import Rounds, paused
from audiobatchd.core.schedule import Conditions
from audiobatchd.core.schedules import Schedules
from audiobatchd.core.slot import Slot, SlotState
from audiobatchd.core.telling import Telling
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import Cause, DatasetState, FolderState


class Dispatcher:
    """Takes events one at a time and says what is to be done. It is not told the time: every call brings `now`."""

    def __init__(self, plan: Plan, now: float, memory: Memory = NO_MEMORY) -> None:
        self._parts = parts = Parts.made(plan, now, memory)
        self.transitions, self.ledger, self.agenda = parts.transitions, parts.ledger, parts.agenda
        self.datasets = parts.datasets
        self.crew, self.life, self.tally = parts.crew, parts.life, parts.tally
        self._rounds = Rounds(parts)
        self._telling = Telling(parts, memory)
        self._jobs = Jobs(parts, self._rounds, self._telling)
        self.schedules = Schedules(parts, now)
        self._is_offered = False
        """Tell whether any worker of this run has said what it can do."""
        self.own_success: int | None = None
        """Number of folders of its own shard that one pass completed before it helped others; None: it did not."""

    @property
    def plan(self) -> Plan:
        """The configuration that counts now."""
        return self._parts.plan

    @property
    def offers(self) -> tuple[Offer, ...] | None:
        """Offers of the workers; None as long as none has said what it can do."""
        return self._parts.offers

    # Events

    def handle(self, event: on.Event, now: float) -> list[do.Action]:
        """Take in an event; the actions that follow, none from late news of a dataset that was dropped."""
        actions = self._handle(event, now)
        return actions + self._telling.follow(event, actions)

    def _handle(self, event: on.Event, now: float) -> list[do.Action]:
        if isinstance(event, on.OfFolder):
            dataset = self.datasets.get(event.key.dataset)
            return self._of_folder(event, dataset, now) if dataset is not None else []
        if isinstance(event, on.OfDataset):
            dataset = self.datasets.get(event.dataset)
            return self._of_dataset(event, dataset, now) if dataset is not None else []
        if isinstance(event, on.OfWorkers):
            return self._of_workers(event, now)
        match event:
            case on.FolderRead(reading, place) if reading.key.dataset in self.datasets:
                self.datasets[reading.key.dataset].read_in(place, now)
                self.transitions.disowned.discard(reading.key)
                return self._heard(reading, now, walk=False)
            case on.FolderRead(reading):
                self.agenda.forget_reading(reading.key)
            case on.WalkRead():
                return self._walk_read(event, now)
            case on.MachineSeen() | on.Replanned():
                return self._of_machine(event, now)
            case on.StoodStill(seconds):
                for each in self.datasets.values():
                    each.holds.answered_at -= seconds
            case on.StopAsked(code, at_once):
                return self._stop(code, now, at_once=at_once)
        return []

    def _of_folder(self, event: on.OfFolder, dataset: Dataset, now: float) -> list[do.Action]:
        match event:
            case on.FolderHint() | on.FolderTouched() | on.TreeAppeared() if dataset.is_refused:
                pass  # a walk finds it, when there is one again
            case on.FolderHint(key):
                self.transitions.hint(key, now)
            case on.FolderTouched(key):
                self.transitions.touched(key, now)
            case on.TreeAppeared(key):
                if self.offers is not None:
                    dataset.schedule.trees.add(key.path)
            case on.TreeVanished(key):
                self._rounds.tree_vanished(key, now)
            case on.RetryAsked(key, disowned) if disowned:
                return self.transitions.disown(key, disowned, now)
            case on.RetryAsked(key):
                self.transitions.retry(key, now)
            case on.BumpAsked(key):
                if self.transitions.bump(key) and not dataset.is_refused:
                    self.transitions.hint(key, now)
        return []

    def _of_dataset(self, event: on.OfDataset, dataset: Dataset, now: float) -> list[do.Action]:
        match event:
            case on.Walked():
                return [*self._rounds.walked(event, now), *self._parts.tell_renewals(event.dataset)]
            case on.RootSeen():
                return self._rounds.root_seen(event, now)
            case on.LocksSeen():
                return self._rounds.locks_seen(event, now)
            case on.MissesCounted():
                dataset.near_misses = event.near_misses
            case on.Probed():
                trial, asked_at = dataset.holds.trial, dataset.holds.asked_at
                actions = self._rounds.probed(event, now)
                return actions + self._jobs.disk_told(event, trial, asked_at, now)
            case on.WatchLost():
                dataset.schedule.events_lost(now)
                return [do.Report(LogEvent.WATCH_LOST, {"dataset": event.dataset, "reason": event.reason})]
            case on.PauseAsked(seconds=None) if dataset.is_paused_for_good:
                pass
            case on.PauseAsked():
                hold = dataset.holds.pause(None if event.seconds is None else now + event.seconds)
                return [paused(event.dataset, hold), do.KeepPause(event.dataset, paused=True, seconds=event.seconds)]
            case on.ResumeAsked():
                return [*self._rounds.released(dataset, Cause.OPERATOR, now), *self.schedules.override(event, now)]
            case on.RescanAsked():
                dataset.belief.accepts = event.accepts
                dataset.schedule.want_full(now)
        return []

    def _of_workers(self, event: on.OfWorkers, now: float) -> list[do.Action]:
        match event:
            case on.PlaceJoined() | on.PlaceLeft():
                return self._of_places(event, now)
            case on.WorkerSpawned(index, pid):
                self.crew.slots[index].spawned(pid, now)
            case on.WorkerSaid(index, pid, message) if slot := self.crew.slot_of(index, pid):
                return self._worker_said(slot, message, now)
            case on.WorkerBroke(index, pid, what) if slot := self.crew.slot_of(index, pid):
                slot.ending(what, now)
                return [do.KillWorker(index)]
            case on.WorkerExited(index, pid) if slot := self.crew.slot_of(index, pid):
                return self._jobs.worker_exited(slot, event, now)
            case on.WorkerExited(_, pid) if lost := self.crew.lost.pop(pid, None):
                return self._jobs.lost_ended(lost, now)
            case on.WorkersMeasured():
                return self._jobs.measured(event, now)
            case on.Short(reason, index):
                if index is not None:
                    self.crew.slots[index].short(now)
                return self._parts.shortage.met(reason, now)
        return []

    def _of_places(self, event: on.OfPlaces, now: float) -> list[do.Action]:
        if isinstance(event, on.PlaceJoined):
            return self.crew.joined(event.slot, event.host, now)
        return self._jobs.place_left(self.crew.slots[event.slot], event.reason, now)

    # Time

    def tick(self, now: float) -> list[do.Action]:
        """Let time pass; the actions that follow from it, and from all that `handle` took in since the last tick."""
        actions: list[do.Action] = []
        if self.offers is not None and self.life.works:
            actions += self._rounds.due(now)
            actions += [do.ReadFolder(key) for key in self.agenda.take(now, self._rounds.unready(now))]
            actions += self._rounds.ask_first(self.agenda.put_off(), now)
            if not self.plan.dry_run:
                actions += self._jobs.give_out(now)
        actions += self._end_of_pass(now)
        actions += self._jobs.give_up_the_lost(now)
        actions += self._jobs.ask_for_the_late(now)
        self.crew.rest(now, rests=self.schedules.rests(now))
        actions += self.crew.tend(now, works=self.life.works, kill=self.life.patience_ended(now))
        if all(slot.state is SlotState.DOWN for slot in self.crew.slots) and self.life.emptied():
            actions.append(do.Finish(self.life.code))
        return actions + self._telling.follow(None, actions)

    def next_wakeup(self) -> float | None:
        """Moment when `tick` has something to do by itself; None: only after an event."""
        times: list[float | None] = [*self.crew.wakeups(), self.life.kill_at]
        if self.offers is not None and self.life.works:
            times += [self.agenda.next_look(), *self._rounds.wakeups()]
        return min((time for time in times if time is not None), default=None)

    # Readings

    def _walk_read(self, event: on.WalkRead, now: float) -> list[do.Action]:
        dataset = self.datasets.get(event.dataset)
        if dataset is None:
            return []
        dataset.schedule.listed = event.listed
        for path, unavailable in event.unchanged:
            self.transitions.unchanged(FolderKey(event.dataset, path), unavailable, now)
        return [action for reading in event.readings for action in self._heard(reading, now, walk=True)]

    def _heard(self, reading: Reading, now: float, *, walk: bool) -> list[do.Action]:
        key, dataset = reading.key, self.datasets[reading.key.dataset]
        if reading.finding is Finding.LOST:
            self.transitions.heard(reading, now, walk=walk)
            if self.transitions.is_gone_for_good(key):
                return self._gone_as_accepted(key)
            dataset.schedule.want_full(now)
            return self._lost_in_pass(dataset, now) if self.plan.once else []
        if reading.passed_over:
            dataset.want_count(now)
        if not walk and self.agenda.is_outdated(key):
            self.transitions.heard(reading, now, walk=walk)
            return []
        actions: list[do.Action] = []
        unreadable = self.ledger.is_unreadable(key)
        folder = self.transitions.heard(reading, now, walk=walk)
        if walk and folder is not None:
            dataset.renewals.came_by(reading.renewed)
        if unreadable and not self.ledger.is_unreadable(key):
            # Nothing below it has been seen, nor is it watched.
            dataset.schedule.renew = True
            dataset.schedule.want_full(now)
        # A job that died after its record was written has left charges that mean nothing any more.
        survived = reading.finding is Finding.COMPLETE and (reading.charges or reading.suspicions)
        # What a walk read would take the place of what was disowned since.
        if folder is None and (reading.memory or survived) and not (walk and key in self.transitions.disowned):
            actions.append(do.Remember(key, reading.memory))
        if reading.finding is Finding.GONE and not reading.has_record and not self.ledger.knows(key):
            actions.append(do.Forget(key.dataset, (key.path,)))
        if folder is None:
            self._parts.news.is_over(key)
        elif folder.state is FolderState.BLOCKED:
            actions += self._parts.news.of(key, folder)
        return actions

    def _gone_as_accepted(self, key: FolderKey) -> list[do.Action]:
        """Forget a folder that is not there, whose job was under way when an accepted walk met nothing."""
        self.transitions.forget(key)
        self._parts.news.is_over(key)
        return [do.Forget(key.dataset, (key.path,), accepted=True)]

    def _lost_in_pass(self, dataset: Dataset, now: float) -> list[do.Action]:
        """End what is left to do in a dataset as blocked: one pass waits for none to come back."""
        actions: list[do.Action] = []
        if dataset.state is not DatasetState.MISSING:
            dataset.state, dataset.remark = DatasetState.MISSING, "it was there when the pass began"
            actions.append(do.Report(LogEvent.DATASET_MISSING, {"dataset": dataset.path, "remark": dataset.remark}))
        for key in self.transitions.give_up(dataset.path, "its dataset is not there any more", now):
            actions += self._parts.news.of(key, self.ledger.active[key])
        return actions

    # Workers

    def _worker_said(self, slot: Slot, message: Ready | Stage | Result, now: float) -> list[do.Action]:
        if slot.assignment is not None and (dataset := self.datasets.get(slot.assignment.key.dataset)) is not None:
            dataset.holds.answered_at = now
        match message:
            case Ready(offers):
                if not self.crew.ready(slot, now):
                    return []
                where: dict[str, do.Field] = {"host": slot.host} if slot.host else {}
                report = do.Report(LogEvent.WORKER_READY, {"worker": slot.index, "pid": slot.pid, **where})
                return [report, *self._take_offers(slot, offers, now)]
            case Stage(job, doing, seconds):
                slot.staged(job, doing, seconds, now)
                return []
            case Result():
                return self._jobs.finished(slot, message, now)

    def _take_offers(self, slot: Slot, offers: tuple[Offer, ...], now: float) -> list[do.Action]:
        """Go by what the workers can do: that decides what is due everywhere."""
        is_first, self._is_offered = not self._is_offered, True
        if offers == self.offers and not is_first:
            return []
        if offers != self.offers:
            self.crew.others_are_stale(slot)
            for dataset in self.datasets.values():
                dataset.renewals.change()
                if not self.plan.once:  # a pass walks once, and would wait for another walk without end
                    dataset.schedule.want_judgement(now)
        self._parts.offers = offers
        if unknown := unknown_among(self.plan.features, offers):
            reason = why_unknown(unknown, offers, left_out(self.plan.left_out))
            fields: dict[str, do.Field] = {"unknown": " ".join(unknown), "reason": reason}
            return [do.Report(LogEvent.FEATURE_UNKNOWN, fields), *self._stop(DaemonExit.USAGE, now, at_once=True)]
        ready: list[do.Action] = [do.AnnounceReady()] if not self.datasets and self.life.walked() else []
        return ready + [
            do.Report(LogEvent.ANALYZER_UNAVAILABLE, {"analyzer": offer.name, "reason": offer.unavailable})
            for offer in offers
            if offer.unavailable is not None
        ]

    # The configuration, and the end

    def _of_machine(self, event: on.MachineSeen | on.Replanned, now: float) -> list[do.Action]:
        """Go by the machine as it is now, or by another configuration; what runs, runs on by the old one."""
        if isinstance(event, on.MachineSeen):
            return self.schedules.seen(event, now)
        before, self._parts.plan = self.plan, event.plan
        self.transitions.limits = event.plan.limits
        self.life.stop_grace = event.plan.stop_grace
        self.crew.replan(event.plan, anew=event.anew)
        self._rounds.replan(event.rewalk, now)
        if before.worker_memory != event.plan.worker_memory:
            self._jobs.other_memory(now)
        # The dataset that was waited for may be no longer among them.
        ready = [] if self.offers is None else self._rounds.started()
        return [*self.schedules.replan(now), *ready]

    def _stop(self, code: int, now: float, *, at_once: bool) -> list[do.Action]:
        return [do.AnnounceStopping()] if self.life.asked_to_stop(code, now, at_once=at_once) else []

    def _end_of_pass(self, now: float) -> list[do.Action]:
        """End one pass when nothing is on its way any more, or when no worker can be started."""
        actions: list[do.Action] = []
        hanging = {path for path, dataset in self.datasets.items() if dataset.hangs}
        is_asked = any(dataset.holds.trial is not None for dataset in self.datasets.values())
        over = self.plan.dry_run or not (self.crew.busy() or self.transitions.busy(without=hanging) or is_asked)
        if self.plan.once and self.life.state is DaemonState.RUNNING and over:
            if not self.plan.dry_run and self._rounds.help_others(now):
                self.own_success = self.tally.success
                return [do.Report(LogEvent.SHARD_DONE, {"shard": str(self.plan.shard), "folders": self.own_success})]
            actions += self._stop(self._verdict(), now, at_once=False)
        if self.offers is None and self.life.works and self.crew.cannot_boot():
            if self.plan.once:
                actions += self._stop(DaemonExit.TROUBLE, now, at_once=True)
            elif self.life.walked():
                # Waiting longer would only have systemd kill what can still say why it does not work.
                actions.append(do.AnnounceReady())
        return actions

    def _verdict(self) -> int:
        """The exit code of one pass. A dataset without a track folder is seldom what was meant."""
        lost = any(not dataset.works for dataset in self.datasets.values())
        if self.ledger.troubled or lost:
            return DaemonExit.TROUBLE
        counted = all(self.ledger.count(path) or dataset.of_others for path, dataset in self.datasets.items())
        return DaemonExit.FINE if counted else DaemonExit.FOUND_NOTHING

    # Questions about the service

    @property
    def state(self) -> DaemonState:
        """State of the service."""
        return self.life.state

    @property
    def works(self) -> bool:
        """Tell whether jobs are given out and workers are started: the service is not at its end."""
        return self.life.works

    def shortage(self, now: float) -> str:
        """Name what this process, or the machine, is short of; empty where it was met for the last time a while ago."""
        return self._parts.shortage.reason(now)

    def conditions(self) -> Collection[Conditions]:
        """The conditions under which jobs are given out, of every dataset that has any."""
        return self.plan.schedules.values()

    @property
    def slots(self) -> list[Slot]:
        """The places of the workers."""
        return self.crew.slots

    @property
    def lost_workers(self) -> Collection[Lost]:
        """The workers that were killed and do not end."""
        return self.crew.lost.values()

    def costs(self) -> dict[str, float]:
        """Seconds of processor time that a minute of audio costs here, by analyzer and for decoding."""
        return self._parts.pace.per_minute()

    @property
    def cannot_start(self) -> str:
        """Reason why no worker can be started; empty where one can, or that is not settled yet."""
        return self.crew.cannot_start if self.crew.cannot_boot() else ""

    # Questions about folders

    @property
    def folders(self) -> Mapping[FolderKey, Folder]:
        """The folders that are known and not complete."""
        return self.ledger.active

    @property
    def complete(self) -> int:
        """Number of folders that are complete."""
        return len(self.ledger.complete)

    @property
    def troubled(self) -> dict[FolderKey, None]:
        """The folders that failed or are blocked, the latest last; not to be changed."""
        return self.ledger.troubled

    def state_of(self, key: FolderKey) -> FolderState | None:
        """The folder's state; None where there is no such track folder, as far as is known."""
        return self.ledger.state_of(key)

    def is_unreadable(self, key: FolderKey) -> bool:
        """Tell whether the directory itself could not be read when it was last looked at."""
        return self.ledger.is_unreadable(key)

    def slot_at(self, key: FolderKey) -> Slot | None:
        """The slot whose worker is at the folder."""
        return next((slot for slot in self.crew.busy() if slot.assignment and slot.assignment.key == key), None)

    def waits_for_lost(self, key: FolderKey) -> bool:
        """Tell whether a worker that cannot be killed is still at the folder."""
        return key in self.agenda.lost

    def bumped(self) -> int:
        """Count the queued folders that are to be measured before all others."""
        return self.ledger.bumped()

    # Questions about datasets, by path

    def counts(self, dataset: str) -> Mapping[FolderState, int]:
        """Count folders by state; 0 for states that are not named."""
        return self.ledger.counts[dataset]

    def count(self, dataset: str) -> int:
        """Count the folders that are known."""
        return self.ledger.count(dataset)

    def unavailable(self, dataset: str) -> int:
        """Count the features that complete folders lack on this machine."""
        return self.ledger.complete.unavailable.get(dataset, 0)

    def first_in_line(self, dataset: str) -> float | None:
        """Moment since when the folder has been at rest that is next; None where none waits."""
        return self.ledger.first_in_line(dataset)

    def warnings(self, dataset: str) -> tuple[Mapping[FolderKey, tuple[str, ...]], int]:
        """The warnings by directory, and how many there are."""
        return self.ledger.warnings.by_folder[dataset], self.ledger.warnings.count[dataset]
