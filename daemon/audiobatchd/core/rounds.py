"""Rounds over whole datasets: walks, looks at roots and locks, trials of what is held up."""

from __future__ import annotations

from collections.abc import Iterable

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.holds import Hold
from audiobatchd.core.parts import Parts
from audiobatchd.core.walk_schedule import WalkSchedule
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import Cause, DatasetState, WalkKind

_WALK_SOON = 2.0
"""Seconds until a pass that is to tell what a directory held which is gone: others may follow it."""

_EVENTS = {
    DatasetState.ACTIVE: LogEvent.DATASET_ACTIVE,
    DatasetState.PAUSED: LogEvent.DATASET_PAUSED,
    DatasetState.MISSING: LogEvent.DATASET_MISSING,
}
"""Names in the log of what a walk found a dataset to be."""


class Rounds:
    """The rounds that are due, and what follows from what they find."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._datasets = parts.datasets
        self._ledger, self._transitions = parts.ledger, parts.transitions
        self._shard = parts.plan.shard
        """The shard whose folders are walked for; None: all folders."""
        self._order = 0
        """The order of walks: those who help the same shard are not to come for the same folder all the time."""

    def due(self, now: float) -> list[do.Action]:
        """Begin the rounds that are due."""
        for key in self._ledger.blocked.due(now):
            if (dataset := self._datasets.get(key.dataset)) and dataset.works:
                self._transitions.look_at_blocked(key, now)
        rounds = [*self._ask_before_rounds(now), *self._walks(now), *self._looks(now), *self._reap(now)]
        return [*rounds, *self._count(now), *self._probe(now)]

    def wakeups(self) -> list[float | None]:
        """The moments when something is to be done again."""
        times = [hold.probe_at for dataset in self._datasets.values() for hold in dataset.holds.by_cause.values()]
        times.append(self._ledger.blocked.next_look())
        at_rest = [dataset for dataset in self._datasets.values() if not dataset.is_left_alone]
        times += [dataset.lock_round.reap_at for dataset in at_rest]
        times += [dataset.count_at for dataset in at_rest]
        times += [dataset.look_at for dataset in at_rest if not self._parts.plan.once]
        times += [dataset.schedule.next_walk(once=self._parts.plan.once) for dataset in at_rest]
        return times

    def replan(self, rewalk: frozenset[str], now: float) -> None:
        """Go by other datasets, or by the same on other terms, from now on; `rewalk`: walk these again."""
        plan = self._parts.plan
        for path in [path for path in self._datasets if path not in plan.datasets]:
            del self._datasets[path]
            self._transitions.drop(path)
            self._parts.news.drop(path)
        for path, rescan in plan.datasets.items():
            schedule = self._datasets.setdefault(path, Dataset(path, WalkSchedule(rescan))).schedule
            schedule.walk_every(rescan)
            if path in rewalk:
                schedule.renew = True
                schedule.want_full(now)

    def _walks(self, now: float) -> list[do.Action]:
        """Begin walks. A tree that is moved in is told of directory by directory: one walk takes all."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if dataset.is_left_alone:
                continue
            path, schedule, belief = dataset.path, dataset.schedule, dataset.belief
            kind = schedule.due(now, known=belief.known, once=self._parts.plan.once)
            if kind is not None:
                renew = schedule.renew and kind is WalkKind.FULL
                first = dataset.walk_started(kind)
                self._transitions.walk_begins(path)
                # What an earlier walk came by that was not believed says nothing against one that is accepted.
                if kind is WalkKind.FULL and (belief.accepting or not belief.round_open):
                    self._ledger.begin_round(path)
                    belief.known_at_start = self._ledger.count(path)
                actions.append(
                    do.WalkTree(
                        path,
                        kind=kind,
                        renew=renew,
                        first=first,
                        accepts=belief.accepting,
                        shard=self._shard,
                        order=self._order,
                    )
                )
            if schedule.trees and not schedule.is_walking_trees:
                actions.append(do.WalkTree(path, schedule.take_trees(), WalkKind.TREES, first=True))
        return actions

    def help_others(self, now: float) -> bool:
        """Walk for the folders of all shards from now on; False where that is not asked for, was begun or cannot be."""
        shard = self._shard
        if shard is None or not shard.then_any or all(dataset.hangs for dataset in self._datasets.values()):
            return False
        self._shard, self._order = None, shard.number
        for dataset in self._datasets.values():
            dataset.schedule.start_over(now)
        self._parts.life.walks_again()
        return True

    def walked(self, walk: on.Walked, now: float) -> list[do.Action]:
        """Take in the end of a walk."""
        dataset = self._datasets[walk.dataset]
        if walk.near_misses is not None:
            dataset.near_misses = walk.near_misses
        if dataset.look_at is not None:
            dataset.look_at = now  # it has just been tried to watch the root: what came of that is not to wait
        if walk.kind is WalkKind.TREES:
            dataset.schedule.is_walking_trees = False
            dataset.lock_round.parents |= walk.parents
            return []
        whole = walk.kind is WalkKind.FULL
        if walk.root is not None and not walk.refusal:
            dataset.lock_round.walked(walk, now)
        belief = dataset.belief
        # In another root, those that this walk came by first do not say that it is the same dataset.
        count = belief.known_at_start if whole and not walk.empty else self._ledger.count(walk.dataset)
        known = max(count, 0 if belief.is_confirmed else belief.known)
        gone = self._ledger.not_seen(walk.dataset) if whole else []
        accepted = belief.accepting and walk.empty
        actions: list[do.Action] = []
        seen = belief.known_at_start - len(gone) if whole else walk.tracks
        place = belief.place
        if dataset.walked(walk, known, seen, now):
            actions += self._are_gone(walk.dataset, gone, now, accepted=accepted)
            for key in self._ledger.stale_warnings(walk.dataset) if whole else ():
                self._transitions.hint(key, now)
            if whole and walk.root is not None and (accepted or not walk.empty):
                actions.append(do.NoteRoot(walk.dataset, walk.root, walk.place))
            if place and belief.place != place:
                fields: dict[str, do.Field] = {"dataset": walk.dataset, "target": belief.place, "before": place}
                actions.append(do.Report(LogEvent.ROOT_CHANGED, fields))
        if (dataset.state, dataset.remark) != dataset.before:
            fields = {"dataset": walk.dataset, "folders": self._ledger.count(walk.dataset)}
            fields |= {"remark": dataset.remark} if dataset.remark else {}
            actions.append(do.Report(_EVENTS[dataset.state], fields))
        return actions + self.started()

    def _are_gone(self, dataset: str, gone: list[FolderKey], now: float, *, accepted: bool) -> list[do.Action]:
        """Look at each folder that was not seen, or forget all of them where that was `accepted`."""
        for key in gone:
            if accepted:
                self._transitions.forget(key)  # a look at each would say that the dataset is lost
            else:
                self._transitions.hint(key, now)
        paths = tuple(key.path for key in gone if accepted and not self._ledger.knows(key))
        return [do.Forget(dataset, paths, accepted=True)] if paths else []

    def _looks(self, now: float) -> list[do.Action]:
        """Look at roots; in one pass walks alone see them."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if self._parts.plan.once or dataset.is_left_alone:
                continue
            if dataset.look_at is not None and now >= dataset.look_at:
                dataset.look_at = None
                actions.append(do.LookAtRoot(dataset.path))
        return actions

    def root_seen(self, seen: on.RootSeen, now: float) -> list[do.Action]:
        """Take in a look at a root. What cannot be watched is told once, and so is when it can be again."""
        dataset = self._datasets[seen.dataset]
        dataset.looked(seen.root, seen.place, now)
        if seen.is_watched_again:
            dataset.schedule.want_full(now)
        actions: list[do.Action] = []
        if not seen.is_barred:
            actions += self.released(dataset, Cause.UNIT, now)
        elif hold := dataset.holds.bar(now):
            actions.append(paused(seen.dataset, hold))
        watch = seen.watch
        if watch.lacks - dataset.lacks:
            dataset.lacks |= watch.lacks
            return [*actions, do.Report(LogEvent.WATCH_DEGRADED, {"dataset": seen.dataset, "reason": watch.degraded})]
        told, dataset.lacks = dataset.lacks, dataset.lacks if watch.lacks else frozenset()
        if told and watch.events and not watch.lacks:
            actions.append(do.Report(LogEvent.WATCH_RESTORED, {"dataset": seen.dataset}))
        return actions

    def _reap(self, now: float) -> list[do.Action]:
        """Look at locks: after every walk, and every `reap` seconds or less often; in one pass, after its walk."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            locks = dataset.lock_round
            if not dataset.is_left_alone and locks.due(now) and not self._parts.plan.dry_run:
                actions.append(do.ReapLocks(dataset.path, frozenset(locks.parents), locks.root_too))
        return actions

    def _count(self, now: float) -> list[do.Action]:
        """Count what is passed over, where directories have others than they had."""
        at_rest = [dataset for dataset in self._datasets.values() if not dataset.is_left_alone]
        due = [each for each in at_rest if each.count_at is not None and now >= each.count_at]
        for dataset in due:
            dataset.count_at = None
        return [do.CountMisses(dataset.path) for dataset in due]

    def locks_seen(self, event: on.LocksSeen, now: float) -> list[do.Action]:
        """Take in a look at locks, and suspect the folders that the dead left."""
        self._datasets[event.dataset].lock_round.seen(
            event, None if self._parts.plan.once else self._parts.plan.reap, now
        )
        actions: list[do.Action] = []
        for path in sorted(event.left):
            key = FolderKey(event.dataset, path)
            folder = self._transitions.left(key, now, counts=path in event.counted)
            if folder is not None:
                verdict = folder.gave_up
                actions.append(folder.kept(key, folder.memory, verdict))
                if verdict:
                    actions += self._parts.news.of(key, folder)
                elif folder.is_suspect:
                    actions.append(
                        do.Report(LogEvent.FOLDER_SUSPECT, {"reason": "the process that worked on it died"}, key)
                    )
        return actions

    def _probe(self, now: float) -> list[do.Action]:
        """Look again where datasets are held up."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            for hold in dataset.holds.due(now):
                if hold.cause is Cause.OPERATOR:
                    actions += self.released(dataset, hold.cause, now)
                else:
                    actions.append(do.Probe(hold.key, hold.cause, self._healthy(dataset)))
        return actions

    def _healthy(self, dataset: Dataset) -> FolderKey | None:
        path = next(self._ledger.complete.paths(dataset.path), None)
        return None if path is None else FolderKey(dataset.path, path)

    def probed(self, event: on.Probed, now: float) -> list[do.Action]:
        """Take in a trial of what holds up a dataset, or may do so."""
        dataset, cause = self._datasets[event.dataset], event.cause
        if event.trouble and cause in dataset.holds:
            dataset.holds.by_cause[cause].persists(now)
            return []
        if cause is not Cause.HANG:
            return self.released(dataset, cause, now)
        key = dataset.holds.trial or FolderKey(dataset.path, "")
        hold = dataset.holds.tried(key, event.trouble, now)
        if hold is None:
            self._transitions.agenda.go_on(dataset.path, now)
            left, dataset.holds.untidy = dataset.holds.untidy, []
            return [*map(do.Tidy, left), *self.released(dataset, cause, now)]
        return [paused(dataset.path, hold), *self.started()]

    # Whether its disk answers at all

    def unready(self, now: float) -> set[str]:
        """The datasets in which nothing is to be begun now: the disk does not answer, or has to be asked first."""
        return {path for path, each in self._datasets.items() if each.is_left_alone or self._is_silent(each, now)}

    def ask_first(self, datasets: Iterable[str], now: float) -> list[do.Action]:
        """Ask the disks of these datasets, in which something waits, where they have not answered for long.

        Neither a thread nor a worker is to be caught by one that hangs.
        """
        actions: list[do.Action] = []
        for dataset in map(self._datasets.__getitem__, datasets):
            if not dataset.is_left_alone and self._is_silent(dataset, now):
                key = FolderKey(dataset.path, "")
                dataset.holds.ask(key, now)
                actions.append(do.Probe(key, Cause.HANG, briefly=True))
        return actions

    def _ask_before_rounds(self, now: float) -> list[do.Action]:
        due = []
        for path, dataset in self._datasets.items():
            # The frequent look at a root that no network and no other program serves is spared that.
            look_at = None if self._parts.plan.once or dataset.is_local else dataset.look_at
            next_walk = dataset.schedule.next_walk(once=self._parts.plan.once)
            times = (dataset.lock_round.reap_at, dataset.count_at, look_at, next_walk)
            if dataset.schedule.trees or any(when is not None and when <= now for when in times):
                due.append(path)
        return self.ask_first(due, now)

    def _is_silent(self, dataset: Dataset, now: float) -> bool:
        return dataset.holds.is_silent(now, self._parts.plan.fresh)

    def suspected(self, key: FolderKey, now: float, *, at_once: bool = False) -> list[do.Action]:
        """Have the disk asked where something sleeps over what it does in a folder, unless that is done already."""
        dataset = self._datasets.get(key.dataset)
        if dataset is None or not dataset.holds.suspected(key, now, at_once=at_once):
            return []
        return [do.Probe(key, Cause.HANG, self._healthy(dataset))]

    def started(self) -> list[do.Action]:
        """Announce readiness when every dataset has been walked, as far as it can be."""
        known = (dataset.schedule.has_begun or dataset.hangs for dataset in self._datasets.values())
        return [do.AnnounceReady()] if all(known) and self._parts.life.walked() else []

    def released(self, dataset: Dataset, cause: Cause, now: float) -> list[do.Action]:
        """Let jobs go on in a dataset where this held them up."""
        if not dataset.holds.release(cause):
            return []
        self._transitions.resume(dataset.path, cause, now)
        kept: list[do.Action] = [do.KeepPause(dataset.path, paused=False)] if cause is Cause.OPERATOR else []
        return [do.Report(LogEvent.DATASET_RESUMED, {"dataset": dataset.path}), *kept]

    def tree_vanished(self, key: FolderKey, now: float) -> None:
        """Look where a directory was that is gone, with what was in it."""
        if self._ledger.knows(key):
            self._transitions.hint(key, now)
        else:
            # It may have held any number of folders: one pass tells for all of them.
            self._datasets[key.dataset].schedule.want_pass(now + _WALK_SOON)


def paused(path: str, hold: Hold) -> do.Report:
    """Tell that a dataset is held up, and why."""
    return do.Report(LogEvent.DATASET_PAUSED, {"dataset": path, "remark": hold.remark})
