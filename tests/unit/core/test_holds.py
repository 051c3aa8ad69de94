"""Holds on a whole dataset by a disk that fails or is full, and folders over which a process died."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.holds import BARRED, ROW
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Memory
from audiobatchd.core.readings import Finding
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.states import Cause, DatasetState, FolderState, Outcome, WalkKind, WatchReport
from support.core_rig import DATASET, SETTLE, Rig, came_by, found, jobs, key, only, plan, reading, reports, walked

NAMES = "ABCDEFGHIJKL"


def rig_with(*names: str, workers: int = 1, max_suspect: int = 5, once: bool = False) -> Rig:
    """Folders that wait for a worker; the first ones are being measured."""
    the_plan = plan(workers=workers, settle=0.0, once=once)
    limits = dataclasses.replace(the_plan.limits, max_suspect=max_suspect)
    rig = Rig(dataclasses.replace(the_plan, limits=limits))
    rig.start(*(reading(name) for name in names))
    return rig


def io(rig: Rig, **fields: object) -> list[do.Action]:
    """The job meets an error of the disk."""
    return rig.end(
        0, Outcome.ERROR, reasons={"": "Input/output error"}, cause=Cause.IO, where="/music (nfs4)", **fields
    )


def states(rig: Rig) -> dict[str, str]:
    return {each.path: folder.state.value for each, folder in sorted(rig.core.ledger.active.items())}


# The unit


def test_unit_that_may_not_write_holds_jobs_until_it_may() -> None:
    rig = rig_with("A", "B")
    seen = on.RootSeen(DATASET, FileId(1, 2), WatchReport(True, "inotify"), DATASET)
    barred = dataclasses.replace(seen, is_barred=True)
    assert reports(rig.tell(barred)) == ["dataset-paused"]
    assert reports(rig.tell(barred)) == [], "it is told once"
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, BARRED)
    assert jobs(rig.end(0, Outcome.DONE)) == [], "nothing else is begun"
    assert only(do.Probe, rig.tick(60.0)) == [], "looks at the root tell when it is over"
    assert states(rig)["B"] == FolderState.QUEUED, "it is not blocked"
    actions = rig.tell(seen)
    assert (reports(actions), [job.path for job in jobs(actions)]) == (["dataset-resumed"], [b"B"])


# The disk


def test_row_of_errors_over_different_folders_pauses_the_dataset() -> None:
    rig = rig_with(*NAMES)
    for number in range(ROW):
        assert rig.core.datasets[DATASET].works
        actions = io(rig)
        assert ("dataset-paused" in reports(actions)) == (number == ROW - 1)
    assert jobs(actions) == []
    state, remark = rig.core.datasets[DATASET].standing
    assert state is DatasetState.PAUSED
    assert remark == "the disk fails on /music (nfs4), in 5 folders in a row: Input/output error"
    assert [folder.charges for folder in rig.core.ledger.active.values()] == [0] * len(NAMES)


def test_failing_disk_is_tried_less_often_and_goes_on_by_itself() -> None:
    rig = rig_with(*NAMES)
    for _ in range(ROW):
        io(rig)
    waits = []
    for _ in range(6):
        before = rig.now
        while not (probes := only(do.Probe, rig.tick(1.0))):
            assert only(do.SendJob, rig.tick()) == []
        waits.append(rig.now - before)
        assert probes == [do.Probe(key("E"), Cause.IO)]
        assert only(do.Probe, rig.tick()) == [], "one at a time"
        assert rig.tell(on.Probed(DATASET, Cause.IO, "Input/output error")) == []
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    for name in "ABCDE":  # their backoff was over long ago
        assert jobs(rig.read(reading(name))) == []
    rig.tick(60.0)
    actions = rig.tell(on.Probed(DATASET, Cause.IO))
    assert reports(actions) == ["dataset-resumed"]
    assert len(jobs(actions)) == 1
    assert reads_of(actions) == [], "what the disk does to one folder alone is waited out by that folder"


def reads_of(actions: list[do.Action]) -> list[FolderKey]:
    return [action.key for action in only(do.ReadFolder, actions)]


@pytest.mark.parametrize("good", [Outcome.DONE, Outcome.FAILED])
def test_one_good_end_breaks_the_row(good: Outcome) -> None:
    rig = rig_with(*NAMES)
    for _ in range(2):
        for _ in range(ROW - 1):
            io(rig)
        rig.end(0, good, reasons={} if good is Outcome.DONE else {"full_mix.mp3": "damaged"})
    assert rig.core.datasets[DATASET].works


def test_the_same_folder_again_and_again_is_its_own_trouble() -> None:
    rig = rig_with("A")
    for _ in range(2 * ROW):
        io(rig)
        rig.tick(1000.0)
        rig.read(reading("A"))
    assert rig.core.datasets[DATASET].works


def test_other_datasets_go_on() -> None:
    other = "/other"
    rig = Rig(plan(DATASET, other, settle=0.0))
    rig.start(*(reading(name) for name in NAMES), *(reading(name, dataset=other) for name in NAMES))
    done = 0
    for _ in range(40):
        slot = rig.core.crew.slots[0]
        if slot.assignment is None:
            break
        if slot.assignment.key.dataset == other:
            rig.end(0)
            done += 1
        else:
            io(rig)
    assert done == len(NAMES)
    assert not rig.core.datasets[DATASET].works


def test_one_pass_pauses_nothing_and_gives_up_in_the_end() -> None:
    rig = rig_with(*NAMES, once=True)
    for _ in range(ROW + 1):
        assert "dataset-paused" not in reports(io(rig))


# Space


def test_a_full_disk_pauses_at_once_and_names_the_file_system() -> None:
    rig = rig_with("A", "B")
    actions = rig.end(
        0, Outcome.BLOCKED, reasons={"": "cannot write the record"}, cause=Cause.SPACE, where="/music (ext4)"
    )
    assert reports(actions) == ["dataset-paused", "folder-blocked"]
    remark = "no space is left on /music (ext4): cannot write the record"
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, remark)
    assert jobs(actions) == []
    assert only(do.Probe, rig.tick(5.0)) == [do.Probe(key("A"), Cause.SPACE)]
    actions = rig.tell(on.Probed(DATASET, Cause.SPACE))
    assert reports(actions) == ["dataset-resumed"]
    assert [job.path for job in jobs(actions)] == [b"B"]
    rig.read(reading("A"))
    assert [job.path for job in jobs(rig.end(0))] == [b"A"], "although nothing of it has changed"


def test_a_walk_does_not_end_a_pause() -> None:
    rig = rig_with("A", "B")
    rig.end(0, Outcome.BLOCKED, reasons={"": "no space"}, cause=Cause.SPACE)
    dataset = rig.core.datasets[DATASET]
    rig.tell(found(reading("A"), reading("B")), on.Walked(DATASET, WalkKind.FULL, FileId(1, 2), empty=False))
    assert dataset.state is DatasetState.ACTIVE
    assert dataset.standing[0] is DatasetState.PAUSED
    assert only(do.SendJob, rig.tick(1.0)) == []


def test_an_answer_that_comes_too_late_changes_nothing() -> None:
    assert rig_with("A").tell(on.Probed(DATASET, Cause.IO)) == []


# Suspects


def left(*paths: str) -> on.LocksSeen:
    """Whoever was at these folders died, over them as it seems."""
    return on.LocksSeen(DATASET, {}, frozenset(paths), counted=frozenset(paths))


def ended(*paths: str) -> on.LocksSeen:
    """Whoever was at these folders was ended, by others."""
    return on.LocksSeen(DATASET, {}, frozenset(paths))


def test_a_suspect_goes_last_and_runs_alone() -> None:
    rig = Rig(plan(workers=2, settle=1.0))
    rig.start(*(reading(name) for name in "ABCD"))
    rig.tell(left("A"))
    rig.tell(found(*(reading(name) for name in "ABCD")))
    rig.tick(1.0)
    for name in "BCDA":
        rig.read(reading(name))
    order: list[tuple[str, bool]] = []
    running: set[int] = set()
    for _ in range(4):
        for slot in rig.core.crew.busy():
            assert slot.assignment is not None
            if slot.assignment.number not in running:
                running.add(slot.assignment.number)
                order.append((slot.assignment.key.path, slot.assignment.alone))
            if slot.assignment.alone:
                assert rig.core.crew.busy() == [slot]
                assert rig.tell(on.FolderHint(key("New"))) != []
                assert jobs(rig.settled(reading("New"))) == [], "nothing runs beside it"
        rig.end(rig.core.crew.busy()[0].index)
    assert order[:4] == [("B", False), ("C", False), ("D", False), ("A", True)]


def test_a_worker_that_finds_what_the_dead_left_does_nothing() -> None:
    rig = rig_with("A", "B")
    actions = rig.end(0, Outcome.SUSPECT, reasons={"": "the process that worked on it died: process 7 on studio"})
    assert "folder-suspect" in reports(actions)
    assert [job.path for job in jobs(actions)] == [b"B"]
    actions = rig.end(0)
    assert [(job.path, job.alone) for job in jobs(actions)] == [(b"A", True)]


def test_suspicion_is_remembered_and_in_the_end_it_is_given_up() -> None:
    rig = Rig(dataclasses.replace(plan(settle=1.0), limits=dataclasses.replace(plan(settle=1.0).limits, max_suspect=3)))
    rig.start(msgspec.structs.replace(reading("A"), suspicions=2))
    actions = rig.tell(left("A"))
    (note,) = only(do.Remember, actions)
    assert (note.suspicions, note.signature) == (3, "v1")
    assert note.verdict == "the process that worked on it died without giving back its lock, 3 times in a row"
    assert states(rig) == {"A": "failed"}
    assert reports(actions) == ["folder-failed"]


def test_a_job_that_survives_ends_all_suspicion() -> None:
    rig = rig_with("A")
    rig.end(0, Outcome.SUSPECT, reasons={"": "died"})
    actions = rig.end(0, Outcome.ERROR, reasons={"": "analyzer failed"}, charge=True)
    (note,) = only(do.Remember, actions)
    assert (note.suspicions, note.charges) == (0, 1)
    assert rig.core.ledger.active[key("A")].is_suspect is False


def test_deaths_that_others_brought_about_fail_no_folder() -> None:
    rig = Rig(dataclasses.replace(plan(settle=1.0), limits=dataclasses.replace(plan(settle=1.0).limits, max_suspect=1)))
    rig.start(reading("A"))
    for _ in range(7):
        (note,) = only(do.Remember, rig.tell(ended("A")))
        assert (note.suspicions, note.verdict) == (1, "")
    assert rig.core.ledger.active[key("A")].is_suspect


def test_results_of_deaths_by_others_fail_no_folder() -> None:
    rig = rig_with("A", max_suspect=2)
    for _ in range(7):
        rig.end(0, Outcome.SUSPECT, reasons={"": "died"})
    assert (states(rig), rig.core.ledger.active[key("A")].suspicions) == ({"A": "running"}, 1)
    rig.end(0, Outcome.SUSPECT, reasons={"": "died"}, charge=True)
    assert states(rig) == {"A": "failed"}


def test_one_given_up_over_its_lock_says_since_when() -> None:
    rig = Rig(dataclasses.replace(plan(settle=1.0), limits=dataclasses.replace(plan(settle=1.0).limits, max_suspect=1)))
    rig.start(reading("A"))
    rig.tell(left("A"))
    folder = rig.core.ledger.active[key("A")]
    assert (folder.state, folder.ended) == (FolderState.FAILED, rig.now)


def test_suspects_of_the_last_run_never_run_together() -> None:
    rig = Rig(plan(workers=2, settle=0.0))
    rig.start(*(msgspec.structs.replace(reading(name), suspicions=1) for name in "AB"))
    (first,) = rig.core.crew.busy()
    assert first.assignment is not None
    assert (first.assignment.key, first.assignment.alone) == (key("A"), True)
    assert [(job.path, job.alone) for job in jobs(rig.end(first.index))] == [(b"B", True)]


def test_suspect_waits_for_a_worker_that_is_being_ended() -> None:
    rig = Rig(plan(workers=2, settle=0.0))
    rig.start(reading("A"), msgspec.structs.replace(reading("B"), suspicions=1))
    (slot,) = rig.core.crew.busy()
    pid = slot.pid
    rig.tell(on.WorkerBroke(slot.index, pid, "it sent no message"))
    assert rig.core.crew.busy() == []
    assert [job.path for job in jobs(rig.tick(0.1))] == []
    assert [(job.path, job.alone) for job in jobs(rig.tell(on.WorkerExited(slot.index, pid, "killed")))] == [
        (b"B", True)
    ]


@pytest.mark.parametrize("state", [FolderState.COMPLETE, FolderState.FAILED])
def test_lock_left_beside_a_done_folder_means_nothing(state: FolderState) -> None:
    rig = rig_with("A")
    if state is FolderState.COMPLETE:
        rig.end(0)
    elif state is FolderState.FAILED:
        rig.end(0, Outcome.FAILED, reasons={"full_mix.mp3": "damaged"})
    assert only(do.Remember, rig.tell(left("A"))) == []


def test_job_that_began_before_the_lock_was_found_is_the_next() -> None:
    rig = rig_with("A")
    (note,) = only(do.Remember, rig.tell(left("A")))
    assert (note.suspicions, note.verdict, states(rig)) == (1, "", {"A": "running"})
    assert [each.suspicions for each in only(do.Remember, rig.end(0))] == [0]


def test_what_counts_is_forgotten_with_other_files() -> None:
    rig = rig_with("A")
    rig.die(0)
    rig.tick(5.0)
    rig.read(reading("A", signature="v2"))
    assert rig.core.ledger.active[key("A")].charges == 0


# Retry


def test_a_retry_forgives_everything() -> None:
    rig = Rig(plan(max_deaths=1, settle=0.0))
    rig.start(reading("A"))
    rig.die(0)
    assert states(rig) == {"A": "failed"}
    rig.boot()
    assert reads_of(rig.tell(on.RetryAsked(key("A")))) == [key("A")]
    actions = rig.read(reading("A"))
    assert [job.path for job in jobs(actions)] == [b"A"]
    assert rig.core.ledger.active[key("A")].charges == 0


def waiting_as_suspect() -> Rig:
    """Folder A waits among the suspects for B, which is being measured."""
    rig = rig_with("B", "A")
    rig.tell(left("A"))
    assert states(rig) == {"A": "queued", "B": "running"}
    return rig


def test_retried_suspect_waits_among_the_others() -> None:
    rig = waiting_as_suspect()
    assert reads_of(rig.tell(on.RetryAsked(key("A")))) == [key("A")]
    assert jobs(rig.read(reading("A"))) == []
    assert [(job.path, job.alone) for job in jobs(rig.end(0))] == [(b"A", False)]


def test_suspect_that_changes_waits_among_the_others() -> None:
    rig = waiting_as_suspect()
    assert reads_of(rig.tell(on.FolderHint(key("A")))) == [key("A")]
    rig.read(reading("A", signature="v2"))
    assert [(job.path, job.alone) for job in jobs(rig.end(0))] == [(b"A", False)]


def test_a_retry_meets_what_blocked_it_again() -> None:
    rig = rig_with("A")
    rig.end(0, Outcome.BLOCKED, reasons={"": "read-only"}, access="a1")
    rig.tell(on.RetryAsked(key("A")))
    assert [job.path for job in jobs(rig.read(reading("A", access="a1")))] == [b"A"]


# Attempts


def test_the_evidence_of_a_death_is_kept() -> None:
    rig = rig_with("A")
    rig.now += 3.0
    slot = rig.core.crew.slots[0]
    died = on.WorkerExited(0, slot.pid, "killed by signal 11, Segmentation fault (last words)", signal=11)
    (kept,) = only(do.KeepAttempt, rig.tell(dataclasses.replace(died, lines=("one", "last words"))))
    attempt = kept.attempt
    assert (kept.key, attempt.outcome, attempt.charged, attempt.seconds) == (key("A"), Outcome.ERROR, True, 3.0)
    assert (attempt.signal, attempt.exit_code, attempt.lines) == (11, None, ("one", "last words"))
    assert (attempt.worker, attempt.stage) == (died.pid, "starting")
    assert attempt.reason.startswith("killed by signal 11")


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [(outcome, outcome in (Outcome.FAILED, Outcome.BLOCKED, Outcome.ERROR, Outcome.SUSPECT)) for outcome in Outcome],
)
def test_only_bad_ends_are_kept(outcome: Outcome, kept: bool) -> None:
    rig = rig_with("A")
    assert bool(only(do.KeepAttempt, rig.end(0, outcome, reasons={"": "why"}))) == kept


# Another configuration


def test_dropped_dataset_is_forgotten_also_by_what_runs_in_it() -> None:
    other = "/other"
    rig = Rig(plan(DATASET, other, settle=0.0))
    rig.start(reading("A"), reading("B"), reading("C", dataset=other))
    assert rig.core.crew.slots[0].assignment is not None
    assert rig.core.crew.slots[0].assignment.key == key("A")
    actions = rig.tell(on.Replanned(plan(other, settle=0.0), anew=False, rewalk=frozenset()))
    assert actions == []
    assert set(rig.core.datasets) == {other}
    late: list[on.Event] = [
        on.FolderHint(key("B")), on.FolderTouched(key("B")), on.TreeAppeared(key("")), on.TreeVanished(key("B")),
        on.FolderRead(reading("B")), found(reading("B")), came_by("B"), left("B"),
        on.WatchLost(DATASET, "why"),
        on.Walked(DATASET, WalkKind.FULL, FileId(1, 2), empty=False), on.Probed(DATASET, Cause.IO),
        on.RetryAsked(key("B")),
    ]  # fmt: skip
    for event in late:
        assert rig.tell(event) == []
    assert [job.path for job in jobs(rig.end(0))] == [b"C"]
    assert rig.core.ledger.known(DATASET) == set()
    assert sum(rig.core.ledger.counts[DATASET].values()) == 0


def test_dataset_that_comes_back_during_a_reading_loses_nothing() -> None:
    other = "/other"
    rig = Rig(plan(DATASET, other))
    rig.start()
    assert reads_of(rig.tell(on.FolderHint(key("A")))) == [key("A")]
    rig.tell(on.FolderHint(key("A")), on.FolderHint(key("B")))  # A once more, and B is being read as well
    rig.tell(on.Replanned(plan(other), anew=False, rewalk=frozenset()))
    assert reads_of(rig.tick(100.0)) == []
    rig.read(reading("A", Finding.GONE))
    rig.tell(on.Replanned(plan(DATASET, other), anew=False, rewalk=frozenset({DATASET})))
    rig.tell(found(reading("A"), reading("B")), walked("A", "B"))
    assert reads_of(rig.tick(SETTLE)) == [key("A")], "of B a reading is still under way"
    assert reads_of(rig.read(reading("B"))) == [key("B")]
    rig.read(reading("A"))
    rig.read(reading("B"))
    assert states(rig) == {"A": "queued", "B": "running"}


def test_a_dataset_that_is_added_is_walked() -> None:
    rig = rig_with("A")
    other = "/other"
    actions = rig.tell(on.Replanned(plan(DATASET, other, settle=0.0), anew=False, rewalk=frozenset({other})))
    assert only(do.WalkTree, actions) == [do.WalkTree(other, renew=True, first=True)]


def test_a_shorter_rescan_counts_at_once() -> None:
    rig = rig_with("A")
    the_plan = dataclasses.replace(plan(settle=0.0), datasets={DATASET: 10.0})
    rig.tell(on.Replanned(the_plan, anew=False, rewalk=frozenset()))
    assert only(do.WalkTree, rig.tick(10.0)) == [do.WalkTree(DATASET)]


def test_a_result_counts_by_the_row_and_not_by_its_text() -> None:
    dataset = rig_with("A").core.datasets[DATASET]
    for number in range(ROW):
        result = Result(number, Outcome.ERROR, reasons={"": "same"}, cause=Cause.IO)
        hold = dataset.holds.job_ended(key(str(number)), result, 0.0)
    assert hold is not None
    assert dataset.holds.job_ended(key("again"), result, 0.0) is None, "it is held already"


# Pauses


def test_pause_lets_running_jobs_end_and_gives_out_no_more() -> None:
    rig = rig_with("A", "B")
    actions = rig.tell(on.PauseAsked(DATASET))
    assert reports(actions) == ["dataset-paused"]
    assert only(do.KeepPause, actions) == [do.KeepPause(DATASET, paused=True)]
    assert jobs(rig.end(0)) == []
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, "paused by an operator")
    assert jobs(rig.tick(1e6)) == []
    actions = rig.tell(on.ResumeAsked(DATASET))
    assert (reports(actions), [job.path for job in jobs(actions)]) == (["dataset-resumed"], [b"B"])
    assert only(do.KeepPause, actions) == [do.KeepPause(DATASET, paused=False)]
    assert rig.tell(on.ResumeAsked(DATASET)) == []


def test_a_pause_for_a_time_ends_by_itself() -> None:
    rig = rig_with("A", "B")
    rig.tell(on.PauseAsked(DATASET, 7200.0))
    rig.end(0)
    assert jobs(rig.tick(7199.0)) == []
    assert rig.core.next_wakeup() == rig.now + 1.0
    assert [job.path for job in jobs(rig.tick(1.0))] == [b"B"]


def test_a_pause_outlives_a_restart() -> None:
    rig = Rig(plan(settle=0.0))
    rig.core = Dispatcher(rig.core.plan, rig.now, Memory(pauses={DATASET: 60.0, "/gone": None}))
    rig.start(reading("A"))
    assert not rig.core.datasets[DATASET].works
    assert [job.path for job in jobs(rig.tick(60.0))] == [b"A"]


def test_a_pause_and_a_full_disk_are_two_things() -> None:
    rig = rig_with("A", "B")
    rig.tell(on.PauseAsked(DATASET))
    rig.end(0, Outcome.BLOCKED, reasons={"": "no space"}, cause=Cause.SPACE)
    rig.tell(on.ResumeAsked(DATASET))
    assert not rig.core.datasets[DATASET].works
    rig.tell(on.Probed(DATASET, Cause.SPACE))
    assert rig.core.datasets[DATASET].works
