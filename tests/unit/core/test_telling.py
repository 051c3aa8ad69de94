"""What hooks are told: every end of a folder that a job began, once, and nothing of what was complete before."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.plan import Memory, Plan
from audiobatchd.core.readings import Finding
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.states import Cause, FolderState, Outcome
from support.core_rig import DATASET, MISSING_ROOT, Rig, came_by, found, key, only, plan, reading, walked

COMPLETE = Finding.COMPLETE
DONE, FAILED = HookEvent.FOLDER_DONE, HookEvent.FOLDER_FAILED
FINISHED, PAUSED = HookEvent.DATASET_COMPLETE, HookEvent.DATASET_PAUSED
Told = tuple[HookEvent, str | None, bool]


def with_hooks(the_plan: Plan, *events: HookEvent) -> Plan:
    return dataclasses.replace(the_plan, hooks=frozenset(events or HookEvent))


def rig_of(*begun: FolderKey, unfinished: tuple[str, ...] = (), **settings: int) -> Rig:
    """A rig that tells of everything, with what the last run left."""
    the_plan = with_hooks(plan(settle=0.0, **settings))  # type: ignore[arg-type]  # checked by `plan`
    rig = Rig(the_plan)
    rig.core = Dispatcher(the_plan, rig.now, Memory(begun=frozenset(begun), unfinished=frozenset(unfinished)))
    return rig


def told(actions: list[do.Action]) -> list[Told]:
    return [(tell.event, tell.path, tell.found) for tell in only(do.Tell, actions)]


def test_a_folder_is_marked_before_its_job_is_sent() -> None:
    actions = rig_of().start(reading())
    kinds = [type(action) for action in actions if isinstance(action, do.Begin | do.SendJob)]
    assert kinds == [do.Begin, do.SendJob]


def test_done_comes_with_its_values_and_then_the_dataset() -> None:
    rig = rig_of()
    rig.start(reading())
    actions = rig.end(values={"lufs": -14.0}, unmeasurable={"lra": "shorter than 3 s"})
    first, second = only(do.Tell, actions)
    assert (first.event, first.path, first.values, first.unmeasurable) == (
        DONE, "Song", {"lufs": -14.0}, {"lra": "shorter than 3 s"},
    )  # fmt: skip
    assert (second.event, second.path, second.folders[FolderState.COMPLETE]) == (FINISHED, None, 1)
    assert told(rig.tick(60.0)) == []


def test_a_dataset_is_complete_after_the_last_of_its_folders() -> None:
    rig = rig_of()
    rig.start(reading("a"), reading("b"))
    assert told(rig.end()) == [(DONE, "a", False)]
    assert told(rig.end(outcome=Outcome.FAILED, reasons={"full_mix.wav": "damaged"})) == [
        (FAILED, "b", False),
        (FINISHED, None, False),
    ]


def test_marks_that_are_found_late_are_told_as_those_of_the_start() -> None:
    rig = rig_of()
    rig.start(reading("a", COMPLETE), reading("b", Finding.FAILED, reasons={"full_mix.wav": "damaged"}))
    elsewhere = FolderKey("/dropped", "c")
    marks = on.MarksFound(frozenset({key("a"), key("b"), key("later"), elsewhere}), frozenset({DATASET}))
    actions = rig.tell(marks)
    assert set(told(actions)) == {(DONE, "a", True), (FAILED, "b", True), (FINISHED, None, False)}
    assert only(do.Dismiss, actions) == [do.Dismiss(elsewhere)]
    assert told(rig.tell(found(reading("later", COMPLETE)))) == [(DONE, "later", True)]


def test_what_was_complete_before_any_job_is_not_told() -> None:
    rig = rig_of()
    rig.boot()
    many = [str(number) for number in range(1000)]
    actions = rig.tell(found(*(reading(path, COMPLETE) for path in many[:500])), came_by(*many[500:]), walked(*many))
    assert told(actions) == []


@pytest.mark.parametrize(("finding", "event"), [(COMPLETE, DONE), (Finding.FAILED, FAILED)])
def test_an_end_that_a_crash_hid_is_told_when_it_is_found(finding: Finding, event: HookEvent) -> None:
    rig = rig_of(key(), unfinished=(DATASET,))
    rig.boot()
    actions = rig.tell(found(reading("Song", finding, reasons={"": "why"}), reading("Other", COMPLETE)))
    assert told(actions) == [(event, "Song", True)]
    assert told(rig.tell(walked("Song", "Other"))) == [(FINISHED, None, False)]
    assert told(rig.tell(came_by("Song", "Other"))) == []


def test_an_end_that_a_crash_hid_is_told_of_a_folder_as_it_was() -> None:
    rig = rig_of(key())
    rig.boot()
    assert told(rig.tell(came_by("Song"))) == [(DONE, "Song", True)]


def test_a_folder_that_is_due_after_a_crash_is_told_by_its_job() -> None:
    rig = rig_of(key())
    assert told(rig.start(reading())) == []
    assert told(rig.end())[0] == (DONE, "Song", False)


def test_a_mark_of_a_folder_that_is_gone_is_dropped() -> None:
    rig = rig_of(key("gone"))
    rig.boot()
    assert only(do.Dismiss, rig.tell(walked(root=MISSING_ROOT))) == [], "its dataset is not there"
    assert only(do.Dismiss, rig.tell(found(reading("Song", COMPLETE)), walked("Song"))) == [do.Dismiss(key("gone"))]


@pytest.mark.parametrize("outcome", [Outcome.LOCKED, Outcome.BLOCKED])
def test_what_another_one_may_complete_is_not_ours_to_tell(outcome: Outcome) -> None:
    rig = rig_of()
    rig.start(reading())
    actions = rig.end(outcome=outcome, reasons={"": "why"})
    assert only(do.Dismiss, actions) == [do.Dismiss(key())]
    assert DONE not in [tell.event for tell in only(do.Tell, rig.read(reading("Song", COMPLETE)))]


@pytest.mark.parametrize("cause", [Cause.NONE, Cause.MEMORY])
def test_a_record_of_a_worker_that_died_is_told_when_it_is_read(cause: Cause) -> None:
    rig = rig_of()
    rig.start(reading())
    rig.die()
    rig.tick(60.0)
    assert told(rig.read(reading("Song", COMPLETE)))[:1] == [(DONE, "Song", True)]


def test_a_record_under_memory_that_was_short_is_told_too() -> None:
    rig = rig_of(max_deaths=1)
    rig.start(reading())
    rig.end(outcome=Outcome.ERROR, cause=Cause.MEMORY, reasons={"": "its worker was killed"})
    assert told(rig.read(reading("Song", COMPLETE)))[:1] == [(DONE, "Song", True)]


def test_failing_again_for_the_same_reason_is_told_again() -> None:
    rig = rig_of()
    rig.start(reading())
    damaged = {"full_mix.wav": "damaged"}
    assert (FAILED, "Song", False) in told(rig.end(outcome=Outcome.FAILED, reasons=damaged))
    rig.tell(on.RetryAsked(key()))
    rig.read(reading())
    assert (FAILED, "Song", False) in told(rig.end(outcome=Outcome.FAILED, reasons=damaged))


def test_a_folder_given_up_without_a_job_of_ours_is_told() -> None:
    rig = rig_of()
    rig.start(reading("busy"), reading())
    left = frozenset({"Song"})
    actions = [each for _ in range(5) for each in rig.tell(on.LocksSeen(DATASET, {}, left=left, counted=left))]
    assert told(actions) == [(FAILED, "Song", False)]


def test_a_pause_is_told_with_its_reason() -> None:
    rig = rig_of()
    rig.start()
    (tell,) = only(do.Tell, rig.tell(on.PauseAsked(DATASET)))
    assert (tell.event, tell.path) == (PAUSED, None)
    assert tell.reason


@pytest.mark.parametrize("state", [FolderState.LOCKED, FolderState.QUEUED])
def test_a_dataset_where_something_is_left_is_not_complete(state: FolderState) -> None:
    rig = rig_of()
    rig.start(reading("a"), reading("b"))
    assert (FINISHED, None, False) not in told(rig.end())
    if state is FolderState.LOCKED:
        assert (FINISHED, None, False) not in told(rig.end(outcome=Outcome.LOCKED, reasons={"": "held"}))


def test_without_hooks_nothing_is_marked_or_told() -> None:
    rig = Rig(plan(settle=0.0))
    actions = rig.start(reading()) + rig.end() + rig.tell(on.PauseAsked(DATASET))
    assert only(do.Begin, actions) == []
    assert only(do.Tell, actions) == []


def test_hooks_of_pauses_alone_cost_no_mark() -> None:
    rig = Rig(with_hooks(plan(settle=0.0), PAUSED))
    assert only(do.Begin, rig.start(reading())) == []


def test_marks_of_a_dataset_that_was_dropped_go_with_it() -> None:
    rig = rig_of(key(), key("Song", "/other"))
    rig.boot()
    actions = rig.tell(on.Replanned(with_hooks(plan("/other", settle=0.0)), anew=False, rewalk=frozenset()))
    assert key() in [each.key for each in only(do.Dismiss, actions)]
