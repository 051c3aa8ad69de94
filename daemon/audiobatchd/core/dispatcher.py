"""The whole of what the daemon decides: events go in, actions come out.

It composes the rooms beside it and adds nothing else.
A folder's way through here: `FolderHint` -> `ReadFolder` -> `FolderRead` (settling, then queued) -> `SendJob` ->
`WorkerSaid(Result)` -> complete, or one of the other ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.completeness import Offer, Policy
from audiobatchd.core.datasets import Dataset
from audiobatchd.core.folders import Folder, Ledger, Limits, Reading
from audiobatchd.core.lifecycle import DaemonState, Lifecycle
from audiobatchd.core.messages import Job, Ready, Result, Stage
from audiobatchd.core.slot import Assignment, Slot, SlotState
from audiobatchd.core.tally import Tally
from audiobatchd.model import FolderKey, FolderState, Outcome

_WALK_SOON = 2.0
_BOOT_ATTEMPTS = 3
_USAGE = 2
_TELLS_ALL = (Outcome.DONE, Outcome.FAILED)


@dataclass(frozen=True)
class Plan:
    """The configuration, as far as the core needs it.

    Times are seconds; `features` are those that somebody asked for.
    """

    datasets: dict[str, float]
    limits: Limits
    policies: dict[str, Policy]
    workers: int
    reap: float = 60.0
    boot_timeout: float = 120.0
    job_timeout: float = 600.0
    job_timeout_factor: float = 4.0
    stop_grace: float = 30.0
    features: tuple[str, ...] = ()
    once: bool = False
    dry_run: bool = False


class Dispatcher:
    """Takes events one at a time and says what is to be done. It is not told the time: every call brings `now`."""

    def __init__(self, plan: Plan, now: float) -> None:
        self.plan = plan
        self.ledger = Ledger(plan.limits)
        self.datasets = {path: Dataset(path, rescan) for path, rescan in plan.datasets.items()}
        self.slots = [Slot(index, plan.boot_timeout) for index in range(plan.workers)]
        self.life = Lifecycle(plan.stop_grace)
        self.tally = Tally(now)
        self.offers: tuple[Offer, ...] | None = None
        self._job_number = 0
        self._reported: dict[FolderKey, tuple[FolderState, str]] = {}

    def handle(self, event: on.Event, now: float) -> list[do.Action]:  # noqa: C901, PLR0911, PLR0912  # one case per event
        """What follows from `event`."""
        match event:
            case on.FolderHint(key) | on.FolderTouched(key) | on.TreeAppeared(key) if self.datasets[
                key.dataset
            ].refused:
                pass  # a walk finds it, when there is one again
            case on.FolderHint(key):
                self.ledger.hint(key, now)
            case on.FolderTouched(key):
                self.ledger.touched(key, now)
            case on.FolderRead(reading):
                return self._heard(reading, now, walk=False)
            case on.WalkRead(readings):
                return [action for reading in readings for action in self._heard(reading, now, walk=True)]
            case on.Walked():
                return self._walked(event, now)
            case on.LocksSeen(dataset, overdue):
                self._locks_seen(self.datasets[dataset], overdue, now)
            case on.TreeAppeared(key) if self.offers is not None:
                self.datasets[key.dataset].trees.add(key.path)
            case on.TreeVanished(key):
                self._tree_vanished(key, now)
            case on.WatchLost(dataset, reason):
                self.datasets[dataset].want_walk(now)
                return [do.Report("watch-lost", {"dataset": dataset, "reason": reason})]
            case on.WorkerSaid(slot, pid, message) if self.slots[slot].pid == pid:
                return self._worker_said(self.slots[slot], message, now)
            case on.WorkerBroke(slot, pid, what) if self.slots[slot].pid == pid:
                self.slots[slot].ending(what, now)
                return [do.KillWorker(slot)]
            case on.WorkerExited(slot, pid, how) if self.slots[slot].pid == pid:
                return self._worker_exited(self.slots[slot], how, now)
            case on.StopAsked(code, at_once):
                return self._stop(code, now, at_once=at_once)
        return []

    def tick(self, now: float) -> list[do.Action]:
        """What follows from time having passed, and from everything that `handle` was told since the last tick."""
        actions: list[do.Action] = []
        if self.offers is not None and self.life.works:
            actions += [self._walk(dataset) for dataset in self._walks_due(now)]
            actions += self._walk_trees()
            actions += self._reap(now)
            actions += [do.ReadFolder(key) for key in self.ledger.looks(now)]
            if not self.plan.dry_run:
                actions += self._assign(now)
        actions += self._end_of_pass(now)
        kill = self.life.patience_ended(now)
        for slot in self.slots:
            actions += self._tend(slot, now, kill=kill)
        if all(slot.state is SlotState.DOWN for slot in self.slots) and self.life.emptied():
            actions.append(do.Finish(self.life.code))
        return actions

    def next_wakeup(self) -> float | None:
        """When `tick` has something to do by itself; None: only after an event."""
        times = [slot.due for slot in self.slots]
        times.append(self.life.kill_at)
        if self.offers is not None and self.life.works:
            times.append(self.ledger.next_look())
            times += [dataset.reap_at for dataset in self.datasets.values()]
            times += [dataset.walk_at for dataset in self.datasets.values() if self._may_walk(dataset)]
        return min((time for time in times if time is not None), default=None)

    # Folders

    def _heard(self, reading: Reading, now: float, *, walk: bool) -> list[do.Action]:
        actions: list[do.Action] = []
        unreadable = self.ledger.is_unreadable(reading.key)
        folder = self.ledger.heard(reading, now, walk=walk)
        if unreadable and not self.ledger.is_unreadable(reading.key):
            # Nothing below it has been seen, nor is it watched.
            self.datasets[reading.key.dataset].renew = True
            self.datasets[reading.key.dataset].want_walk(now)
        if reading.memory and folder is None:
            actions.append(do.Remember(reading.key, reading.memory))
        if folder is None:
            self._reported.pop(reading.key, None)
        elif folder.state is FolderState.BLOCKED:
            actions += self._report(reading.key, folder)
        return actions

    def _report(self, key: FolderKey, folder: Folder) -> list[do.Action]:
        """One line per event, and none twice: a folder that is blocked as before is no news."""
        if self._reported.get(key) == (folder.state, folder.reason):
            return []
        self._reported[key] = (folder.state, folder.reason)
        return [do.Report(f"folder-{folder.state.value}", {"reason": folder.reason}, key)]

    def _finished(self, slot: Slot, result: Result, now: float) -> list[do.Action]:
        assignment = slot.finished(result.job, now)
        return self._settle_job(assignment, result, now) if assignment else []

    def _settle_job(self, assignment: Assignment, result: Result, now: float) -> list[do.Action]:
        key = assignment.key
        remembered = self.ledger.active[key].memory
        folder = self.ledger.finished(key, result, now)
        actions: list[do.Action] = []
        verdict = next(iter(folder.reasons.values()), "") if result.outcome is Outcome.ERROR else ""
        gave_up = verdict if folder.state is FolderState.FAILED else ""
        # A job that did not come to an end of its own tells nothing of files that it did not look at.
        memory = result.memory if result.outcome in _TELLS_ALL else {**remembered, **result.memory}
        if memory or remembered or gave_up:
            actions.append(do.Remember(key, memory, folder.settling.signature, gave_up))
        match folder.state:
            case FolderState.COMPLETE:
                self._reported.pop(key, None)
                self.tally.add(now, result.audio_seconds)
                fields: dict[str, do.Field] = dict(result.values)
                fields |= {name: f"unmeasurable ({why})" for name, why in result.unmeasurable.items()}
                actions.append(do.Report("folder-done", fields, key))
            case FolderState.SETTLING:
                actions.append(do.Report("folder-changed", {}, key))
            case _:
                actions += self._report(key, folder)
        return actions

    # Datasets

    def _may_walk(self, dataset: Dataset) -> bool:
        return not dataset.walking and not (self.plan.once and dataset.walks)

    def _walks_due(self, now: float) -> list[Dataset]:
        return [dataset for dataset in self.datasets.values() if self._may_walk(dataset) and now >= dataset.walk_at]

    def _walk(self, dataset: Dataset) -> do.Action:
        renew = dataset.renew
        dataset.walk_started()
        return do.WalkTree(dataset.path, renew=renew)

    def _walk_trees(self) -> list[do.Action]:
        """A tree that is moved in is told of directory by directory: one walk at a time takes all that there are."""
        ready = [each for each in self.datasets.values() if each.trees and not each.walking_trees]
        return [do.WalkTree(dataset.path, dataset.take_trees()) for dataset in ready]

    def _walked(self, walk: on.Walked, now: float) -> list[do.Action]:
        dataset = self.datasets[walk.dataset]
        parents = {path.rpartition("/")[0] for path in walk.seen if path}
        if not walk.whole:
            dataset.walking_trees = False
            dataset.parents |= parents
            return []
        if walk.root is not None and not walk.refusal:
            # A dataset without track folders may still have their locks, in the root.
            dataset.parents = parents | {""}
            dataset.is_track = "" in walk.seen
            dataset.reap_at = now
        known = self.ledger.known(walk.dataset)
        if dataset.walked(walk, len(known), now):
            for key in known:
                if key.path not in walk.seen:
                    self.ledger.hint(key, now)
        actions: list[do.Action] = []
        if (dataset.state, dataset.remark) != dataset.before:
            fields: dict[str, do.Field] = {"dataset": walk.dataset, "folders": len(walk.seen)}
            fields |= {"remark": dataset.remark} if dataset.remark else {}
            actions.append(do.Report(f"dataset-{dataset.state.value}", fields))
        if all(each.walks for each in self.datasets.values()) and self.life.walked():
            actions.append(do.AnnounceReady())
        return actions

    def _reap(self, now: float) -> list[do.Action]:
        """Locks are looked at after every walk, and every `reap` seconds; in one pass, after its walk."""
        actions: list[do.Action] = []
        for dataset in self.datasets.values():
            if dataset.reap_at is not None and now >= dataset.reap_at:
                dataset.reap_at = None
                if not self.plan.dry_run:
                    actions.append(do.ReapLocks(dataset.path, frozenset(dataset.parents), dataset.is_track))
        return actions

    def _locks_seen(self, dataset: Dataset, overdue: dict[str, str], now: float) -> None:
        dataset.overdue = overdue
        if not self.plan.once and dataset.reap_at is None:
            dataset.reap_at = now + self.plan.reap

    def _tree_vanished(self, key: FolderKey, now: float) -> None:
        if key in self.ledger.active or key in self.ledger.complete:
            self.ledger.hint(key, now)
        else:
            # It may have held any number of folders: one walk tells for all of them.
            self.datasets[key.dataset].want_walk(now + _WALK_SOON)

    # Workers

    def _worker_said(self, slot: Slot, message: Ready | Stage | Result, now: float) -> list[do.Action]:
        match message:
            case Ready(offers):
                if not slot.ready(now):
                    return []
                report = do.Report("worker-ready", {"worker": slot.index, "pid": slot.pid})
                return [report, *self._take_offers(offers, now)]
            case Stage(job, doing, seconds):
                slot.staged(job, doing, seconds * self.plan.job_timeout_factor)
                return []
            case Result():
                return self._finished(slot, message, now)

    def _take_offers(self, offers: tuple[Offer, ...], now: float) -> list[do.Action]:
        """What the workers can do decides what is due everywhere."""
        if offers == self.offers:
            return []
        self.offers = offers
        for dataset in self.datasets.values():
            dataset.want_walk(now)
        offered = {name for offer in offers for names in offer.features.values() for name in names}
        unknown = [name for name in self.plan.features if name not in offered]
        if unknown:
            fields: dict[str, do.Field] = {"unknown": " ".join(unknown), "known": " ".join(sorted(offered))}
            return [do.Report("feature-unknown", fields), *self._stop(_USAGE, now, at_once=True)]
        ready: list[do.Action] = [do.AnnounceReady()] if not self.datasets and self.life.walked() else []
        return ready + [
            do.Report("analyzer-unavailable", {"analyzer": offer.name, "reason": offer.unavailable})
            for offer in offers
            if offer.unavailable is not None
        ]

    def _worker_exited(self, slot: Slot, how: str, now: float) -> list[do.Action]:
        wanted = slot.state is SlotState.ENDING and not slot.fate
        booting, fate = slot.state is SlotState.BOOTING, slot.fate or how
        lost = slot.exited(now)
        actions: list[do.Action] = []
        if not wanted:
            event = "worker-cannot-start" if booting else "worker-died"
            actions.append(do.Report(event, {"worker": slot.index, "reason": fate}))
        if lost is None:
            return actions
        actions.append(do.Tidy(lost.key))
        if self.life.works:
            result = Result(lost.number, Outcome.ERROR, reasons={"": f"its worker ended: {fate}"}, charge=True)
            return actions + self._settle_job(lost, result, now)
        self.ledger.interrupted(lost.key)
        return actions

    def _assign(self, now: float) -> list[do.Action]:
        actions: list[do.Action] = []
        for slot in self.slots:
            if slot.state is not SlotState.IDLE:
                continue
            if (taken := self.ledger.take()) is None:
                break
            key, folder = taken
            self._job_number += 1
            job = Job(
                number=self._job_number,
                dataset=_encoded(key.dataset),
                path=_encoded(key.path),
                signature=folder.settling.signature,
                policy=self.plan.policies[key.dataset],
                memory=folder.memory,
                budget=self.plan.job_timeout,
            )
            slot.assigned(Assignment(job.number, key), now + self.plan.job_timeout, now)
            actions.append(do.SendJob(slot.index, job))
        return actions

    def _tend(self, slot: Slot, now: float, *, kill: bool) -> list[do.Action]:
        """Start, stop or kill what is due in one slot; `kill` ends a job that still runs."""
        match slot.state:
            case SlotState.DOWN if self.life.works and slot.expired(now):
                slot.due = None  # until the supervisor says what became of it
                return [do.SpawnWorker(slot.index)]
            case SlotState.DOWN if not self.life.works:
                slot.due = None
            case SlotState.IDLE if not self.life.works:
                slot.ending("", now, patience=self.plan.stop_grace)
                return [do.StopWorker(slot.index)]
            case SlotState.BUSY if kill:
                slot.ending("", now)
                return [do.KillWorker(slot.index)]
            case SlotState.BOOTING if not self.life.works:
                slot.ending("", now)
                return [do.KillWorker(slot.index)]
            case SlotState.BOOTING | SlotState.BUSY | SlotState.ENDING if slot.expired(now):
                slot.ending(f"no answer for too long while {slot.doing or slot.state.value}", now)
                return [do.KillWorker(slot.index)]
        return []

    # The end

    def _stop(self, code: int, now: float, *, at_once: bool) -> list[do.Action]:
        if self.life.asked_to_stop(code, now, at_once=at_once):
            return [do.AnnounceStopping()]
        return []

    def _end_of_pass(self, now: float) -> list[do.Action]:
        """One pass ends when nothing is on its way any more, or when no worker can be started."""
        actions: list[do.Action] = []
        if self.plan.once and self.life.state is DaemonState.RUNNING:
            idle = not any(slot.state is SlotState.BUSY for slot in self.slots)
            if self.plan.dry_run or (idle and not self.ledger.busy()):
                actions += self._stop(self._verdict(), now, at_once=False)
        if self.offers is None and self.life.works and self._nobody_boots():
            if self.plan.once:
                actions += self._stop(1, now, at_once=True)
            elif self.life.walked():
                # Waiting longer would only have systemd kill what can still say why it does not work.
                actions.append(do.AnnounceReady())
        return actions

    def _nobody_boots(self) -> bool:
        return all(slot.boot_failures >= _BOOT_ATTEMPTS for slot in self.slots)

    def _verdict(self) -> int:
        """The exit code of one pass."""
        return 1 if self.ledger.troubled else 0


def _encoded(name: str) -> bytes:
    return name.encode(errors="surrogateescape")
