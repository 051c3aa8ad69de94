"""The whole of what the daemon decides: events go in, actions come out.

It composes the rooms beside it: the folders (`folders`), the rounds over datasets (`rounds`), the workers (`crew`).
A folder's way through here: `FolderHint` -> `ReadFolder` -> `FolderRead` (settling, then queued) -> `SendJob` ->
`WorkerSaid(Result)` -> complete, or one of the other ends.
"""

from __future__ import annotations

import math

import msgspec

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.assessment import Offer
from audiobatchd.core.crew import Crew, Lost
from audiobatchd.core.dataset import NO_ANSWER, Dataset
from audiobatchd.core.folder import Folder
from audiobatchd.core.ledger import Ledger
from audiobatchd.core.lifecycle import DaemonState, Lifecycle
from audiobatchd.core.messages import Job, Ready, Result, Stage
from audiobatchd.core.plan import NO_MEMORY, Memory, Plan
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.reports import News
from audiobatchd.core.rounds import Rounds
from audiobatchd.core.slot import Assignment, Slot, SlotState
from audiobatchd.core.tally import Tally
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt, Cause, DatasetState, FolderState, Outcome, in_one_line

_SIGKILL = 9
_MOMENT, _OVER = 2.0, 5.0
"""Seconds until what met a shortage is tried again, and after which a shortage that nothing meets is over."""
_TELLS_ALL = (Outcome.DONE, Outcome.FAILED)
_NO_GOOD_END = (Outcome.FAILED, Outcome.BLOCKED, Outcome.ERROR, Outcome.SUSPECT)


