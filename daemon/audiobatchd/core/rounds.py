"""What is done for whole datasets again and again: walks, looks at the locks left, trials of what is held up."""

from __future__ import annotations

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.datasets import REAP_SHARE, Dataset
from audiobatchd.core.folders import Ledger
from audiobatchd.core.lifecycle import Lifecycle
from audiobatchd.core.news import News
from audiobatchd.core.plan import Plan
from audiobatchd.model import Cause, FolderKey, WalkKind

_WALK_SOON = 2.0


class Rounds:
    """When each round is due, and what follows from what it found."""

    def __init__(self, plan: Plan, datasets: dict[str, Dataset], ledger: Ledger, life: Lifecycle, news: News) -> None:
        self._plan = plan
        self._datasets = datasets
        self._ledger = ledger
        self._life = life
        self._news = news

    def due(self, now: float) -> list[do.Action]:
        """The rounds that begin now."""
        for key in self._ledger.blocked.due(now):
            if (dataset := self._datasets.get(key.dataset)) and dataset.works:
                self._ledger.look_at_blocked(key, now)
        return [*self._walks(now), *self._looks(now), *self._reap(now), *self._probe(now)]

    def wakeups(self) -> list[float | None]:
        """When there is something to do again."""
        times: list[float | None] = [dataset.reap_at for dataset in self._datasets.values()]
        times.append(self._ledger.blocked.next_look())
        times += [dataset.look_at for dataset in self._datasets.values() if not self._plan.once]
        times += [hold.probe_at for dataset in self._datasets.values() for hold in dataset.holds.values()]
        times += [dataset.next_walk(once=self._plan.once) for dataset in self._datasets.values()]
        return times

    def replan(self, event: on.Replanned, now: float) -> None:
        """Other datasets, or the same on other terms, from now on."""
        plan = self._plan = event.plan
        for path in [path for path in self._datasets if path not in plan.datasets]:
            del self._datasets[path]
            self._ledger.drop(path)
            self._news.drop(path)
        for path, rescan in plan.datasets.items():
            dataset = self._datasets.setdefault(path, Dataset(path, rescan))
            dataset.rescan = rescan
            dataset.walk_at = min(dataset.walk_at, now + rescan)
            if path in event.rewalk:
                dataset.renew = True
                dataset.want_walk(now)

    def _walks(self, now: float) -> list[do.Action]:
        """The walks that begin now. A tree that is moved in is told of directory by directory: one walk takes all."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            kind = dataset.due_walk(now, once=self._plan.once)
            if kind is not None:
                renew = dataset.renew and kind is WalkKind.FULL
                first = dataset.walk_started(kind)
                self._ledger.walk_begins(dataset.path)
                if kind is WalkKind.FULL and not dataset.round_open:
                    self._ledger.begin_round(dataset.path)
                    dataset.known_at_start = self._ledger.count(dataset.path)
                actions.append(
                    do.WalkTree(dataset.path, kind=kind, renew=renew, first=first, accepts=dataset.accepting)
                )
            if dataset.trees and not dataset.walking_trees:
                actions.append(do.WalkTree(dataset.path, dataset.take_trees(), WalkKind.TREES, first=True))
        return actions

    def walked(self, walk: on.Walked, now: float) -> list[do.Action]:
        """What follows from what a walk found."""
        dataset = self._datasets[walk.dataset]
        if dataset.look_at is not None:
            dataset.look_at = now  # it has just been tried to watch the root: what came of that is not to wait
        if walk.kind is WalkKind.TREES:
            dataset.walking_trees = False
            dataset.parents |= walk.parents
            return []
        whole = walk.kind is WalkKind.FULL
        if walk.root is not None and not walk.refusal:
            # A dataset without track folders may still have their locks, in the root.
            dataset.parents = {"", *walk.parents, *(() if whole else dataset.parents)}
            dataset.is_track = walk.is_track
            dataset.reap_at = now
        # In another root, those that this walk came by first do not say that it is the same dataset.
        count = dataset.known_at_start if whole and not walk.empty else self._ledger.count(walk.dataset)
        known = max(count, 0 if dataset.believed else dataset.known)
        gone = self._ledger.not_seen(walk.dataset) if whole else []
        accepted = dataset.accepting and walk.empty
        noted: list[do.Action] = []
        seen = dataset.known_at_start - len(gone) if whole else walk.tracks
        place = dataset.place
        if dataset.walked(walk, known, seen, now):
            for key in gone:
                if accepted:
                    self._ledger.forget(key)  # a look at each would say that the dataset is lost
                else:
                    self._ledger.hint(key, now)
            for key in self._ledger.stale_warnings(walk.dataset) if whole else ():
                self._ledger.hint(key, now)
            if whole and walk.root is not None and (accepted or not walk.empty):
                noted.append(do.NoteRoot(walk.dataset, walk.root, walk.place))
            if place and dataset.place != place:
                fields: dict[str, do.Field] = {"dataset": walk.dataset, "target": dataset.place, "before": place}
                noted.append(do.Report("root-changed", fields))
        actions = noted
        if (dataset.state, dataset.remark) != dataset.before:
            fields = {"dataset": walk.dataset, "folders": self._ledger.count(walk.dataset)}
            fields |= {"remark": dataset.remark} if dataset.remark else {}
            actions.append(do.Report(f"dataset-{dataset.state.value}", fields))
        if all(each.walks or each.passes for each in self._datasets.values()) and self._life.walked():
            actions.append(do.AnnounceReady())
        return actions

    def _looks(self, now: float) -> list[do.Action]:
        """The roots that are looked at now; in one pass walks alone see them."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if not self._plan.once and dataset.look_at is not None and now >= dataset.look_at:
                dataset.look_at = None
                actions.append(do.LookAtRoot(dataset.path))
        return actions

    def root_seen(self, seen: on.RootSeen, now: float) -> list[do.Action]:
        """What follows from a look at a root. That something cannot be watched is told once, and when it can again."""
        dataset = self._datasets[seen.dataset]
        dataset.looked(seen.root, seen.place, now)
        if seen.is_watched_again:
            dataset.want_walk(now)
        watch = seen.watch
        if watch.lacks - dataset.lacks:
            dataset.lacks |= watch.lacks
            return [do.Report("watch-degraded", {"dataset": seen.dataset, "reason": watch.degraded})]
        told, dataset.lacks = dataset.lacks, dataset.lacks if watch.lacks else frozenset()
        if told and watch.events and not watch.lacks:
            return [do.Report("watch-restored", {"dataset": seen.dataset})]
        return []

    def _reap(self, now: float) -> list[do.Action]:
        """Locks are looked at after every walk, and every `reap` seconds or less often; in one pass, after its walk."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if dataset.reap_at is not None and now >= dataset.reap_at:
                dataset.reap_at = None
                if not self._plan.dry_run:
                    actions.append(do.ReapLocks(dataset.path, frozenset(dataset.parents), dataset.is_track))
        return actions

    def locks_seen(self, event: on.LocksSeen, now: float) -> list[do.Action]:
        """What follows from the locks that were left."""
        dataset = self._datasets[event.dataset]
        dataset.overdue = event.overdue
        if not self._plan.once and dataset.reap_at is None:
            dataset.reap_at = now + max(self._plan.reap, event.cost / REAP_SHARE)
        actions: list[do.Action] = []
        for path in sorted(event.left):
            key = FolderKey(event.dataset, path)
            folder = self._ledger.left(key)
            if folder is not None:
                verdict = folder.gave_up
                actions.append(folder.kept(key, folder.memory, verdict))
                if verdict:
                    actions += self._news.of(key, folder)
                elif folder.is_suspect:
                    actions.append(do.Report("folder-suspect", {"reason": "whoever worked on it died"}, key))
        return actions

    def _probe(self, now: float) -> list[do.Action]:
        """Look again where datasets are held up."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            for hold in list(dataset.holds.values()):
                if hold.probe_at is None or now < hold.probe_at:
                    continue
                hold.probe_at = None  # until the answer is there
                if hold.cause is Cause.OPERATOR:
                    actions += self.released(dataset, hold.cause, now)
                else:
                    healthy = next(self._ledger.complete.paths(dataset.path), None)
                    other = None if healthy is None else FolderKey(dataset.path, healthy)
                    actions.append(do.Probe(hold.key, hold.cause, other))
        return actions

    def probed(self, dataset: Dataset, cause: Cause, trouble: str, now: float) -> list[do.Action]:
        """What follows from a trial of what holds up a dataset."""
        if trouble and cause in dataset.holds:
            dataset.holds[cause].persists(now)
            return []
        return self.released(dataset, cause, now)

    def released(self, dataset: Dataset, cause: Cause, now: float) -> list[do.Action]:
        """What held up a dataset is over."""
        if cause not in dataset.holds:
            return []
        dataset.released(cause)
        self._ledger.resume(dataset.path, cause, now)
        kept: list[do.Action] = [do.KeepPause(dataset.path, paused=False)] if cause is Cause.OPERATOR else []
        return [do.Report("dataset-resumed", {"dataset": dataset.path}), *kept]

    def tree_vanished(self, key: FolderKey, now: float) -> None:
        """A directory is gone, with what was in it."""
        if key in self._ledger.active or key in self._ledger.complete:
            self._ledger.hint(key, now)
        else:
            # It may have held any number of folders: one pass tells for all of them.
            self._datasets[key.dataset].want_pass(now + _WALK_SOON)
