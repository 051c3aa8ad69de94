"""Looks at the roots of datasets between walks: another root, a watch that cannot be had, one that can again."""

from __future__ import annotations

import dataclasses
import errno

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import FolderHint, FolderRead, RescanAsked, RootSeen, Walked, WalkRead
from audiobatchd.core.plan import Memory
from audiobatchd.core.readings import Finding
from audiobatchd.core.walk_schedule import PASS
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import DatasetState, WalkKind, WatchReport
from support.core_rig import (
    DATASET,
    MISSING_ROOT,
    RESCAN,
    Rig,
    came_by,
    key,
    offer,
    only,
    plan,
    reading,
    reads,
    reports,
    walked,
)

WATCHED = WatchReport(True, "inotify")
WITHOUT_INSTANCE = WatchReport(False, "no instance", "no instance", lacks=frozenset({errno.EMFILE}))
WITHOUT_ROOM = WatchReport(True, "inotify", "no watch", lacks=frozenset({errno.ENOSPC}))
ROOT = FileId(1, 2)


def seen(
    root: FileId | None = ROOT, watch: WatchReport = WATCHED, *, place: str = DATASET, again: bool = False
) -> RootSeen:
    """A look at the root of the one dataset."""
    return RootSeen(DATASET, root, watch, place, again)


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
    assert only(do.WalkTree, rig.tell(seen(FileId(1, 9)))) == [do.WalkTree(DATASET)]


def test_root_that_went_is_walked_at_once() -> None:
    rig = Rig()
    rig.start()
    assert only(do.WalkTree, rig.tell(seen(None))) == [do.WalkTree(DATASET)]
    rig.tell(walked(root=MISSING_ROOT))
    assert rig.core.datasets[DATASET].state is DatasetState.MISSING
    assert only(do.WalkTree, rig.tell(seen(FileId(1, 9)))) == [], "it is walked every 5 s by itself"


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


# A path that leads through links


def led(*paths: str, place: str, strange: bool = False) -> Walked:
    """The end of a full walk of the place that the dataset's path leads to."""
    return dataclasses.replace(walked(*paths, empty=False), place=place, is_strange=strange)


def settled_in(place: str) -> Rig:
    """A dataset with two folders, which a walk found in this place."""
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    rig.tell(came_by("A", "B"), led("A", "B", place=place))
    return rig


def test_link_that_leads_elsewhere_is_walked_at_once() -> None:
    rig = settled_in("/one")
    assert only(do.WalkTree, rig.tell(seen(place="/one"))) == []
    assert only(do.WalkTree, rig.tell(seen(place="/two"))) == [do.WalkTree(DATASET)]


def test_pass_in_another_place_is_followed_by_a_full_walk() -> None:
    rig = settled_in("/one")
    rig.tick(PASS)
    passed = dataclasses.replace(led("A", "B", place="/two"), kind=WalkKind.PASS)
    assert only(do.WalkTree, rig.tell(passed)) == [do.WalkTree(DATASET)]
    rig.tell(came_by("A", "B"), led("A", "B", place="/two"))
    rig.tick(PASS)
    assert only(do.WalkTree, rig.tell(passed)) == []


def test_reading_in_another_place_is_followed_by_a_full_walk() -> None:
    rig = settled_in("/one")
    rig.tell(FolderHint(key("A")))
    there = FolderRead(reading("A", Finding.COMPLETE), "/two")
    assert only(do.WalkTree, rig.tell(there)) == [do.WalkTree(DATASET)]
    rig.tell(came_by("A", "B"), led("A", "B", place="/one"))
    rig.tell(FolderHint(key("A")))
    assert only(do.WalkTree, rig.tell(dataclasses.replace(there, place="/one"))) == []


@pytest.mark.parametrize(("place", "read"), [(b"/one", []), (b"/two", [key("C")])])
def test_job_done_in_another_place_has_its_folder_read(place: bytes, read: list[FolderKey]) -> None:
    rig = settled_in("/one")
    rig.tell(FolderHint(key("C")))
    rig.settled(reading("C"))
    actions = rig.end(place=place)
    assert (reports(actions), reads(actions)) == (["folder-done"], read)


def test_place_with_some_of_the_folders_is_told_of_and_kept() -> None:
    rig = settled_in("/one")
    rig.tick(RESCAN)
    actions = rig.tell(came_by("A"), led("A", place="/two"))
    told = do.Report(LogEvent.ROOT_CHANGED, {"dataset": DATASET, "target": "/two", "before": "/one"})
    assert actions[:2] == [do.NoteRoot(DATASET, ROOT, "/two"), told]
    assert key("B") in reads(actions)


@pytest.mark.parametrize("strange", [False, True])
def test_place_with_none_of_the_folders_pauses(strange: bool) -> None:
    rig = settled_in("/one")
    rig.tick(RESCAN)
    found = [] if strange else [WalkRead((reading("X"),), DATASET)]
    rig.tell(*found, led("X", place="/two", strange=strange))
    dataset = rig.core.datasets[DATASET]
    assert dataset.standing == (
        DatasetState.PAUSED,
        "it leads to /two now, with none of the 2 folders that were known",
    )
    assert reads(rig.tick(1.0)) == []
    rig.tick(5.0)
    rig.tell(came_by("A", "B"), led("A", "B", place="/one"))
    assert dataset.standing == (DatasetState.ACTIVE, "")


def test_place_of_the_last_run_counts() -> None:
    rig = Rig()
    memory = Memory((offer(),), {DATASET: (3, ROOT)}, places={DATASET: "/one"})
    rig.core = Dispatcher(rig.core.plan, rig.now, memory)
    rig.tick()
    rig.tell(dataclasses.replace(led(place="/two", strange=True), kind=WalkKind.PASS))
    assert rig.core.datasets[DATASET].remark == "it leads to /two now, with none of the 3 folders that were known"


def test_accepted_empty_place_is_the_dataset_from_then_on() -> None:
    rig = settled_in("/one")
    rig.tell(RescanAsked(DATASET, accepts=True))
    empty = dataclasses.replace(walked(), place="/two")
    assert do.NoteRoot(DATASET, ROOT, "/two") in rig.tell(empty)
    rig.tell(RescanAsked(DATASET), empty)
    assert rig.core.datasets[DATASET].standing == (DatasetState.ACTIVE, "")


def test_root_that_changes_at_every_look_is_walked_in_bounds() -> None:
    rig = Rig()
    rig.start()
    rig.tell(dataclasses.replace(walked(), cost=1.0))
    assert only(do.WalkTree, rig.tell(seen(FileId(1, 9)))) == []
    assert only(do.WalkTree, rig.tick(20.0)) == [do.WalkTree(DATASET)]