class Dispatcher:
    """Takes events one at a time and says what is to be done. It is not told the time: every call brings `now`."""

    def __init__(self, plan: Plan, now: float, memory: Memory = NO_MEMORY) -> None:
        self.plan = plan
        self.ledger = Ledger(plan.limits)
        self.datasets = {
            path: Dataset(path, rescan, *memory.datasets.get(path, (0, None))) for path, rescan in plan.datasets.items()
        }
        for path, place in memory.places.items():
            if path in self.datasets:
                self.datasets[path].place = place
        self.crew = Crew(plan)
        for path, seconds in memory.pauses.items():
            if path in self.datasets:
                self.datasets[path].paused(None if seconds is None else now + seconds)
        self.life = Lifecycle(plan.stop_grace)
        self.tally = Tally(now)
        self.offers: tuple[Offer, ...] | None = None if plan.once else memory.offers
        self._is_offered = False
        self._job_number = 0
        self._short, self._short_at = "", -math.inf
        self._memory_limit = 0
        """How many bytes the service may have, as last measured."""
        self._news = News()
        self.rounds = Rounds(plan, self.datasets, self.ledger, self.life, self._news)

    def handle(self, event: on.Event, now: float) -> list[do.Action]:  # noqa: C901, PLR0911, PLR0912  # one case per event
        """What follows from `event`."""
        if not self._concerns_us(event):
            if isinstance(event, on.FolderRead):
                self.ledger.not_ours(event.reading.key)
            return []
        match event:
            case on.FolderHint(key) | on.FolderTouched(key) | on.TreeAppeared(key) if self.datasets[
                key.dataset
            ].refused:
                pass  # a walk finds it, when there is one again
            case on.FolderHint(key):
                self.ledger.hint(key, now)
            case on.FolderTouched(key):
                self.ledger.touched(key, now)
            case on.FolderRead(reading, place):
                self.datasets[reading.key.dataset].read_in(place, now)
                return self._heard(reading, now, walk=False)
            case on.WalkRead():
                return self._walk_read(event, now)
            case on.Walked():
                return self.rounds.walked(event, now)
            case on.RootSeen():
                return self.rounds.root_seen(event, now)
            case on.LocksSeen():
                return self.rounds.locks_seen(event, now)
            case on.MissesCounted(dataset, near_misses):
                self.datasets[dataset].near_misses = near_misses
            case on.Probed():
                return self._probed(event, now)
            case on.RetryAsked(key):
                self.ledger.retry(key, now)
            case on.PauseAsked(dataset, None) if self.datasets[dataset].is_paused_for_good:
                pass
            case on.PauseAsked(dataset, seconds):
                self.datasets[dataset].paused(None if seconds is None else now + seconds)
                told = do.Report("dataset-paused", {"dataset": dataset, "remark": "paused by an operator"})
                return [told, do.KeepPause(dataset, paused=True, seconds=seconds)]
            case on.ResumeAsked(dataset):
                return self.rounds.released(self.datasets[dataset], Cause.OPERATOR, now)
            case on.RescanAsked(dataset, accepts):
                self.datasets[dataset].accepts = accepts
                self.datasets[dataset].want_walk(now)
            case on.TreeAppeared(key) if self.offers is not None:
                self.datasets[key.dataset].trees.add(key.path)
            case on.TreeVanished(key):
                self.rounds.tree_vanished(key, now)
            case on.WatchLost(dataset, reason):
                self.datasets[dataset].watch_lost(now)
                return [do.Report("watch-lost", {"dataset": dataset, "reason": reason})]
            case on.WorkerSpawned(index, pid):
                self.crew.slots[index].spawned(pid, now)
            case on.WorkerSaid(index, pid, message) if slot := self.crew.slot_of(index, pid):
                return self._worker_said(slot, message, now)
            case on.WorkerBroke(index, pid, what) if slot := self.crew.slot_of(index, pid):
                slot.ending(what, now)
                return [do.KillWorker(index)]
            case on.WorkerExited(index, pid) if slot := self.crew.slot_of(index, pid):
                return self._worker_exited(slot, event, now)
            case on.WorkerExited(_, pid) if lost := self.crew.lost.pop(pid, None):
                return self._lost_ended(lost, now)
            case on.Short(reason, index):
                self.crew.short(index, now)
                return self._is_short(reason, now)
            case on.WorkersMeasured():
                return self._measured(event, now)
            case on.Replanned():
                self._replan(event, now)
            case on.StopAsked(code, at_once):
                return self._stop(code, now, at_once=at_once)
        return []

    def tick(self, now: float) -> list[do.Action]:
        """What follows from time having passed, and from everything that `handle` was told since the last tick."""
        actions: list[do.Action] = []
        if self.offers is not None and self.life.works:
            actions += self.rounds.due(now)
            actions += [do.ReadFolder(key) for key in self.ledger.looks(now, self.rounds.unready(now))]
            actions += self.rounds.ask_first(self.ledger.put_off(), now)
            if not self.plan.dry_run:
                actions += self._assign(now)
        actions += self._end_of_pass(now)
        actions += [action for lost in self.crew.give_up(now) for action in self._lost(lost, now)]
        actions += self._ask_for_the_late(now)
        actions += self.crew.tend(now, works=self.life.works, kill=self.life.patience_ended(now))
        if all(slot.state is SlotState.DOWN for slot in self.crew.slots) and self.life.emptied():
            actions.append(do.Finish(self.life.code))
        return actions

    def next_wakeup(self) -> float | None:
        """When `tick` has something to do by itself; None: only after an event."""
        times: list[float | None] = [*self.crew.wakeups(), self.life.kill_at]
        if self.offers is not None and self.life.works:
            times.append(self.ledger.next_look())
            times += self.rounds.wakeups()
        return min((time for time in times if time is not None), default=None)

    # Folders

    def _walk_read(self, event: on.WalkRead, now: float) -> list[do.Action]:
        if event.dataset:
            self.datasets[event.dataset].listed = event.listed
        for path, unavailable in event.unchanged:
            self.ledger.unchanged(FolderKey(event.dataset, path), unavailable, now)
        return [action for reading in event.readings for action in self._heard(reading, now, walk=True)]

    def _heard(self, reading: Reading, now: float, *, walk: bool) -> list[do.Action]:
        if reading.finding is Finding.LOST:
            self.ledger.heard(reading, now, walk=walk)
            if self.ledger.is_gone_for_good(reading.key):
                return self._gone_as_accepted(reading.key)
            self.datasets[reading.key.dataset].want_walk(now)
            return self._lost_in_pass(reading.key.dataset, now) if self.plan.once else []
        if reading.passed_over:
            self.datasets[reading.key.dataset].want_count(now)
        if not walk and self.ledger.is_outdated(reading.key):
            self.ledger.heard(reading, now, walk=walk)
            return []
        actions: list[do.Action] = []
        unreadable = self.ledger.is_unreadable(reading.key)
        folder = self.ledger.heard(reading, now, walk=walk)
        if unreadable and not self.ledger.is_unreadable(reading.key):
            # Nothing below it has been seen, nor is it watched.
            self.datasets[reading.key.dataset].renew = True
            self.datasets[reading.key.dataset].want_walk(now)
        # A job that died after its record was written has left charges that mean nothing any more.
        survived = reading.finding is Finding.COMPLETE and (reading.charges or reading.suspicions)
        if folder is None and (reading.memory or survived):
            actions.append(do.Remember(reading.key, reading.memory))
        if reading.finding is Finding.GONE and not reading.has_record and not self.ledger.knows(reading.key):
            actions.append(do.Forget(reading.key.dataset, (reading.key.path,)))
        if folder is None:
            self._news.is_over(reading.key)
        elif folder.state is FolderState.BLOCKED:
            actions += self._news.of(reading.key, folder)
        return actions

    def _gone_as_accepted(self, key: FolderKey) -> list[do.Action]:
        """A folder is not there whose job was under way when an accepted walk met nothing."""
        self.ledger.forget(key)
        self._news.is_over(key)
        return [do.Forget(key.dataset, (key.path,), accepted=True)]

    def _lost_in_pass(self, path: str, now: float) -> list[do.Action]:
        """One pass waits for no dataset to come back: what is left to do in it ends here, as blocked."""
        dataset = self.datasets[path]
        actions: list[do.Action] = []
        if dataset.state is not DatasetState.MISSING:
            dataset.state, dataset.remark = DatasetState.MISSING, "it was there when the pass began"
            actions.append(do.Report("dataset-missing", {"dataset": path, "remark": dataset.remark}))
        for key in self.ledger.give_up(path, "its dataset is not there any more", now):
            actions += self._news.of(key, self.ledger.active[key])
        return actions

    def _finished(self, slot: Slot, result: Result, now: float) -> list[do.Action]:
        stage, since = slot.doing, slot.since
        assignment = slot.finished(result.job, now)
        if assignment is None:
            return []
        reason = in_one_line(result.reasons)
        if result.cause is Cause.SHORTAGE and not self.plan.once and assignment.key.dataset in self.datasets:
            self.ledger.interrupted(assignment.key, now + _MOMENT)
            return self._is_short(f"worker {slot.index}: {reason}", now)
        attempt = Attempt(
            result.outcome, reason, seconds=now - since, charged=result.charge, worker=slot.pid, stage=stage
        )
        return self._settle_job(assignment, result, attempt, now)

    def _settle_job(self, assignment: Assignment, result: Result, attempt: Attempt, now: float) -> list[do.Action]:
        key = assignment.key
        if key.dataset not in self.datasets:
            self.ledger.ended(key)
            return []
        self.tally.ended(result.outcome, result.costs)
        before = self.ledger.active[key]
        remembered, counted, pardoned = before.memory, before.charges or before.suspicions, before.is_pardoned
        folder = self.ledger.finished(key, result, now, alone=assignment.alone)
        if result.place and _decoded(result.place) != self.datasets[key.dataset].leads_to:
            self.ledger.hint(key, now)  # what it tells is of another folder than the one that is there now
        actions: list[do.Action] = []
        if attempt.outcome in _NO_GOOD_END:
            actions.append(do.KeepAttempt(key, attempt))
        if not self.plan.once and (hold := self.datasets[key.dataset].ended(key, result, now)):
            actions.append(do.Report("dataset-paused", {"dataset": key.dataset, "remark": hold.remark}))
        gave_up = folder.gave_up if result.outcome in (Outcome.ERROR, Outcome.SUSPECT) else ""
        # A job that did not come to an end of its own tells nothing of files that it did not look at.
        memory = result.memory if result.outcome in _TELLS_ALL else {**remembered, **result.memory}
        if pardoned:
            memory = {role: msgspec.structs.replace(each, failure=None) for role, each in memory.items()}
        if memory or remembered or gave_up or counted or folder.charges or folder.suspicions:
            actions.append(folder.kept(key, memory, gave_up))
        match folder.state:
            case FolderState.COMPLETE:
                self._news.is_over(key)
                self.tally.add(now, result.audio_seconds)
                fields: dict[str, do.Field] = dict(result.values)
                fields |= {name: f"unmeasurable ({why})" for name, why in result.unmeasurable.items()}
                actions.append(do.Report("folder-done", fields, key))
            case FolderState.SETTLING:
                actions.append(do.Report("folder-changed", {}, key))
            case FolderState.QUEUED:
                actions.append(do.Report("folder-suspect", {"reason": folder.reason}, key))
            case _:
                actions += self._news.of(key, folder)
        return actions

    # What is no folder's doing

    def shortage(self, now: float) -> str:
        """What this process, or the machine, is short of; empty where it was met for the last time a while ago."""
        return self._short if now - self._short_at < _OVER else ""

    def _is_short(self, reason: str, now: float) -> list[do.Action]:
        known, self._short, self._short_at = self.shortage(now), reason, now
        return [] if known else [do.Report("service-short", {"reason": reason})]

    def _probed(self, event: on.Probed, now: float) -> list[do.Action]:
        dataset = self.datasets[event.dataset]
        trial, asked_at = dataset.trial, dataset.asked_at
        actions = self.rounds.probed(event, now)
        if event.cause is not Cause.HANG:
            return actions
        if not event.trouble and event.only is None and asked_at is not None:
            took = now - asked_at
            for slot in self.crew.busy():
                key = slot.assignment.key if slot.assignment is not None else None
                if slot.asleep and key is not None and key.dataset == event.dataset:
                    slot.disk_answered(took, now, hung=took >= self.plan.asleep, there=key == trial)
        return actions + self._end_the_sleeping(event.only, now)

    def _measured(self, event: on.WorkersMeasured, now: float) -> list[do.Action]:
        before, self._memory_limit = self._memory_limit, event.memory_limit
        if before not in (0, event.memory_limit):
            self._other_memory(now)
        actions = self.crew.measured(event.resident, event.asleep, now)
        for slot in self.crew.busy():
            if slot.assignment is not None and slot.asleep >= self.plan.asleep:
                actions += self.rounds.suspected(slot.assignment.key, now)
        for path, seconds in event.waiting.items():
            if seconds >= self.plan.asleep:
                actions += self.rounds.suspected(FolderKey(path, ""), now)
        return actions + self._end_the_sleeping(None, now)

    def _other_memory(self, now: float) -> None:
        """The service, or a worker, may have more memory or less: what did not fit is tried again."""
        for path in self.datasets:
            self.ledger.resume(path, Cause.MEMORY, now)

    def _end_the_sleeping(self, only: FolderKey | None, now: float) -> list[do.Action]:
        """End what sleeps where the disk does not answer, in a whole dataset or in the folder `only`."""
        actions: list[do.Action] = []
        for slot in self.crew.busy():
            key = slot.assignment.key if slot.assignment is not None else None
            hangs = key is not None and (key == only or self._hangs(key.dataset))
            if hangs and slot.asleep >= self.plan.asleep:
                slot.ending(NO_ANSWER, now)
                actions.append(do.KillWorker(slot.index))
        return actions

    def _ask_for_the_late(self, now: float) -> list[do.Action]:
        """A worker that sleeps when its time is over may wait for its disk: that is asked before it is ended."""
        asked: list[do.Action] = []
        for slot in self.crew.busy():
            slot.waits = False
            dataset = self.datasets.get(slot.assignment.key.dataset) if slot.assignment is not None else None
            if slot.assignment is None or dataset is None or not slot.asleep or slot.is_cleared:
                continue
            if slot.due is not None and now >= slot.due:
                asked += self.rounds.suspected(slot.assignment.key, now, at_once=True)
            slot.waits = dataset.is_left_alone
        return asked

    def _hangs(self, path: str) -> bool:
        dataset = self.datasets.get(path)
        return dataset is not None and dataset.hangs

    def _lost(self, lost: Lost, now: float) -> list[do.Action]:
        """A worker cannot be killed: another one takes its place, and nobody is charged."""
        fields: dict[str, do.Field] = {"worker": lost.slot, "pid": lost.pid, "reason": lost.fate or "the service ends"}
        actions: list[do.Action] = [do.Report("worker-lost", fields)]
        if lost.assignment is None:
            return actions
        key = lost.assignment.key
        if key.dataset not in self.datasets:
            self.ledger.ended(key)
            return actions
        folder = self.ledger.lose(key, lost.pid)
        attempt = Attempt(
            Outcome.ERROR, folder.reason, seconds=now - lost.since, worker=lost.pid, stage=lost.doing, signal=_SIGKILL
        )
        actions += [do.KeepAttempt(key, attempt), *self._news.of(key, folder)]
        return actions + (self.rounds.suspected(key, now) if self.life.works else [])

    def _lost_ended(self, lost: Lost, now: float) -> list[do.Action]:
        actions: list[do.Action] = [do.Report("worker-found", {"worker": lost.slot, "pid": lost.pid})]
        if lost.assignment is not None and lost.assignment.key.dataset in self.datasets:
            key = lost.assignment.key
            self.ledger.found(key, now)
            actions += self._tidy(key)
        return actions

    def _tidy(self, key: FolderKey) -> list[do.Action]:
        """Remove what a killed worker left; where the disk does not answer, when it does."""
        dataset = self.datasets.get(key.dataset)
        if dataset is not None and dataset.is_left_alone and self.life.works:
            dataset.untidy.append(key)
            return []
        return [do.Tidy(key)] if dataset is None or not dataset.hangs else []

    def _replan(self, event: on.Replanned, now: float) -> None:
        """Go by another configuration from now on; what runs, runs on by the old one."""
        before, self.plan = self.plan, event.plan
        self.ledger.limits = event.plan.limits
        self.life.stop_grace = event.plan.stop_grace
        self.crew.replan(event.plan, anew=event.anew)
        self.rounds.replan(event, now)
        if before.worker_memory != event.plan.worker_memory:
            self._other_memory(now)

    def _concerns_us(self, event: on.Event) -> bool:
        """Whether an event is of a dataset that is ours: news of one that was may still come in."""
        match event:
            case on.FolderRead(Reading(key=key)) | on.RetryAsked(key):
                return key.dataset in self.datasets
            case on.RescanAsked(path) | on.PauseAsked(path) | on.ResumeAsked(path):
                return path in self.datasets
            case on.FolderHint(key) | on.FolderTouched(key) | on.TreeAppeared(key) | on.TreeVanished(key):
                return key.dataset in self.datasets
            case on.WalkRead(readings, path):
                return (path or (readings[0].key.dataset if readings else "")) in self.datasets
            case (
                on.Walked(dataset=path)
                | on.RootSeen(dataset=path)
                | on.LocksSeen(dataset=path)
                | on.Probed(dataset=path)
                | on.WatchLost(path)
            ):
                return path in self.datasets
            case on.MissesCounted(dataset=path):
                return path in self.datasets
        return True

    # Workers

    def _worker_said(self, slot: Slot, message: Ready | Stage | Result, now: float) -> list[do.Action]:
        if slot.assignment is not None and (dataset := self.datasets.get(slot.assignment.key.dataset)) is not None:
            dataset.answered_at = now
        match message:
            case Ready(offers):
                if not self.crew.ready(slot, now):
                    return []
                report = do.Report("worker-ready", {"worker": slot.index, "pid": slot.pid})
                return [report, *self._take_offers(slot, offers, now)]
            case Stage(job, doing, seconds):
                slot.staged(job, doing, seconds, now)
                return []
            case Result():
                return self._finished(slot, message, now)

    def _take_offers(self, slot: Slot, offers: tuple[Offer, ...], now: float) -> list[do.Action]:
        """What the workers can do decides what is due everywhere."""
        is_first, self._is_offered = not self._is_offered, True
        if offers == self.offers and not is_first:
            return []
        if offers != self.offers:
            self.crew.others_are_stale(slot)
            for dataset in self.datasets.values():
                dataset.want_judgement(now)
        self.offers = offers
        offered = {name for offer in offers for names in offer.features.values() for name in names}
        unknown = [name for name in self.plan.features if name not in offered]
        if unknown:
            fields: dict[str, do.Field] = {"unknown": " ".join(unknown), "known": " ".join(sorted(offered))}
            return [do.Report("feature-unknown", fields), *self._stop(DaemonExit.USAGE, now, at_once=True)]
        ready: list[do.Action] = [do.AnnounceReady()] if not self.datasets and self.life.walked() else []
        return ready + [
            do.Report("analyzer-unavailable", {"analyzer": offer.name, "reason": offer.unavailable})
            for offer in offers
            if offer.unavailable is not None
        ]

    def _worker_exited(self, slot: Slot, event: on.WorkerExited, now: float) -> list[do.Action]:
        actions = self.crew.exited(slot, event.how)
        fate, stage, since, resident = slot.fate or event.how, slot.doing, slot.since, slot.resident
        lost = slot.exited(now)
        if lost is None:
            return actions
        actions += self._tidy(lost.key)
        if not self.life.works:
            self.ledger.interrupted(lost.key)
            return actions
        reason, cause, charge = self._blame(slot, lost, event, fate, resident)
        result = Result(lost.number, Outcome.ERROR, reasons={"": reason}, charge=charge, cause=cause)
        attempt = Attempt(
            Outcome.ERROR,
            fate,
            seconds=now - since,
            charged=charge,
            worker=event.pid,
            stage=stage,
            signal=event.signal,
            exit_code=event.exit_code,
            lines=event.lines,
        )
        return actions + self._settle_job(lost, result, attempt, now)

    def _blame(
        self, slot: Slot, lost: Assignment, event: on.WorkerExited, fate: str, resident: int
    ) -> tuple[str, Cause, bool]:
        """Why a worker ended that had so much memory; what else that hinders; whether the folder is charged for it."""
        if fate == NO_ANSWER or (bool(slot.fate) and self._hangs(lost.key.dataset)):
            return NO_ANSWER, Cause.HANG, False
        if event.out_of_memory and not slot.fate:
            had = f" (it had {resident >> 20} MiB)" if resident else ""
            return f"its worker was {fate}{had}", Cause.MEMORY, False
        outgrew = bool(slot.fate) and resident > self.plan.worker_memory
        cause = Cause.MEMORY if outgrew else Cause.NONE
        return f"its worker ended: {fate}", cause, bool(slot.fate) or not event.from_outside

    def _assign(self, now: float) -> list[do.Action]:
        """Give out jobs: a suspect only when there is nothing else, and then nothing beside it."""
        busy = self.crew.at_work()
        if any(slot.assignment is not None and slot.assignment.alone for slot in busy):
            return []
        unready = self.rounds.unready(now)
        waiting = {path for path, dataset in self.datasets.items() if not dataset.works or path in unready}
        actions: list[do.Action] = []
        if unready and self.crew.free():
            queued = [path for path in unready if self.ledger.first_in_line(path) is not None]
            actions += self.rounds.ask_first([path for path in queued if self.datasets[path].works], now)
        given: list[do.Action] = []
        for slot in self.crew.free():
            taken = self.ledger.take(waiting)
            alone = taken is None and not busy and not given
            if alone:
                # What is being read may have to go first.
                taken = self.ledger.take(waiting | self.ledger.being_read(), suspect=True)
            if taken is None:
                break
            given.append(self._job(slot, *taken, now, alone=alone))
            if alone:
                break
        return actions + given

    def _job(self, slot: Slot, key: FolderKey, folder: Folder, now: float, *, alone: bool) -> do.Action:
        self._job_number += 1
        job = Job(
            number=self._job_number,
            dataset=_encoded(key.dataset),
            path=_encoded(key.path),
            signature=folder.settling.signature,
            policy=self.plan.policies[key.dataset],
            memory=folder.memory,
            budget=self.plan.job_timeout,
            alone=alone,
            factor=self.plan.job_timeout_factor,
        )
        slot.assigned(Assignment(job.number, key, alone, job.budget, job.factor), now)
        return do.SendJob(slot.index, job)

    # The end

    def _stop(self, code: int, now: float, *, at_once: bool) -> list[do.Action]:
        if self.life.asked_to_stop(code, now, at_once=at_once):
            return [do.AnnounceStopping()]
        return []

    def _end_of_pass(self, now: float) -> list[do.Action]:
        """One pass ends when nothing is on its way any more, or when no worker can be started."""
        actions: list[do.Action] = []
        hanging = {path for path, dataset in self.datasets.items() if dataset.hangs}
        is_asked = any(dataset.trial is not None for dataset in self.datasets.values())
        over = self.plan.dry_run or not (self.crew.busy() or self.ledger.busy(without=hanging) or is_asked)
        if self.plan.once and self.life.state is DaemonState.RUNNING and over:
            actions += self._stop(self._verdict(), now, at_once=False)
        if self.offers is None and self.life.works and self.crew.nobody_boots():
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
        counted = all(self.ledger.count(path) for path in self.datasets)
        return DaemonExit.FINE if counted else DaemonExit.FOUND_NOTHING


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogateescape")
