"""What is done for whole datasets again and again: walks, looks at the locks left, trials of what is held up."""

from __future__ import annotations

from collections.abc import Iterable

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.dataset import REAP_SHARE, Dataset
from audiobatchd.core.ledger import Ledger
from audiobatchd.core.lifecycle import Lifecycle
from audiobatchd.core.plan import Plan
from audiobatchd.core.reports import News
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause, WalkKind

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
        rounds = [*self._ask_before_rounds(now), *self._walks(now), *self._looks(now), *self._reap(now)]
        return [*rounds, *self._count(now), *self._probe(now)]

    def wakeups(self) -> list[float | None]:
        """When there is something to do again."""
        times = [hold.probe_at for dataset in self._datasets.values() for hold in dataset.holds.values()]
        times.append(self._ledger.blocked.next_look())
        at_rest = [dataset for dataset in self._datasets.values() if not dataset.is_left_alone]
        times += [dataset.reap_at for dataset in at_rest]
        times += [dataset.count_at for dataset in at_rest]
        times += [dataset.look_at for dataset in at_rest if not self._plan.once]
        times += [dataset.next_walk(once=self._plan.once) for dataset in at_rest]
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
            if dataset.is_left_alone:
                continue
            kind = dataset.due_walk(now, once=self._plan.once)
            if kind is not None:
                renew = dataset.renew and kind is WalkKind.FULL
                first = dataset.walk_started(kind)
                self._ledger.walk_begins(dataset.path)
                # What an earlier walk came by that was not believed says nothing against one that is accepted.
                if kind is WalkKind.FULL and (dataset.accepting or not dataset.round_open):
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
        if walk.near_misses is not None:
            dataset.near_misses = walk.near_misses
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
            noted += self._are_gone(walk.dataset, gone, now, accepted=accepted)
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
        return actions + self.started()

    def _are_gone(self, dataset: str, gone: list[FolderKey], now: float, *, accepted: bool) -> list[do.Action]:
        """These folders were not seen: each is looked at, unless that they are gone was `accepted`."""
        for key in gone:
            if accepted:
                self._ledger.forget(key)  # a look at each would say that the dataset is lost
            else:
                self._ledger.hint(key, now)
        paths = tuple(key.path for key in gone if accepted and not self._ledger.knows(key))
        return [do.Forget(dataset, paths, accepted=True)] if paths else []

    def _looks(self, now: float) -> list[do.Action]:
        """The roots that are looked at now; in one pass walks alone see them."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if self._plan.once or dataset.is_left_alone:
                continue
            if dataset.look_at is not None and now >= dataset.look_at:
                dataset.look_at = None
                actions.append(do.LookAtRoot(dataset.path))
        return actions

    def root_seen(self, seen: on.RootSeen, now: float) -> list[do.Action]:
        """What follows from a look at a root. That something cannot be watched is told once, and when it can again."""
        dataset = self._datasets[seen.dataset]
        dataset.looked(seen.root, seen.place, now)
        if seen.is_watched_again:
            dataset.want_walk(now)
        actions: list[do.Action] = []
        if not seen.is_barred:
            actions += self.released(dataset, Cause.UNIT, now)
        elif hold := dataset.barred(now):
            actions.append(do.Report("dataset-paused", {"dataset": seen.dataset, "remark": hold.remark}))
        watch = seen.watch
        if watch.lacks - dataset.lacks:
            dataset.lacks |= watch.lacks
            return [*actions, do.Report("watch-degraded", {"dataset": seen.dataset, "reason": watch.degraded})]
        told, dataset.lacks = dataset.lacks, dataset.lacks if watch.lacks else frozenset()
        if told and watch.events and not watch.lacks:
            actions.append(do.Report("watch-restored", {"dataset": seen.dataset}))
        return actions

    def _reap(self, now: float) -> list[do.Action]:
        """Locks are looked at after every walk, and every `reap` seconds or less often; in one pass, after its walk."""
        actions: list[do.Action] = []
        for dataset in self._datasets.values():
            if dataset.reap_at is not None and now >= dataset.reap_at and not dataset.is_left_alone:
                dataset.reap_at = None
                if not self._plan.dry_run:
                    actions.append(do.ReapLocks(dataset.path, frozenset(dataset.parents), dataset.is_track))
        return actions

    def _count(self, now: float) -> list[do.Action]:
        """What is passed over is counted where directories have others than they had."""
        at_rest = [dataset for dataset in self._datasets.values() if not dataset.is_left_alone]
        due = [each for each in at_rest if each.count_at is not None and now >= each.count_at]
        for dataset in due:
            dataset.count_at = None
        return [do.CountMisses(dataset.path) for dataset in due]

    def locks_seen(self, event: on.LocksSeen, now: float) -> list[do.Action]:
        """What follows from the locks that were left."""
        dataset = self._datasets[event.dataset]
        dataset.overdue = event.overdue
        if not self._plan.once and dataset.reap_at is None:
            dataset.reap_at = now + max(self._plan.reap, event.cost / REAP_SHARE)
        actions: list[do.Action] = []
        for path in sorted(event.left):
            key = FolderKey(event.dataset, path)
            folder = self._ledger.left(key, now, counts=path in event.counted)
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
                    actions.append(do.Probe(hold.key, hold.cause, self._healthy(dataset)))
        return actions

    def _healthy(self, dataset: Dataset) -> FolderKey | None:
        path = next(self._ledger.complete.paths(dataset.path), None)
        return None if path is None else FolderKey(dataset.path, path)

    def probed(self, event: on.Probed, now: float) -> list[do.Action]:
        """What follows from a trial of what holds up a dataset, or may do so."""
        dataset, cause = self._datasets[event.dataset], event.cause
        if event.trouble and cause in dataset.holds:
            dataset.holds[cause].persists(now)
            return []
        if cause is not Cause.HANG:
            return self.released(dataset, cause, now)
        key = dataset.trial or FolderKey(dataset.path, "")
        hold = dataset.tried(key, event.trouble, now)
        if hold is None:
            self._ledger.go_on(dataset.path, now)
            left, dataset.untidy = dataset.untidy, []
            return [*map(do.Tidy, left), *self.released(dataset, cause, now)]
        return [do.Report("dataset-paused", {"dataset": dataset.path, "remark": hold.remark}), *self.started()]

    # Whether its disk answers at all

    def unready(self, now: float) -> set[str]:
        """The datasets in which nothing is to be begun now: the disk does not answer, or has to be asked first."""
        return {path for path, each in self._datasets.items() if each.is_left_alone or self._is_silent(each, now)}

    def ask_first(self, datasets: Iterable[str], now: float) -> list[do.Action]:
        """Something waits in these datasets: where the disk has not answered for long, it is asked before.

        Neither a thread nor a worker is to be caught by one that hangs.
        """
        actions: list[do.Action] = []
        for dataset in map(self._datasets.__getitem__, datasets):
            if not dataset.is_left_alone and self._is_silent(dataset, now):
                key = FolderKey(dataset.path, "")
                dataset.ask(key, now)
                actions.append(do.Probe(key, Cause.HANG, briefly=True))
        return actions

    def _ask_before_rounds(self, now: float) -> list[do.Action]:
        due = []
        for path, dataset in self._datasets.items():
            # The frequent look at a root that no network and no other program serves is spared that.
            look_at = None if self._plan.once or dataset.is_local else dataset.look_at
            times = (dataset.reap_at, dataset.count_at, look_at, dataset.next_walk(once=self._plan.once))
            if dataset.trees or any(when is not None and when <= now for when in times):
                due.append(path)
        return self.ask_first(due, now)

    def _is_silent(self, dataset: Dataset, now: float) -> bool:
        return now - dataset.answered_at > self._plan.fresh

    def suspected(self, key: FolderKey, now: float, *, at_once: bool = False) -> list[do.Action]:
        """Something sleeps over what it does in this folder: have the disk asked, unless that is done already."""
        dataset = self._datasets.get(key.dataset)
        if dataset is None or not dataset.suspected(key, now, at_once=at_once):
            return []
        return [do.Probe(key, Cause.HANG, self._healthy(dataset))]

    def started(self) -> list[do.Action]:
        """The service is ready when every dataset has been walked, as far as it can be."""
        known = (dataset.walks or dataset.passes or dataset.hangs for dataset in self._datasets.values())
        return [do.AnnounceReady()] if all(known) and self._life.walked() else []

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
