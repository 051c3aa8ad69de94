"""Looks at the roots of datasets between walks: another root, a watch that cannot be had, one that can again."""

from __future__ import annotations

import errno

from audiobatchd.core import actions as do
from audiobatchd.core.events import RootSeen
from audiobatchd.model import DatasetState, WatchReport
from support.core_rig import DATASET, MISSING_ROOT, Rig, only, plan, reports, walked

WATCHED = WatchReport(True, "inotify")
WITHOUT_INSTANCE = WatchReport(False, "no instance", "no instance", lacks=frozenset({errno.EMFILE}))
WITHOUT_ROOM = WatchReport(True, "inotify", "no watch", lacks=frozenset({errno.ENOSPC}))
ROOT = (1, 2)


def seen(root: tuple[int, int] | None = ROOT, watch: WatchReport = WATCHED, *, again: bool = False) -> RootSeen:
    """A look at the root of the one dataset."""
    return RootSeen(DATASET, root, watch, again)


def test_root_is_looked_at_every_5_s_one_look_at_a_time() -> None:
    rig = Rig()
    assert only(do.LookAtRoot, rig.start()) == [do.LookAtRoot(DATASET)]
    assert only(do.LookAtRoot, rig.tick(60.0)) == []
    assert only(do.LookAtRoot, rig.tell(seen())) == []
    assert rig.core.next_wakeup() == rig.now + 5.0
    assert only(do.LookAtRoot, rig.tick(5.0)) == [do.LookAtRoot(DATASET)]


def test_one_pass_looks_at_no_root() -> None:
    rig = Rig(plan(once=True))
    assert only(do.LookAtRoot, [*rig.start(), *rig.tick(60.0)]) == []


def test_another_root_is_walked_at_once() -> None:
    rig = Rig()
    rig.start()
    assert only(do.WalkTree, rig.tell(seen())) == []
    assert only(do.WalkTree, rig.tell(seen((1, 9)))) == [do.WalkTree(DATASET)]


def test_root_that_went_is_walked_at_once() -> None:
    rig = Rig()
    rig.start()
    assert only(do.WalkTree, rig.tell(seen(None))) == [do.WalkTree(DATASET)]
    rig.tell(walked(root=MISSING_ROOT))
    assert rig.core.datasets[DATASET].state is DatasetState.MISSING
    assert only(do.WalkTree, rig.tell(seen((1, 9)))) == [], "it is walked every 5 s by itself"


def test_lack_of_watches_is_told_once() -> None:
    rig = Rig()
    rig.start()
    assert reports(rig.tell(seen(watch=WITHOUT_INSTANCE))) == ["watch-degraded"]
    assert reports(rig.tell(seen(watch=WITHOUT_INSTANCE), seen(watch=WITHOUT_INSTANCE))) == []
    assert reports(rig.tell(seen(watch=WITHOUT_ROOM))) == ["watch-degraded"], "for another reason"
    assert reports(rig.tell(seen(watch=WITHOUT_ROOM))) == []
    assert reports(rig.tell(seen())) == ["watch-restored"]
    assert reports(rig.tell(seen())) == []
    assert reports(rig.tell(seen(watch=WITHOUT_INSTANCE))) == ["watch-degraded"]


def test_watch_that_could_be_had_again_is_followed_by_a_walk() -> None:
    rig = Rig()
    rig.start()
    rig.tell(seen(watch=WITHOUT_INSTANCE))
    actions = rig.tell(seen(again=True))
    assert (reports(actions), only(do.WalkTree, actions)) == (["watch-restored"], [do.WalkTree(DATASET)])


def test_dataset_that_is_not_watched_any_more_is_not_restored() -> None:
    rig = Rig()
    rig.start()
    rig.tell(seen(watch=WITHOUT_INSTANCE))
    assert reports(rig.tell(seen(watch=WatchReport(False, "mode = walk")))) == []


def test_walk_is_followed_by_a_look() -> None:
    rig = Rig()
    rig.start()
    rig.tell(seen())
    assert only(do.LookAtRoot, rig.tell(walked())) == [do.LookAtRoot(DATASET)]
