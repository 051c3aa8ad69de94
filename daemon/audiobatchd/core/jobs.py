"""Jobs of the workers: which are given out, and what follows from their ends and from those of workers at them."""

from __future__ import annotations

import msgspec

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.assessment import givers
from audiobatchd.core.crew import Lost
from audiobatchd.core.file_memory import disowning
from audiobatchd.core.folder import Folder
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.core.messages import Job, Result
from audiobatchd.core.parts import Parts
from audiobatchd.core.rounds import Rounds, paused
from audiobatchd.core.slot import Assignment, Slot
from audiobatchd.core.telling import Telling
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import NO_GOOD_END, Attempt, Cause, FolderState, Outcome, in_one_line

_SIGKILL = 9
_MOMENT = 2.0
"""Seconds until what met a shortage is tried again."""
_GIVEN_BACK = 180.0
"""Seconds for which a worker may live on, or its lock, on a machine that was cut off."""
_PROMPTLY = 0.5
"""Seconds until a folder that was given back is looked at."""
_TELLS_ALL = (Outcome.DONE, Outcome.FAILED)


class Jobs:
    """The jobs under way."""

    def __init__(self, parts: Parts, rounds: Rounds, telling: Telling) -> None:
        self._parts = parts
        self._rounds = rounds
        self._telling = telling
        self._number = 0
        """The number of the last job."""
        self._memory_limit = 0
        """Bytes that the service may have, as last measured."""
        self._given_back: dict[FolderKey, float] = {}
        """The folders whose worker went with its machine, and until when it may hold their locks there."""

    # The beginning

    def give_out(self, now: float) -> list[do.Action]:
        """Give out jobs: a suspect only when there is nothing else, and then nothing beside it."""
        crew, ledger, datasets = self._parts.crew, self._parts.ledger, self._parts.datasets
        busy = crew.at_work()
        if any(slot.assignment is not None and slot.assignment.alone for slot in busy):
            return []
        unready = self._rounds.unready(now)
        waiting = {path for path, dataset in datasets.items() if not dataset.works or path in unready}
        untold = {path for path, dataset in datasets.items() if dataset.is_counting}
        actions: list[do.Action] = []
        if unready and crew.free():
            queued = [path for path in unready if ledger.first_in_line(path, renewals=path not in untold) is not None]
            actions += self._rounds.ask_first([path for path in queued if datasets[path].works], now)
        given: list[do.Action] = []
        for slot in crew.free():
            taken = ledger.take(waiting, untold)
            alone = taken is None and not busy and not given
            if alone:
                # What is being read may have to go first.
                taken = ledger.take(waiting | self._parts.agenda.being_read(), suspect=True)
            if taken is None:
                break
            given += [*self._telling.begins(taken[0]), self._job(slot, *taken, now, alone=alone)]
            if alone:
                break
        if self._parts.plan.once and len(crew.slots) < self._parts.plan.workers:
            # A pass ends when these are done: a worker with nothing to do would have been started for nothing.
            crew.grow(len(crew.at_work()) + ledger.waiting(waiting))
        return actions + given

    def _job(self, slot: Slot, key: FolderKey, folder: Folder, now: float, *, alone: bool) -> do.Action:
        plan = self._parts.plan
        self._number += 1
        if folder.disowned:
            folder.memory, folder.disowned = disowning(folder.memory, folder.disowned), {}
        job = Job(
            number=self._number,
            dataset=_encoded(key.dataset),
            path=_encoded(key.path),
            signature=folder.settling.signature,
            policy=plan.policies[key.dataset],
            memory=folder.memory,
            budget=plan.job_timeout,
            alone=alone,
            factor=plan.job_timeout_factor,
        )
        slot.assigned(Assignment(job.number, key, alone, job.budget, job.factor), now)
        return do.SendJob(slot.index, job)

    # The end, as a worker tells it

    def finished(self, slot: Slot, result: Result, now: float) -> list[do.Action]:
        """Take in what a worker says of its job's end."""
        stage, since = slot.doing, slot.since
        assignment = slot.finished(result.job, now)
        if assignment is None:
            return []
        reason, parts = in_one_line(result.reasons), self._parts
        if result.cause is Cause.SHORTAGE and not parts.plan.once and assignment.key.dataset in parts.datasets:
            parts.transitions.interrupted(assignment.key, now + _MOMENT)
            return parts.shortage.met(f"worker {slot.index}: {reason}", now)
        if result.outcome in (Outcome.LOCKED, Outcome.SUSPECT) and now < self._given_back.get(assignment.key, 0.0):
            # Held, or left, by the worker that went with its machine.
            parts.transitions.interrupted(assignment.key, now + _MOMENT)
            return self._tidy(assignment.key)
        self._given_back.pop(assignment.key, None)
        if slot.host and result.outcome is Outcome.DONE:
            parts.tally.hosts[slot.host] += 1
        attempt = Attempt(
            result.outcome, reason, seconds=now - since, charged=result.charge, worker=slot.pid, stage=stage
        )
        return self._ended(assignment, result, attempt, now)

    def _ended(self, assignment: Assignment, result: Result, attempt: Attempt, now: float) -> list[do.Action]:
        parts, key = self._parts, assignment.key
        if key.dataset not in parts.datasets:
            parts.transitions.ended(key)
            return []
        parts.tally.ended(result.outcome, result.costs)
        paced = [*parts.pace.add(result.costs, result.heard), *parts.tell_renewals(key.dataset)]
        before = parts.ledger.active[key]
        remembered, counted, pardoned = before.memory, before.charges or before.suspicions, before.is_pardoned
        folder = parts.transitions.finished(key, result, now, alone=assignment.alone)
        leads_to = parts.datasets[key.dataset].belief.leads_to  # in a pass not known before its walk has ended
        if result.place and leads_to and _decoded(result.place) != leads_to:
            parts.transitions.hint(key, now)  # what it tells is of another folder than the one that is there now
        actions: list[do.Action] = paced
        if attempt.outcome in NO_GOOD_END:
            actions.append(do.KeepAttempt(key, attempt))
        actions.append(_counted(key, folder, result, attempt))
        if not parts.plan.once and (hold := parts.datasets[key.dataset].holds.job_ended(key, result, now)):
            actions.append(paused(key.dataset, hold))
        gave_up = folder.gave_up if result.outcome in (Outcome.ERROR, Outcome.SUSPECT) else ""
        # A job that did not come to an end of its own tells nothing of files that it did not look at.
        memory = result.memory if result.outcome in _TELLS_ALL else {**remembered, **result.memory}
        if pardoned:
            memory = {role: msgspec.structs.replace(each, failure=None) for role, each in memory.items()}
        if folder.disowned:
            memory, folder.disowned = disowning(memory, folder.disowned), {}
        if memory or remembered or gave_up or counted or folder.charges or folder.suspicions:
            actions.append(folder.kept(key, memory, gave_up))
        return actions + self._told(key, folder, result, now)

    def _told(self, key: FolderKey, folder: Folder, result: Result, now: float) -> list[do.Action]:
        """Tell what became of a folder whose job ended."""
        match folder.state:
            case FolderState.COMPLETE:
                self._parts.news.is_over(key)
                self._parts.tally.add(now, result.audio_seconds)
                fields: dict[str, do.Field] = dict(result.values)
                fields |= {name: f"unmeasurable ({why})" for name, why in result.unmeasurable.items()}
                given = givers(self._parts.offers or ())
                stems = {name: role for name in fields if (role := given.get(name, ("", FULL_MIX))[1]) != FULL_MIX}
                return [do.Report(LogEvent.FOLDER_DONE, fields, key, stems), *self._telling.done(key, result)]
            case FolderState.SETTLING:
                return [do.Report(LogEvent.FOLDER_CHANGED, {}, key)]
            case FolderState.QUEUED:
                return [do.Report(LogEvent.FOLDER_SUSPECT, {"reason": folder.reason}, key)]
        return self._parts.news.of(key, folder)

    # The end, as a worker's own end brings it about

    def worker_exited(self, slot: Slot, event: on.WorkerExited, now: float) -> list[do.Action]:
        """Take in that a worker is gone, with the job that it was at."""
        parts = self._parts
        actions = parts.crew.exited(slot, event.how)
        fate, stage, since, resident = slot.fate or event.how, slot.doing, slot.since, slot.resident
        lost = slot.exited(now)
        if lost is None:
            return actions
        actions += self._tidy(lost.key)
        if not parts.life.works:
            parts.transitions.interrupted(lost.key)
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
        return actions + self._ended(lost, result, attempt, now)

    def place_left(self, slot: Slot, reason: str, now: float) -> list[do.Action]:
        """Give back the folder of a worker that is gone with its machine; nothing is charged for it."""
        actions: list[do.Action] = [do.Report(LogEvent.HOST_LEFT, {"host": slot.host, "reason": reason})]
        lost = slot.left(now)
        if lost is None:
            return actions
        self._given_back[lost.key] = now + _GIVEN_BACK
        # What left it may be there still: the look comes after what is removed.
        self._parts.transitions.interrupted(lost.key, now + _PROMPTLY)
        return actions + self._tidy(lost.key)

    def _blame(
        self, slot: Slot, lost: Assignment, event: on.WorkerExited, fate: str, resident: int
    ) -> tuple[str, Cause, bool]:
        """Reason why a worker ended that had so much memory; the cause, if others may meet it; whether to charge."""
        if fate == NO_ANSWER or (bool(slot.fate) and self._hangs(lost.key.dataset)):
            return NO_ANSWER, Cause.HANG, False
        if event.out_of_memory and not slot.fate:
            had = f" (it had {resident >> 20} MiB)" if resident else ""
            return f"its worker was {fate}{had}", Cause.MEMORY, False
        outgrew = bool(slot.fate) and resident > self._parts.plan.worker_memory
        cause = Cause.MEMORY if outgrew else Cause.NONE
        return f"its worker ended: {fate}", cause, bool(slot.fate) or not event.from_outside

    def give_up_the_lost(self, now: float) -> list[do.Action]:
        """Put other workers in the places of those that cannot be killed; nothing is charged for it."""
        return [action for lost in self._parts.crew.give_up(now) for action in self._lost(lost, now)]

    def _lost(self, lost: Lost, now: float) -> list[do.Action]:
        fields: dict[str, do.Field] = {"worker": lost.slot, "pid": lost.pid, "reason": lost.fate or "the service ends"}
        actions: list[do.Action] = [do.Report(LogEvent.WORKER_LOST, fields)]
        if lost.assignment is None:
            return actions
        key = lost.assignment.key
        if key.dataset not in self._parts.datasets:
            self._parts.transitions.ended(key)
            return actions
        folder = self._parts.transitions.lose(key, lost.pid)
        attempt = Attempt(
            Outcome.ERROR, folder.reason, seconds=now - lost.since, worker=lost.pid, stage=lost.doing, signal=_SIGKILL
        )
        count = do.CountJob(key.dataset, Outcome.ERROR, folder.reason, attempt.seconds)
        actions += [do.KeepAttempt(key, attempt), count, *self._parts.news.of(key, folder)]
        return actions + (self._rounds.suspected(key, now) if self._parts.life.works else [])

    def lost_ended(self, lost: Lost, now: float) -> list[do.Action]:
        """Take in that a worker is gone which could not be killed."""
        actions: list[do.Action] = [do.Report(LogEvent.WORKER_FOUND, {"worker": lost.slot, "pid": lost.pid})]
        if lost.assignment is not None and lost.assignment.key.dataset in self._parts.datasets:
            self._parts.transitions.found(lost.assignment.key, now)
            actions += self._tidy(lost.assignment.key)
        return actions

    def _tidy(self, key: FolderKey) -> list[do.Action]:
        """Remove what a killed worker left; where the disk does not answer, when it does."""
        dataset = self._parts.datasets.get(key.dataset)
        if dataset is not None and dataset.is_left_alone and self._parts.life.works:
            dataset.holds.untidy.append(key)
            return []
        return [do.Tidy(key)] if dataset is None or not dataset.hangs else []

    # What workers take, and what they sleep over

    def measured(self, event: on.WorkersMeasured, now: float) -> list[do.Action]:
        """Take in what was measured of the workers: end those that have grown too much or sleep over a dead disk."""
        before, self._memory_limit = self._memory_limit, event.memory_limit
        if before not in (0, event.memory_limit):
            self.other_memory(now)
        patience = self._parts.plan.asleep
        actions = self._parts.crew.measured(event.resident, event.asleep, now)
        for slot in self._parts.crew.busy():
            if slot.assignment is not None and slot.asleep >= patience:
                actions += self._rounds.suspected(slot.assignment.key, now)
        for path, seconds in event.waiting.items():
            if seconds >= patience:
                actions += self._rounds.suspected(FolderKey(path, ""), now)
        return actions + self.end_the_sleeping(None, now)

    def other_memory(self, now: float) -> None:
        """Try again what did not fit: the service, or a worker, may have more memory or less."""
        for path in self._parts.datasets:
            self._parts.transitions.resume(path, Cause.MEMORY, now)

    def end_the_sleeping(self, only: FolderKey | None, now: float) -> list[do.Action]:
        """End what sleeps where the disk does not answer, in a whole dataset or in the folder `only`."""
        actions: list[do.Action] = []
        for slot in self._parts.crew.busy():
            key = slot.assignment.key if slot.assignment is not None else None
            hangs = key is not None and (key == only or self._hangs(key.dataset))
            if hangs and slot.asleep >= self._parts.plan.asleep:
                slot.ending(NO_ANSWER, now)
                actions.append(do.KillWorker(slot.index))
        return actions

    def disk_told(
        self, event: on.Probed, trial: FolderKey | None, asked_at: float | None, now: float
    ) -> list[do.Action]:
        """Take in whether a disk answers that was asked at `trial` since `asked_at`."""
        if event.cause is not Cause.HANG:
            return []
        if not event.trouble and event.only is None and asked_at is not None:
            took = now - asked_at
            for slot in self._parts.crew.busy():
                key = slot.assignment.key if slot.assignment is not None else None
                if slot.asleep and key is not None and key.dataset == event.dataset:
                    slot.disk_answered(took, now, hung=took >= self._parts.plan.asleep, there=key == trial)
        return self.end_the_sleeping(event.only, now)

    def ask_for_the_late(self, now: float) -> list[do.Action]:
        """Ask the disks over which workers may sleep whose time is over, before these are ended."""
        asked: list[do.Action] = []
        for slot in self._parts.crew.busy():
            slot.waits = False
            dataset = self._parts.datasets.get(slot.assignment.key.dataset) if slot.assignment is not None else None
            if slot.assignment is None or dataset is None or not slot.asleep or slot.is_cleared:
                continue
            if slot.due is not None and now >= slot.due:
                asked += self._rounds.suspected(slot.assignment.key, now, at_once=True)
            slot.waits = dataset.is_left_alone
        return asked

    def _hangs(self, path: str) -> bool:
        dataset = self._parts.datasets.get(path)
        return dataset is not None and dataset.hangs


def _counted(key: FolderKey, folder: Folder, result: Result, attempt: Attempt) -> do.CountJob:
    """Count a job; one whose folder changed while it was measured has completed nothing."""
    completed = folder.state is FolderState.COMPLETE
    outcome = Outcome.CHANGED if result.outcome is Outcome.DONE and not completed else result.outcome
    return do.CountJob(
        key.dataset,
        outcome,
        attempt.reason if outcome in NO_GOOD_END else "",
        attempt.seconds,
        result.audio_seconds if completed else 0.0,
        result.costs,
    )


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def _decoded(name: bytes) -> str:
    return name.decode(errors="surrogateescape")
