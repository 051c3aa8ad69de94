"""The rounds of datasets, walks and looks at roots and locks: events in, actions out."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.messages import Ready
from audiobatchd.core.plan import Memory
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.walk_schedule import PASS
from audiobatchd.vocabulary.files import FileId, MissKind, NearMiss
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import DatasetState, FolderState, Outcome, WalkKind
from support.core_rig import (
    DATASET,
    MISSING_ROOT,
    RESCAN,
    SETTLE,
    Rig,
    came_by,
    found,
    key,
    offer,
    only,
    plan,
    reading,
    reads,
    reports,
    running,
    walked,
)


def test_known_dataset_has_a_pass_before_any_worker_is_ready() -> None:
    rig = Rig()
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, FileId(1, 2))}))
    actions = rig.tick()
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET, kind=WalkKind.PASS, first=True)]
    actions = rig.tell(came_by("A", "B", "C"), walked("A", "B", "C", kind=WalkKind.PASS))
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET)], "at leisure: what lies in files is not seen by a pass"
    assert len(rig.core.ledger.complete) == 3
    assert only(do.WalkTree, rig.tell(on.WorkerSaid(0, rig.pid, Ready((offer(),))))) == [], "as it was"


@pytest.mark.parametrize("remembered", [False, True])
def test_service_is_ready_when_what_it_waited_for_is_dropped(*, remembered: bool) -> None:
    rig = Rig()
    none = dataclasses.replace(plan(), datasets={}, policies={})
    if remembered:
        rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, FileId(1, 2))}))
        rig.tick()
    else:
        assert only(do.AnnounceReady, rig.boot()) == []
    actions = rig.tell(on.Replanned(none, anew=False, rewalk=frozenset()))
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]
    assert only(do.AnnounceReady, rig.tell(on.Replanned(none, anew=False, rewalk=frozenset()))) == []


def test_dropped_before_any_worker_is_ready_the_first_of_them_makes_the_service_ready() -> None:
    rig = Rig()
    none = dataclasses.replace(plan(), datasets={}, policies={})
    assert only(do.AnnounceReady, rig.tell(on.Replanned(none, anew=False, rewalk=frozenset()))) == []
    assert only(do.AnnounceReady, rig.boot()) == [do.AnnounceReady()]


@pytest.mark.parametrize("root", ["", MISSING_ROOT])
def test_a_mount_that_was_lost_before_the_start_is_noticed(root: str) -> None:
    rig = Rig()
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, FileId(1, 2))}))
    rig.tick()
    actions = rig.tell(walked(kind=WalkKind.PASS, root=root, empty=True))
    assert reports(actions) == ["dataset-missing" if root else "dataset-paused"]
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]
    assert only(do.WalkTree, rig.tick(5.0)) == [do.WalkTree(DATASET)]


def test_other_file_system_without_the_folders_needs_acceptance() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    actions = rig.tell(walked("X", device=7))
    assert (reads(actions), reports(actions)) == ([], ["dataset-paused"])
    assert rig.core.datasets[DATASET].remark == "another file system, with none of the 2 folders that were known"
    rig.tick(5.0)
    assert reads(rig.tell(walked("X", device=7))) == []
    accepting = do.WalkTree(DATASET, accepts=True)
    assert only(do.WalkTree, rig.tell(on.RescanAsked(DATASET, accepts=True))) == [accepting]
    assert sorted(reads(rig.tell(walked("X", device=7)))) == [key("A"), key("B")]


def test_other_file_system_is_doubted_however_often_it_is_walked() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    for _ in range(4):
        assert reads(rig.tell(walked("X", device=7))) == []
        assert rig.core.datasets[DATASET].state is DatasetState.PAUSED
        rig.tick(5.0)


def test_a_mount_that_was_lost_before_the_start_stays_lost() -> None:
    rig = Rig()
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, FileId(1, 2))}))
    rig.tick()
    rig.tell(walked(kind=WalkKind.PASS, empty=True))
    for _ in range(3):
        assert only(do.WalkTree, rig.tick(5.0)) == [do.WalkTree(DATASET)]
        rig.tell(walked(empty=True))
        assert rig.core.datasets[DATASET].state is DatasetState.PAUSED


def test_folder_that_two_walks_do_not_see_is_looked_at_twice() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    assert reads(rig.tell(came_by("A"), walked("A"))) == [key("B")]
    assert only(do.WalkTree, rig.read(reading("B", Finding.LOST))) == [do.WalkTree(DATASET)]
    assert reads(rig.tell(came_by("A"), walked("A"))) == [key("B")]
    rig.read(reading("B", Finding.GONE))
    assert rig.core.ledger.known(DATASET) == {key("A")}


def test_a_folder_that_is_lost_with_its_dataset_is_not_forgotten() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE))
    rig.tell(on.TreeVanished(key("A")))
    actions = rig.read(reading("A", Finding.LOST))
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET)]
    assert rig.core.ledger.known(DATASET) == {key("A")}


def test_other_device_with_the_same_folders_is_the_same_dataset() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    assert reads(rig.tell(came_by("A"), walked("A", device=7))) == [key("B")]


def test_walks_come_every_rescan_and_one_at_a_time() -> None:
    rig = Rig()
    rig.start()
    assert only(do.WalkTree, rig.tick(PASS - 1)) == []
    assert only(do.WalkTree, rig.tick(1)) == [do.WalkTree(DATASET, kind=WalkKind.PASS)]
    rig.tell(walked(kind=WalkKind.PASS))
    assert only(do.WalkTree, rig.tick(RESCAN - PASS)) == [do.WalkTree(DATASET)]
    assert only(do.WalkTree, rig.tick(RESCAN) + rig.tell(on.WatchLost(DATASET, "overflow"))) == []
    assert only(do.WalkTree, rig.tell(walked())) == [do.WalkTree(DATASET)], "what was lost during a walk needs another"


def test_what_a_walk_did_not_see_is_looked_at() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.FAILED), reading("C", Finding.COMPLETE))
    rig.tick(RESCAN)
    assert reads(rig.tell(came_by("C"), walked("C"))) == [key("A"), key("B")]
    rig.read(reading("A", Finding.GONE))
    assert rig.core.ledger.known(DATASET) == {key("B"), key("C")}


@pytest.mark.parametrize(("root", "state"), [("", DatasetState.PAUSED), (MISSING_ROOT, DatasetState.MISSING)])
def test_a_lost_mount_is_no_mass_deletion(root: str, state: DatasetState) -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    actions = rig.tell(walked(root=root, empty=True))
    assert (reads(actions), reports(actions)) == ([], [f"dataset-{state.value}"])
    assert len(rig.core.ledger.complete) == 2
    again = rig.tick(5.0)
    assert only(do.WalkTree, again) == [do.WalkTree(DATASET)]
    assert reports(rig.tell(walked(root=root, empty=True))) == [], "as before is no news"
    rig.tick(5.0)
    assert reports(rig.tell(walked("A", "B"))) == ["dataset-active"]


def test_a_tree_that_appears_is_walked_from_there() -> None:
    rig = Rig()
    assert rig.tell(on.TreeAppeared(key("Album"))) == [do.SpawnWorker(0)], "the first walk will see it"
    rig.start()
    assert only(do.WalkTree, rig.tell(on.TreeAppeared(key("Album")))) == [
        do.WalkTree(DATASET, ("Album",), WalkKind.TREES, first=True)
    ]
    assert rig.tell(walked("Album/1", kind=WalkKind.TREES)) == []


def test_trees_that_appear_during_a_walk_are_walked_together() -> None:
    """Of 3,000 directories that are moved in each one is told of; a walk for each would be 3,000 threads."""
    rig = Rig()
    rig.start()
    assert only(do.WalkTree, rig.tell(on.TreeAppeared(key("A")))) == [
        do.WalkTree(DATASET, ("A",), WalkKind.TREES, first=True)
    ]
    meanwhile = ("B/1/x", "B/2", "B", "C/3", "C/3/y", "A", "Bb")
    assert only(do.WalkTree, rig.tell(*(on.TreeAppeared(key(path)) for path in meanwhile))) == []
    assert only(do.WalkTree, rig.tell(walked("A", kind=WalkKind.TREES))) == [
        do.WalkTree(DATASET, ("A", "B", "Bb", "C/3"), WalkKind.TREES, first=True)
    ]
    assert only(do.WalkTree, rig.tell(walked("A", kind=WalkKind.TREES))) == []


def test_directory_that_can_be_read_again_has_a_new_watch() -> None:
    """What lies below it was never seen, nor is it watched."""
    rig = Rig()
    rig.start(reading("Artist", Finding.BLOCKED, "", reasons={"": "cannot read the folder: Permission denied"}))
    assert reads(rig.tell(on.FolderTouched(key("Artist")))) == [key("Artist")]
    walk = only(do.WalkTree, rig.read(reading("Artist", Finding.GONE)))
    assert walk == [do.WalkTree(DATASET, renew=True)]
    rig.tell(walked("Artist/1", empty=False))
    assert only(do.WalkTree, rig.tick(RESCAN)) == [do.WalkTree(DATASET)]


def test_touched_directory_has_its_blocked_folders_looked_at() -> None:
    """Their locks lie in it: that it could not be written to may have been all that was wrong."""
    rig = Rig()
    blocked = [
        reading(path, Finding.BLOCKED, access="a", reasons={"": "no"}) for path in ("P/X", "P/Y", "Q/Z", "P/X/deep")
    ]
    rig.start(*blocked)
    assert sorted(reads(rig.tell(on.FolderTouched(key("P"))))) == [key("P/X"), key("P/Y")]


def test_locks_are_looked_at_after_the_round_before_has_ended() -> None:
    rig = Rig()
    (action,) = only(do.ReapLocks, rig.start(reading("A/1"), reading("2")))
    assert action == do.ReapLocks(DATASET, frozenset({"", "A"}))
    assert only(do.ReapLocks, rig.tick(600.0)) == [], "it has not ended yet"
    assert only(do.ReapLocks, rig.tell(on.LocksSeen(DATASET, {"A/1.lock": "PID 7"}))) == []
    assert rig.core.datasets[DATASET].lock_round.overdue == {"A/1.lock": "PID 7"}
    assert len(only(do.ReapLocks, rig.tick(60.0))) == 1


def test_a_look_at_locks_that_costs_much_comes_less_often() -> None:
    """In a directory of a million folders it reads two million names."""
    rig = Rig()
    rig.start(reading("A"))
    assert only(do.ReapLocks, rig.tell(on.LocksSeen(DATASET, {}, cost=0.6))) == []
    assert only(do.ReapLocks, rig.tick(599.0)) == []
    assert len(only(do.ReapLocks, rig.tick(2.0))) == 1


def test_a_dataset_that_is_a_track_has_a_lock_beside_it() -> None:
    rig = Rig()
    (action,) = only(do.ReapLocks, rig.start(reading("")))
    assert action.root_too


def test_a_dataset_is_said_to_be_active_once() -> None:
    rig = Rig()
    assert "dataset-active" in reports(rig.start(reading("A")))
    for _ in range(3):
        rig.tick(RESCAN)
        assert "dataset-active" not in reports(rig.tell(walked("A")))


def test_a_refused_dataset_is_left_alone_until_a_walk_may() -> None:
    rig = Rig()
    rig.boot()
    refused = dataclasses.replace(walked(), refusal="locks on 9p are not shared", locks="weak (9p)")
    assert "dataset-paused" in reports(rig.tell(refused))
    dataset = rig.core.datasets[DATASET]
    assert (dataset.state, dataset.remark) == (DatasetState.PAUSED, "locks on 9p are not shared")
    for event in (on.FolderHint(key()), on.FolderTouched(key()), on.TreeAppeared(key())):
        assert rig.tell(event) == []
    assert only(do.WalkTree, rig.tick(5.0)) == [do.WalkTree(DATASET)]
    assert "dataset-active" in reports(rig.tell(walked("A")))
    assert reads(rig.tell(on.FolderHint(key()))) == [key()]


def test_a_tree_that_vanishes_is_looked_at_or_looked_for() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE))
    assert reads(rig.tell(on.TreeVanished(key("A")))) == [key("A")]
    assert reads(rig.tell(on.TreeVanished(key("Album")))) == []
    assert only(do.WalkTree, rig.tick(2.0)) == [do.WalkTree(DATASET, kind=WalkKind.PASS)]


def test_many_directories_that_change_are_counted_once() -> None:
    rig = Rig(plan(settle=0.0))
    rig.start()
    misses = (NearMiss(MissKind.LOOSE, 2, "a.flac", "2 files", "move them"),)
    counted = []
    for number in range(20):
        gone = Reading(key(f"Album {number}"), Finding.GONE, passed_over=True)
        counted += only(do.CountMisses, rig.tell(on.FolderRead(gone)))
    counted += only(do.CountMisses, rig.tick(1.0))
    assert counted == [do.CountMisses(DATASET)]
    rig.tell(on.MissesCounted(DATASET, misses))
    assert rig.core.datasets[DATASET].near_misses == misses
    assert only(do.CountMisses, rig.tick(100.0)) == []


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.DONE, Outcome.ERROR])
def test_accepted_walk_drops_running_folder_at_its_end(outcome: Outcome) -> None:
    rig = Rig()
    running(rig)
    rig.tell(on.RescanAsked(DATASET, accepts=True))
    rig.tell(walked(empty=True))
    assert rig.core.ledger.active[key()].state is FolderState.RUNNING
    assert reads(rig.end(outcome=outcome)) == [key()]
    rig.read(reading(finding=Finding.GONE))
    assert rig.core.ledger.count(DATASET) == 0


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.DONE, Outcome.ERROR])
def test_empty_root_needs_no_second_acceptance(outcome: Outcome) -> None:
    """All that is read in an empty root is LOST; a job that ended late is no reason to pause the dataset again."""
    rig = Rig()
    running(rig)
    rig.tell(on.RescanAsked(DATASET, accepts=True))
    rig.tell(walked(empty=True))
    rig.end(outcome=outcome)
    actions = rig.read(reading(finding=Finding.LOST))
    assert only(do.Forget, actions) == [do.Forget(DATASET, ("Song",), accepted=True)]
    assert (rig.core.ledger.count(DATASET), only(do.WalkTree, actions)) == (0, [])


@pytest.mark.parametrize("found", ["while it runs", "after its job"])
def test_folder_found_after_acceptance_is_lost_with_its_root(found: str) -> None:
    rig = Rig()
    running(rig)
    rig.tell(on.RescanAsked(DATASET, accepts=True))
    rig.tell(walked(empty=True))
    if found == "while it runs":
        rig.tell(on.WalkRead((reading(),), DATASET))
    rig.end(outcome=Outcome.CHANGED)
    if found == "after its job":
        rig.read(reading())
    actions = rig.tell(on.FolderHint(key())) + rig.tick(SETTLE) + rig.read(reading(finding=Finding.LOST))
    assert (rig.core.ledger.count(DATASET), only(do.Forget, actions)) == (1, [])


def test_dataset_dropped_and_back_was_not_accepted() -> None:
    rig = Rig()
    running(rig)
    for names in ("/other", DATASET):
        rig.tell(on.Replanned(plan(names), anew=False, rewalk=frozenset()))
    rig.end(outcome=Outcome.GONE)
    actions = rig.read(reading(finding=Finding.LOST))
    assert (rig.core.ledger.count(DATASET), only(do.Forget, actions)) == (1, [])


def test_acceptance_goes_by_its_own_walk_alone() -> None:
    """A walk that came by a folder, then lost the root, and was not believed, does not keep that folder."""
    rig = Rig()
    rig.start(reading(finding=Finding.COMPLETE))
    rig.tell(on.RescanAsked(DATASET), came_by("Song"), walked(root=MISSING_ROOT))
    rig.tell(on.RescanAsked(DATASET, accepts=True))
    assert only(do.Forget, rig.tell(walked(empty=True))) == [do.Forget(DATASET, ("Song",), accepted=True)]
    assert rig.core.ledger.count(DATASET) == 0


def test_lost_events_ask_for_walks_within_their_share() -> None:
    rig = Rig()
    rig.start(reading(finding=Finding.COMPLETE))
    costly = dataclasses.replace(walked("Song"), cost=10.0)
    assert only(do.WalkTree, rig.tell(on.WatchLost(DATASET, "overflow")))
    rig.tell(came_by("Song"), costly)
    assert not only(do.WalkTree, rig.tell(on.WatchLost(DATASET, "overflow")))
    assert [walk.kind for walk in only(do.WalkTree, rig.tick(199.0))] == [WalkKind.PASS]
    rig.tell(walked("Song", kind=WalkKind.PASS), on.WatchLost(DATASET, "overflow"))
    assert [walk.kind for walk in only(do.WalkTree, rig.tick(1.0))] == [WalkKind.FULL]


# Shards of one pass


def sharded(*, then_any: bool, dry_run: bool = False) -> Rig:
    once = plan(once=True, settle=0.0, dry_run=dry_run)
    return Rig(dataclasses.replace(once, shard=Shard(2, 3, then_any)))


@pytest.mark.parametrize(("of_others", "code"), [(5, 0), (0, 3)])
def test_pass_without_a_folder_of_its_shard(of_others: int, code: int) -> None:
    rig = sharded(then_any=False)
    actions = rig.boot()
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET, first=True, shard=Shard(2, 3))]
    actions = rig.tell(dataclasses.replace(walked(empty=not of_others), of_others=of_others))
    assert only(do.StopWorker, actions) == [do.StopWorker(0)]
    assert only(do.Finish, rig.die(how="exit code 0")) == [do.Finish(code)], "a shard may be empty, a dataset may not"


def test_shard_that_is_done_walks_for_all_others() -> None:
    rig = sharded(then_any=True)
    rig.start(reading("A"))
    actions = rig.end()
    assert (reports(actions), only(do.StopWorker, actions)) == (["folder-done", "shard-done"], [])
    walks = only(do.WalkTree, actions + rig.tick())
    assert walks == [do.WalkTree(DATASET, first=True, order=2)]
    assert only(do.StopWorker, rig.tick(1.0)) == [], "it waits for that walk"
    actions = rig.tell(came_by("A"), found(reading("B"), dataset=DATASET), walked("A", "B"))
    assert only(do.StopWorker, actions) == []
    assert only(do.StopWorker, rig.end()) == [do.StopWorker(0)]
    assert only(do.Finish, rig.die(how="exit code 0")) == [do.Finish(0)]
    assert (rig.core.own_success, rig.core.tally.success) == (1, 2)


def test_help_does_not_try_again_what_failed() -> None:
    rig = sharded(then_any=True)
    rig.start(reading("A"))
    rig.end(outcome=Outcome.FAILED)
    rig.tick()
    actions = rig.tell(found(reading("A", Finding.FAILED), dataset=DATASET), walked("A"))
    assert only(do.SendJob, actions) == []
    assert only(do.Finish, rig.die(how="exit code 0")) == [do.Finish(1)]


@pytest.mark.parametrize(("then_any", "dry_run"), [(False, False), (True, True)])
def test_pass_over_one_shard_alone_ends_with_it(then_any: bool, dry_run: bool) -> None:
    rig = sharded(then_any=then_any, dry_run=dry_run)
    assert only(do.StopWorker, rig.start(reading("A", Finding.COMPLETE))) == [do.StopWorker(0)]
