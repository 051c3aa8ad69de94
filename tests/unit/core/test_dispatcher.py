"""The whole core by script: events in, actions out."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.assessment import FileMemory
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.lifecycle import DaemonState
from audiobatchd.core.messages import Ready, Result, Stage
from audiobatchd.core.plan import Memory
from audiobatchd.core.queue import Lane
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.slot import SlotState
from audiobatchd.core.walk_schedule import PASS
from audiobatchd.vocabulary.files import MissKind, NearMiss
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import DatasetState, FolderState, Outcome, WalkKind
from support.core_rig import (
    DATASET,
    MISSING_ROOT,
    RESCAN,
    SETTLE,
    Rig,
    came_by,
    found,
    jobs,
    key,
    offer,
    only,
    plan,
    reading,
    reads,
    reports,
    stamp,
    walked,
)

SONG = key()
REMEMBERED = {"drums": FileMemory(stamp("drums.wav"), adopted=("loudness",))}


def working(rig: Rig) -> Rig:
    """A job on the folder `Song` is running in slot 0."""
    rig.start()
    rig.tell(on.FolderHint(SONG))
    assert jobs(rig.settled(reading())), "no job was given out"
    return rig


# Start


def test_start() -> None:
    rig = Rig()
    assert only(do.SpawnWorker, rig.tick()) == [do.SpawnWorker(0)]
    assert rig.tick() == [], "nothing is read before anybody knows what the analyzers offer"
    actions = rig.tell(on.WorkerSaid(0, rig.pid, Ready((offer(),))))
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET, first=True)]
    assert only(do.AnnounceReady, actions) == []
    assert only(do.AnnounceReady, rig.tell(walked("Song"))) == [do.AnnounceReady()]
    assert only(do.AnnounceReady, rig.tick(RESCAN) + rig.tell(walked("Song"))) == []


def test_ready_when_every_dataset_was_walked_also_a_missing_one() -> None:
    rig = Rig(plan("/a", "/b"))
    rig.boot()
    assert only(do.AnnounceReady, rig.tell(walked("1", dataset="/a"))) == []
    actions = rig.tell(walked(dataset="/b", root=MISSING_ROOT))
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]
    assert "dataset-missing" in reports(actions)


def test_without_a_dataset_it_is_ready_with_its_workers() -> None:
    rig = Rig(plan())
    rig.core.datasets.clear()
    assert only(do.AnnounceReady, rig.boot()) == [do.AnnounceReady()]


def test_a_hint_before_anybody_is_ready_is_kept() -> None:
    rig = Rig()
    assert reads(rig.tell(on.FolderHint(SONG))) == []
    assert SONG in reads(rig.boot())


def test_an_analyzer_that_lacks_something_is_told_once() -> None:
    rig = Rig(plan(workers=2))
    actions = rig.boot(offer(), offer("mood", unavailable="no model"))
    assert reports(actions).count("analyzer-unavailable") == 1


def test_known_dataset_has_a_pass_before_any_worker_is_ready() -> None:
    rig = Rig()
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, (1, 2))}))
    actions = rig.tick()
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET, kind=WalkKind.PASS, first=True)]
    actions = rig.tell(came_by("A", "B", "C"), walked("A", "B", "C", kind=WalkKind.PASS))
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]
    assert only(do.WalkTree, actions) == [do.WalkTree(DATASET)], "at leisure: what lies in files is not seen by a pass"
    assert len(rig.core.ledger.complete) == 3
    assert only(do.WalkTree, rig.tell(on.WorkerSaid(0, rig.pid, Ready((offer(),))))) == [], "as it was"


@pytest.mark.parametrize("root", ["", MISSING_ROOT])
def test_a_mount_that_was_lost_before_the_start_is_noticed(root: str) -> None:
    rig = Rig()
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, (1, 2))}))
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
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory((offer(),), {DATASET: (3, (1, 2))}))
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


def test_workers_that_know_less_than_a_new_one_are_replaced() -> None:
    rig = Rig(plan(workers=2))
    rig.start()
    rig.die(1)
    rig.tick(60.0)
    rig.tell(on.WorkerSaid(1, rig.core.crew.slots[1].pid, Ready((offer(), offer("mood")))))
    assert [slot.stale for slot in rig.core.crew.slots] == [True, False]


def test_other_device_with_the_same_folders_is_the_same_dataset() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE), reading("B", Finding.COMPLETE))
    rig.tick(RESCAN)
    assert reads(rig.tell(came_by("A"), walked("A", device=7))) == [key("B")]


def test_other_offers_of_workers_have_everything_judged_again() -> None:
    rig = Rig()
    rig.start()
    rig.die()
    rig.tick(1.0)
    assert only(do.WalkTree, rig.tell(on.WorkerSaid(0, rig.pid, Ready((offer(version=2),))))) == [
        do.WalkTree(DATASET, kind=WalkKind.PASS, first=True)
    ], "by what is known of them"


# A folder's way


def test_from_a_hint_to_done() -> None:
    rig = Rig()
    rig.start()
    assert reads(rig.tell(on.FolderHint(SONG))) == [SONG]
    assert jobs(rig.read(reading(memory=REMEMBERED))) == []
    assert rig.core.next_wakeup() == rig.now + SETTLE
    assert reads(rig.tick(SETTLE)) == [SONG]
    (job,) = jobs(rig.read(reading(memory=REMEMBERED)))
    assert (job.number, job.dataset, job.path, job.signature, job.memory) == (1, b"/music", b"Song", "v1", REMEMBERED)
    values = {"lufs": -14.0, "lra": 5.0}
    actions = rig.end(values=values, unmeasurable={"lra_drums": "too short"}, memory={}, audio_seconds=30.0)
    assert only(do.Report, actions) == [
        do.Report(LogEvent.FOLDER_DONE, {**values, "lra_drums": "unmeasurable (too short)"}, SONG)
    ]
    assert only(do.Remember, actions) == [do.Remember(SONG, {}, "v1")], "what was adopted is measured now"
    assert SONG in rig.core.ledger.complete
    assert rig.core.tally.success == 1


def test_bytes_that_are_no_text_come_through() -> None:
    rig = Rig()
    rig.start()
    rig.tell(on.FolderHint(key("caf\udce9")))
    (job,) = jobs(rig.settled(reading("caf\udce9")))
    assert job.path == b"caf\xe9"


def test_what_a_walk_learns_of_complete_folders_is_remembered() -> None:
    rig = Rig()
    actions = rig.start(reading(finding=Finding.COMPLETE, memory=REMEMBERED))
    assert only(do.Remember, actions) == [do.Remember(SONG, REMEMBERED)]


def test_jobs_go_to_idle_workers_one_each() -> None:
    rig = Rig(plan(workers=2, settle=0.0))
    actions = rig.start(*(reading(str(number)) for number in range(3)))
    assert [job.path for job in jobs(actions)] == [b"0", b"1"]
    assert [job.path for job in jobs(rig.end(slot=1))] == [b"2"]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Outcome.FAILED, "folder-failed"),
        (Outcome.BLOCKED, "folder-blocked"),
        (Outcome.LOCKED, "folder-locked"),
        (Outcome.ERROR, "folder-backoff"),
        (Outcome.CHANGED, "folder-changed"),
    ],
)
def test_every_end_is_reported(outcome: Outcome, event: str) -> None:
    assert reports(working(Rig()).end(outcome=outcome, reasons={"drums.wav": "why"})) == [event]


def test_what_is_blocked_as_before_is_no_news() -> None:
    rig = Rig()
    rig.start(reading(finding=Finding.BLOCKED, reasons={"": "a directory"}))
    again = rig.tick(RESCAN) + rig.tell(found(reading(finding=Finding.BLOCKED, reasons={"": "a directory"})))
    assert "folder-blocked" not in reports(again)
    other = rig.tell(found(reading(finding=Finding.BLOCKED, reasons={"": "not JSON"})))
    assert reports(other) == ["folder-blocked"]


@pytest.mark.parametrize("outcome", [Outcome.LOCKED, Outcome.CHANGED, Outcome.GONE, Outcome.BLOCKED, Outcome.ERROR])
def test_job_that_did_not_end_makes_nothing_forgotten(outcome: Outcome) -> None:
    """Else an adopted file that is replaced meanwhile would be taken for the one whose numbers stand in the record."""
    rig = Rig()
    rig.start()
    rig.tell(on.FolderHint(SONG))
    rig.settled(reading(memory=REMEMBERED))
    for action in only(do.Remember, rig.end(outcome=outcome)):
        assert action.memory == REMEMBERED


def test_nor_does_the_death_of_a_worker() -> None:
    rig = Rig(plan(max_deaths=1))
    rig.start()
    rig.tell(on.FolderHint(SONG))
    rig.settled(reading(memory=REMEMBERED))
    (remember,) = only(do.Remember, rig.die())
    assert (remember.memory, remember.signature) == (REMEMBERED, "v1")
    assert remember.verdict.startswith("its worker ended: killed by signal 11")


def test_a_job_that_ended_says_all_that_is_to_be_remembered() -> None:
    failure = {"full_mix": FileMemory(stamp(), failure="damaged", judges="loudness-1")}
    rig = Rig()
    rig.start()
    rig.tell(on.FolderHint(SONG))
    rig.settled(reading(memory=REMEMBERED))
    assert only(do.Remember, rig.end(outcome=Outcome.FAILED, memory=failure)) == [do.Remember(SONG, failure, "v1")]


# Workers


def test_a_worker_that_dies_charges_its_folder_and_is_replaced() -> None:
    rig = working(Rig())
    actions = rig.die()
    assert reports(actions) == ["worker-died", "folder-backoff"]
    assert only(do.Tidy, actions) == [do.Tidy(SONG)]
    assert only(do.SpawnWorker, actions) == [do.SpawnWorker(0)]
    folder = rig.core.ledger.active[SONG]
    assert (folder.state, folder.charges) == (FolderState.BACKOFF, 1)
    assert folder.reason == "its worker ended: killed by signal 11"


def test_death_by_a_signal_from_outside_is_not_charged() -> None:
    rig = working(Rig())
    rig.tell(on.WorkerExited(0, rig.pid, "killed by signal 15, Terminated", signal=15, from_outside=True))
    folder = rig.core.ledger.active[SONG]
    assert (folder.state, folder.charges) == (FolderState.BACKOFF, 0)


def test_signal_from_outside_excuses_no_hung_worker() -> None:
    rig = working(Rig())
    rig.tick(rig.core.plan.job_timeout)
    rig.tell(on.WorkerExited(0, rig.pid, "killed by signal 15, Terminated", signal=15, from_outside=True))
    assert rig.core.ledger.active[SONG].charges == 1


def test_worker_that_sends_rubbish_is_killed_and_charged() -> None:
    rig = working(Rig())
    assert only(do.KillWorker, rig.tell(on.WorkerBroke(0, rig.pid, "it sent no message"))) == [do.KillWorker(0)]
    rig.die(how="killed by signal 9")
    assert rig.core.ledger.active[SONG].reason == "its worker ended: it sent no message"


def test_deadline_is_extended_by_the_length_of_the_file_and_kept() -> None:
    rig = working(Rig())
    rig.tell(on.WorkerSaid(0, rig.pid, Stage(1, "rhythm of full_mix.flac", 100.0)))
    deadline = rig.core.plan.job_timeout + 100.0 * rig.core.plan.job_timeout_factor
    assert only(do.KillWorker, rig.tick(deadline - 1)) == []
    assert only(do.KillWorker, rig.tick(1)) == [do.KillWorker(0)]
    assert only(do.KillWorker, rig.tick(1)) == []
    rig.die()
    assert rig.core.ledger.active[SONG].reason.endswith("no answer for too long while rhythm of full_mix.flac")


def test_job_is_killed_when_it_does_not_come_on_any_more() -> None:
    rig = working(Rig())
    step = rig.core.plan.job_timeout - 1
    for _ in range(10):
        assert only(do.KillWorker, rig.tick(step)) == []
        rig.tell(on.WorkerSaid(0, rig.pid, Stage(1, "reading full_mix.flac")))
    assert only(do.KillWorker, rig.tick(step)) == []
    assert only(do.KillWorker, rig.tick(1)) == [do.KillWorker(0)]


def test_a_running_job_keeps_the_time_that_it_was_given() -> None:
    rig = working(Rig())
    shorter = dataclasses.replace(rig.core.plan, job_timeout=1.0, job_timeout_factor=0.0)
    rig.tell(on.Replanned(shorter, anew=False, rewalk=frozenset()))
    rig.tell(on.WorkerSaid(0, rig.pid, Stage(1, "reading full_mix.flac")))
    assert only(do.KillWorker, rig.tick(599.0)) == []
    assert only(do.KillWorker, rig.tick(1.0)) == [do.KillWorker(0)]


def test_a_result_that_comes_after_the_kill_changes_nothing() -> None:
    rig = working(Rig())
    rig.tick(rig.core.plan.job_timeout)
    assert rig.tell(on.WorkerSaid(0, rig.pid, Result(1, Outcome.DONE))) == []
    rig.die()
    assert rig.core.ledger.active[SONG].state is FolderState.BACKOFF


def test_the_words_of_a_process_that_was_replaced_change_nothing() -> None:
    rig = working(Rig())
    old = rig.pid
    rig.die()
    for event in (
        on.WorkerSaid(0, old, Ready((offer(version=9),))),
        on.WorkerSaid(0, old, Result(1, Outcome.DONE)),
        on.WorkerBroke(0, old, "rubbish"),
        on.WorkerExited(0, old, "again"),
    ):
        assert rig.tell(event) == []
    assert rig.core.crew.slots[0].state is SlotState.BOOTING


def test_worker_that_boots_too_slowly_is_killed_and_replaced() -> None:
    rig = Rig()
    rig.tick()
    actions = rig.die(how="exit code 1")
    assert (reports(actions), only(do.SpawnWorker, actions)) == (["worker-cannot-start"], [])
    assert rig.core.next_wakeup() == rig.now + 1.0
    assert only(do.SpawnWorker, rig.tick(1.0)) == [do.SpawnWorker(0)]
    assert only(do.KillWorker, rig.tick(120.0)) == [do.KillWorker(0)]


def test_service_without_a_worker_that_boots_is_ready() -> None:
    rig = Rig()
    for _ in range(3):
        assert only(do.AnnounceReady, rig.tick()) == []
        rig.die()
        rig.now += 100
    rig.tick()
    assert rig.core.life.state is DaemonState.RUNNING, "alive, so that it can be asked why nothing works"


def test_one_pass_without_a_worker_that_boots_ends() -> None:
    rig = Rig(plan(once=True))
    for _ in range(2):
        rig.tick()
        rig.die()
        rig.now += 100
    rig.tick()
    actions = rig.die()
    assert only(do.Finish, actions) == [do.Finish(1)]


# Datasets


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


# The end


def test_a_drain_lets_the_job_finish_gives_out_no_other_and_ends() -> None:
    rig = working(Rig(plan(settle=SETTLE)))
    rig.read(reading("Other"))
    actions = rig.tell(on.StopAsked(0))
    assert only(do.AnnounceStopping, actions) == [do.AnnounceStopping()]
    assert rig.tick(10.0) == []
    actions = rig.end()
    assert (jobs(actions), only(do.StopWorker, actions)) == ([], [do.StopWorker(0)])
    actions = rig.die(how="exit code 0")
    assert (only(do.Finish, actions), reports(actions)) == ([do.Finish(0)], [])


@pytest.mark.parametrize("wait", [None, 30.0], ids=["asked twice", "patience ended"])
def test_a_job_that_is_killed_by_the_end_is_not_charged(wait: float | None) -> None:
    rig = working(Rig())
    rig.tell(on.StopAsked(0))
    actions = rig.tell(on.StopAsked(0)) if wait is None else rig.tick(wait)
    assert only(do.KillWorker, actions) == [do.KillWorker(0)]
    actions = rig.die(how="killed by signal 9")
    assert (only(do.Tidy, actions), only(do.Finish, actions), reports(actions)) == ([do.Tidy(SONG)], [do.Finish(0)], [])
    assert rig.core.ledger.active[SONG].charges == 0


def test_a_worker_that_does_not_hear_is_killed_in_the_end() -> None:
    rig = Rig()
    rig.start()
    assert only(do.StopWorker, rig.tell(on.StopAsked(0))) == [do.StopWorker(0)]
    assert only(do.KillWorker, rig.tick(29.0)) == []
    assert only(do.KillWorker, rig.tick(1.0)) == [do.KillWorker(0)]
    assert only(do.Finish, rig.die()) == [do.Finish(0)]


def test_stopping_while_it_boots() -> None:
    rig = Rig()
    rig.tick()
    assert only(do.KillWorker, rig.tell(on.StopAsked(130))) == [do.KillWorker(0)]
    assert only(do.Finish, rig.die()) == [do.Finish(130)]


# One pass


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.DONE, Outcome.DONE], 0),
        ([Outcome.DONE, Outcome.FAILED], 1),
        ([Outcome.BLOCKED, Outcome.DONE], 1),
        ([Outcome.LOCKED, Outcome.DONE], 0),
    ],
)
def test_one_pass_ends_when_every_folder_has_come_to_an_end(outcomes: list[Outcome], code: int) -> None:
    rig = Rig(plan(once=True, settle=0.0))
    actions = rig.start(reading("A"), reading("B"), reading("C", Finding.COMPLETE))
    for outcome in outcomes:
        assert only(do.AnnounceStopping, actions) == []
        actions = rig.end(outcome=outcome)
    assert only(do.StopWorker, actions) == [do.StopWorker(0)]
    assert only(do.Finish, rig.die(how="exit code 0")) == [do.Finish(code)]


def test_one_pass_waits_for_what_settles_or_erred_and_gives_up() -> None:
    rig = Rig(plan(once=True, max_deaths=2))
    rig.start(reading())
    assert rig.core.life.state is DaemonState.RUNNING
    assert reads(rig.tick(SETTLE)) == [SONG]
    assert jobs(rig.read(reading()))
    rig.end(outcome=Outcome.ERROR)
    assert rig.core.life.state is DaemonState.RUNNING
    rig.tick(10.0)
    rig.read(reading())
    assert only(do.AnnounceStopping, rig.end(outcome=Outcome.ERROR)) == [do.AnnounceStopping()]
    assert only(do.Finish, rig.die()) == [do.Finish(1)]


def test_one_pass_over_nothing_is_no_success() -> None:
    rig = Rig(plan(once=True))
    actions = rig.boot() + rig.tell(walked())
    assert only(do.StopWorker, actions) == [do.StopWorker(0)]
    assert only(do.Finish, rig.die()) == [do.Finish(3)]


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


def test_a_dry_run_gives_out_no_job_and_ends_with_the_walk() -> None:
    rig = Rig(plan(once=True, dry_run=True, settle=0.0))
    actions = rig.start(reading())
    assert (jobs(actions), only(do.StopWorker, actions)) == ([], [do.StopWorker(0)])
    assert rig.core.ledger.active[SONG].due == ("full_mix: loudness",)


@pytest.mark.parametrize("once", [True, False])
def test_an_unknown_feature_ends_it_before_anything_is_done(once: bool) -> None:
    rig = Rig(plan(once=once, features=("lufs", "loudnes")))
    actions = rig.boot()
    (report,) = only(
        do.Report, [each for each in actions if isinstance(each, do.Report) and each.event != "worker-ready"]
    )
    assert (report.event, report.fields["unknown"]) == ("feature-unknown", "loudnes")
    assert only(do.WalkTree, actions) == []
    assert only(do.Finish, rig.die()) == [do.Finish(2)]


# What goes while it is at work


def running(rig: Rig) -> None:
    """Have a job under way on the folder."""
    rig.start(reading())
    rig.tick(SETTLE)
    assert jobs(rig.read(reading()))


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


def test_worker_that_dies_over_vanished_folder_is_replaced() -> None:
    rig = Rig()
    running(rig)
    rig.tell(on.RescanAsked(DATASET, accepts=True))
    rig.tell(walked(empty=True))
    assert reads(rig.die()) == [key()]
    rig.read(reading(finding=Finding.GONE))
    assert rig.core.ledger.count(DATASET) == 0


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.ERROR])
def test_dataset_dropped_while_its_folder_runs(outcome: Outcome) -> None:
    rig = Rig()
    running(rig)
    rig.tell(on.Replanned(plan("/other"), anew=False, rewalk=frozenset()))
    rig.end(outcome=outcome)
    assert rig.core.ledger.count(DATASET) == 0
    assert key() not in rig.core.ledger.complete


def test_reading_older_than_the_job_is_read_again() -> None:
    rig = Rig()
    running(rig)
    rig.end(outcome=Outcome.CHANGED)
    assert rig.core.agenda.is_outdated(key()) is False
    rig.tick(SETTLE)
    rig.read(reading(signature="v2"))
    rig.tick(SETTLE)
    assert jobs(rig.read(reading(signature="v2")))
    # A hint while it runs leads to no reading; one that was under way before may still come in.
    rig.core.agenda.reading.add(key())
    rig.end(outcome=Outcome.FAILED, reasons={"drums.flac": "damaged"})
    assert rig.core.ledger.active[key()].state is FolderState.FAILED
    actions = rig.read(reading(signature="v2"))
    assert not jobs(actions)
    assert reads(actions) == [key()]
    assert rig.core.ledger.active[key()].state is FolderState.FAILED


@pytest.mark.parametrize("state", ["settling", "queued", "backoff", "locked", "running"])
def test_pass_ends_when_its_dataset_is_lost(state: str) -> None:
    rig = Rig(plan(once=True))
    if state == "settling":
        rig.start(reading())
        rig.tick(SETTLE)
    else:
        rig.start(reading(), reading("Other", on_their_way=True))
        rig.tick(SETTLE)
        rig.read(reading())
        match state:
            case "backoff":
                rig.end(outcome=Outcome.ERROR, charge=True)
            case "locked":
                rig.end(outcome=Outcome.LOCKED)
            case "running":
                pass
    actions = rig.read(reading(finding=Finding.LOST) if state == "settling" else reading("Other", Finding.LOST))
    assert "dataset-missing" in reports(actions)
    if state in ("running", "queued"):
        rig.end(outcome=Outcome.GONE)
        rig.read(reading(finding=Finding.LOST))
    assert rig.core.life.state is DaemonState.DRAINING
    assert rig.core.life.code == 1
    assert rig.core.datasets[DATASET].remark == "it was there when the pass began"


@pytest.mark.parametrize("root", [MISSING_ROOT, ""])
def test_pass_whose_root_is_lost_before_its_walk_ends_in_1(root: str) -> None:
    rig = Rig(plan(once=True))
    rig.boot()
    rig.tell(found(reading(finding=Finding.COMPLETE)), walked(root=root, empty=True))
    assert rig.core.life.code == 1


def test_touches_of_a_paused_dataset_queue_a_folder_once() -> None:
    rig = Rig()
    rig.start(reading())
    rig.tell(on.PauseAsked(DATASET, None))
    for number in range(200):
        for _ in range(2):
            rig.tick(SETTLE)
            rig.read(reading(signature=f"v{number}"))
        rig.tell(on.FolderHint(key()))
        if number % 50 == 49:
            rig.read(reading(finding=Finding.GONE))
            rig.tell(on.FolderHint(key()))
            rig.read(reading(signature=f"v{number}"))
    assert len(list(rig.core.ledger._queue.waiting(DATASET))) <= len(Lane)


def test_warning_of_no_track_folder_ends_with_what_it_was_of() -> None:
    rig = Rig()
    rig.start(reading("Stems", Finding.GONE, warnings=("it has stems but no full mix",)), reading("Other"))
    rig.tell(on.RescanAsked(DATASET, accepts=False))
    assert reads(rig.tell(came_by("Other"), walked("Other"))) == [key("Other"), key("Stems")]
    rig.read(reading("Stems", Finding.GONE))
    assert rig.core.ledger.warnings.by_folder[DATASET] == {}
    assert rig.core.ledger.warnings.count[DATASET] == 0


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


def test_folder_is_read_again_where_its_dataset_came_back() -> None:
    rig = Rig()
    running(rig)
    for names in ("/other", DATASET):
        rig.tell(on.Replanned(plan(names), anew=False, rewalk=frozenset()))
    assert reads(rig.end()) == [key()], "the job went by the terms of before"


def test_job_of_a_pass_reads_nothing_before_its_walk_ended() -> None:
    rig = Rig(plan(once=True, settle=0.0))
    rig.boot()
    rig.tell(on.WalkRead((reading(), reading("Other")), DATASET))
    actions = rig.end(place=b"/place")
    assert (reads(actions), [job.path for job in jobs(actions)]) == ([], [b"Other"])


def test_bump_reads_nothing_in_a_refused_dataset() -> None:
    rig = Rig()
    rig.start(reading("A"), reading("B"))
    rig.tell(dataclasses.replace(walked("A", "B"), refusal="locks on 9p are not shared", locks="weak (9p)"))
    assert reads(rig.tell(on.BumpAsked(key("B"))) + rig.tick(2.0)) == []


# What is not to be taken over from other tools


DISOWNED = {"full_mix": ("lufs",)}


def test_a_retry_with_features_has_them_disowned() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE))
    actions = rig.tell(on.RetryAsked(key("A"), DISOWNED))
    assert (only(do.Disown, actions), reads(actions)) == ([do.Disown(key("A"), DISOWNED)], [])
    actions = rig.tell(on.RetryAsked(key("A")))
    assert (only(do.Disown, actions), reads(actions)) == ([], [key("A")])


def test_the_next_job_knows_what_is_disowned() -> None:
    rig = Rig()
    rig.start(reading("A"))
    actions = rig.tell(on.RetryAsked(key("A"), DISOWNED))
    assert only(do.Disown, actions) == [do.Disown(key("A"), DISOWNED)]
    rig.tick(SETTLE)
    (job,) = jobs(rig.read(reading("A")))
    assert job.memory["full_mix"].disowned == ("lufs",)
    assert only(do.Remember, rig.end()) == [do.Remember(key("A"), {}, "v1")], "and its end has the last word"


def test_what_a_job_did_not_know_is_remembered_at_its_end() -> None:
    rig = Rig()
    rig.start(reading("A"))
    rig.tick(SETTLE)
    assert jobs(rig.read(reading("A")))
    assert only(do.Disown, rig.tell(on.RetryAsked(key("A"), DISOWNED))) == []
    actions = rig.end()
    (kept,) = only(do.Remember, actions)
    assert kept.memory["full_mix"].disowned == ("lufs",)
    assert reads(actions) == [key("A")], "and it is looked at"


def test_walks_do_not_undo_what_is_disowned() -> None:
    rig = Rig()
    rig.start(reading("A", Finding.COMPLETE))
    rig.tell(on.RetryAsked(key("A"), DISOWNED))
    late = found(reading("A", Finding.COMPLETE, memory=REMEMBERED))
    assert only(do.Remember, rig.tell(late)) == []
    assert reads(rig.tell(on.FolderHint(key("A")))) == [key("A")]
    rig.read(reading("A", Finding.COMPLETE))
    assert only(do.Remember, rig.tell(late)) == [do.Remember(key("A"), REMEMBERED)]
