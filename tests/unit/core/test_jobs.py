"""Jobs, from what is given out to what follows from their ends: events in, actions out."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.lifecycle import DaemonState
from audiobatchd.core.messages import Ready, Result, Stage
from audiobatchd.core.readings import Finding
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.states import FolderState, Outcome
from support.core_rig import (
    DATASET,
    REMEMBERED,
    SETTLE,
    Rig,
    jobs,
    key,
    offer,
    only,
    plan,
    reading,
    reads,
    reports,
    running,
    stamp,
    walked,
    working,
)

SONG = key()


def test_bytes_that_are_no_text_come_through() -> None:
    rig = Rig()
    rig.start()
    rig.tell(on.FolderHint(key("caf\udce9")))
    (job,) = jobs(rig.settled(reading("caf\udce9")))
    assert job.path == b"caf\xe9"


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


# What is counted in the history


def test_a_completed_folder_is_counted_with_what_it_took() -> None:
    rig = working(Rig())
    rig.tick(2.0)
    actions = rig.end(costs={"loudness": 0.5}, audio_seconds=180.0, reasons={"drums.wav": "left out"})
    assert only(do.CountJob, actions) == [do.CountJob(DATASET, Outcome.DONE, "", 2.0, 180.0, {"loudness": 0.5})]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.FAILED, "drums.wav: why"),
        (Outcome.ERROR, "drums.wav: why"),
        (Outcome.LOCKED, ""),
        (Outcome.CHANGED, ""),
        (Outcome.GONE, ""),
    ],
)
def test_every_other_end_is_counted_once(outcome: Outcome, reason: str) -> None:
    (count,) = only(do.CountJob, working(Rig()).end(outcome=outcome, reasons={"drums.wav": "why"}, audio_seconds=9.0))
    assert (count.outcome, count.reason, count.audio_seconds) == (outcome, reason, 0.0)


def test_a_death_is_counted_by_its_cause() -> None:
    (count,) = only(do.CountJob, working(Rig()).die())
    assert (count.outcome, count.reason) == (Outcome.ERROR, "killed by signal 11")


def remote_rig() -> Rig:
    """A pass whose worker on the host `a` is at the folder `Song`."""
    rig = Rig(dataclasses.replace(plan(settle=0.0, once=True), remote=True))
    rig.tell(on.PlaceJoined(0, "a"))
    rig.start(reading())
    assert rig.core.state_of(SONG) is FolderState.RUNNING
    return rig


def test_folder_of_a_place_that_left_is_given_back() -> None:
    rig = remote_rig()
    actions = rig.tell(on.PlaceLeft(0, "gone"))
    assert only(do.Tidy, actions) == [do.Tidy(SONG)]
    assert only(do.KeepAttempt, actions) == []
    assert only(do.CountJob, actions) == []
    assert rig.core.folders[SONG].charges == 0
    rig.tell(on.PlaceJoined(0, "b"))
    rig.boot()
    assert reads(rig.tick(1.0)) == [SONG]
    assert jobs(rig.read(reading()))


@pytest.mark.parametrize("outcome", [Outcome.LOCKED, Outcome.SUSPECT])
def test_lock_of_a_place_that_left_is_waited_for(outcome: Outcome) -> None:
    rig = remote_rig()
    rig.tell(on.PlaceLeft(0, "gone"), on.PlaceJoined(0, "b"))
    rig.boot()
    rig.tick(1.0)
    rig.read(reading())
    actions = rig.end(outcome=outcome, reasons={"": "held"}, charge=True)
    assert (only(do.Tidy, actions), only(do.CountJob, actions)) == ([do.Tidy(SONG)], [])
    assert rig.core.state is DaemonState.RUNNING, "the pass ended without the folder"
    assert reads(rig.tick(3.0)) == [SONG]
    rig.read(reading())
    rig.end()
    assert (rig.core.complete, rig.core.state) == (1, DaemonState.DRAINING)


def test_worker_that_dies_at_a_living_place_is_charged() -> None:
    rig = remote_rig()
    rig.die()
    assert rig.core.folders[SONG].charges == 1
