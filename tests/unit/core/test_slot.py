"""One slot's state machine: what is late changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audiobatchd.core.slot import Assignment, Slot, SlotState
from audiobatchd.vocabulary.files import FolderKey

JOB = Assignment(7, FolderKey("/music", "Song"), timeout=600.0, factor=4.0)


def slot() -> Slot:
    return Slot(0, boot_timeout=120.0)


def booting() -> Slot:
    made = slot()
    made.spawned(4242, 10.0)
    return made


def idle() -> Slot:
    made = booting()
    assert made.ready(11.0)
    return made


def busy() -> Slot:
    made = idle()
    made.assigned(JOB, now=12.0)
    return made


def ending() -> Slot:
    made = busy()
    made.ending("no answer", 20.0)
    return made


STATES: dict[SlotState, Callable[[], Slot]] = {
    SlotState.DOWN: slot,
    SlotState.BOOTING: booting,
    SlotState.IDLE: idle,
    SlotState.BUSY: busy,
    SlotState.ENDING: ending,
}


@pytest.mark.parametrize("state", STATES)
def test_each_is_in_its_state(state: SlotState) -> None:
    assert STATES[state]().state is state


@pytest.mark.parametrize("state", [state for state in STATES if state is not SlotState.BOOTING])
def test_a_late_ready_changes_nothing(state: SlotState) -> None:
    made, same = STATES[state](), STATES[state]()
    assert made.ready(50.0) is False
    assert made == same


@pytest.mark.parametrize(
    ("state", "number"), [(state, 7) for state in STATES if state is not SlotState.BUSY] + [(SlotState.BUSY, 6)]
)
def test_a_late_message_about_a_job_changes_nothing(state: SlotState, number: int) -> None:
    made, same = STATES[state](), STATES[state]()
    made.staged(number, "decoding", 100.0, 50.0)
    assert made.finished(number, 50.0) is None
    assert made == same


def test_a_job_from_its_start_to_its_end() -> None:
    made = busy()
    assert (made.assignment, made.doing, made.due) == (JOB, "starting", 612.0)
    made.staged(7, "loudness of full_mix.flac", 240.0, 50.0)
    assert (made.doing, made.due) == ("loudness of full_mix.flac", 1610.0)
    assert not made.ran_out(1609.9)
    assert made.ran_out(1610.0)
    assert made.finished(7, 100.0) == JOB
    assert (made.state, made.assignment, made.doing, made.due, made.since) == (SlotState.IDLE, None, "", None, 100.0)


def test_progress_moves_the_deadline_and_no_further() -> None:
    made = busy()
    for now in (500.0, 1000.0, 1500.0):
        made.staged(7, "reading full_mix.flac", 0.0, now)
    assert made.due == 2100.0


def test_reading_after_an_analysis_has_no_more_than_its_own_time() -> None:
    made = busy()
    made.staged(7, "loudness of full_mix.flac", 240.0, 50.0)
    made.staged(7, "reading drums.flac", 0.0, 60.0)
    assert made.due == 660.0


def test_analyzers_of_one_file_share_its_time() -> None:
    made = busy()
    made.staged(7, "loudness of full_mix.flac", 240.0, 50.0)
    made.staged(7, "rhythm of full_mix.flac", None, 1000.0)
    assert (made.doing, made.due) == ("rhythm of full_mix.flac", 1610.0)


def test_an_idle_worker_may_wait_for_ever() -> None:
    assert not idle().ran_out(1e9)


def test_a_worker_that_ends_takes_its_job_along() -> None:
    made = ending()
    assert (made.assignment, made.fate, made.due) == (JOB, "no answer", 30.0)
    assert made.exited(21.0) == JOB
    assert (made.state, made.pid, made.assignment, made.due) == (SlotState.DOWN, 0, None, 21.0)


def test_one_that_was_told_to_stop_is_killed_when_patience_ends() -> None:
    made = idle()
    made.ending("", 20.0, patience=30.0)
    assert not made.ran_out(49.9)
    assert made.ran_out(50.0)
    assert made.exited(50.0) is None
    assert (made.failures, made.due) == (0, 50.0)


def test_failing_to_boot_is_waited_out_longer_and_longer() -> None:
    made, now, waits = slot(), 0.0, []
    for _ in range(8):
        made.spawned(1, now)
        made.exited(now)
        assert made.due is not None
        waits.append(made.due - now)
        now = made.due
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    made.spawned(1, now)
    made.ready(now)
    made.exited(now)
    assert made.due == now + 60, "one that ends before its first job has come to nothing as well"
    made.spawned(1, now)
    made.ready(now)
    made.assigned(JOB, now)
    made.finished(JOB.number, now)
    made.exited(now)
    assert (made.failures, made.due) == (0, now)


def test_unnoticed_deadline_leaves_time_to_hear_the_worker() -> None:
    made = busy()
    assert made.due == 612.0
    assert not made.ran_out(4000.0), "the daemon was stopped for an hour"
    assert not made.ran_out(4000.9)
    assert made.ran_out(4001.0)


def test_a_machine_that_cannot_boot_one_for_days_is_no_overflow() -> None:
    made = slot()
    for _ in range(2000):
        made.spawned(1, 0.0)
        made.exited(0.0)
    assert made.due == 60.0


def test_one_killed_for_booting_too_long_has_failed_to_boot() -> None:
    made = booting()
    assert made.ran_out(130.0)
    made.ending("no answer for too long", 130.0)
    made.exited(131.0)
    assert (made.failures, made.due) == (1, 132.0)
