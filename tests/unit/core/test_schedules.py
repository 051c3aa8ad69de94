"""Schedules as holds on datasets: what is given out, what goes on meanwhile, what the log tells, and the workers."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.schedule import NOT_LOOKED, Conditions, MachineFacts
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.hours import hours_in
from audiobatchd.vocabulary.states import DatasetState, FolderState, Outcome
from support.core_rig import DATASET, Rig, jobs, key, only, plan, reading, reports

NIGHTS = Conditions(hours=hours_in(["22:00-07:00"]))
OTHER = "/other"


def at(hour: float, load: float = 0.0) -> on.MachineSeen:
    """A look at the machine at that hour."""
    moment = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(hours=hour)
    return on.MachineSeen(MachineFacts(moment, UTC, load, 1 << 40))


def rig_with(*names: str, workers: int = 1, conditions: Conditions = NIGHTS) -> Rig:
    """Folders that wait, in a dataset with a schedule."""
    rig = Rig(dataclasses.replace(plan(workers=workers, settle=0.0), schedules={DATASET: conditions}))
    rig.start(*(reading(name) for name in names))
    return rig


def test_nothing_is_begun_before_the_first_look() -> None:
    rig = rig_with("A")
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, NOT_LOOKED)
    assert rig.core.state_of(key("A")) is FolderState.QUEUED
    actions = rig.tell(at(23))
    assert ([job.path for job in jobs(actions)], reports(actions)) == ([b"A"], []), "there is nothing to tell"


def test_hold_is_told_once_and_its_end() -> None:
    rig = rig_with("A")
    first = rig.tell(at(12))
    (told,) = only(do.Report, first)
    assert told.fields == {"dataset": DATASET, "reason": "until 22:00"}
    assert reports(first) == ["schedule-holds"]
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, "until 22:00")
    assert (rig.tell(at(13)), jobs(rig.tick(60.0))) == ([], [])
    actions = rig.tell(at(22))
    assert (reports(actions), len(jobs(actions))) == (["schedule-goes-on"], 1)
    assert rig.core.datasets[DATASET].works


def test_running_job_ends_and_looks_go_on_while_held() -> None:
    rig = rig_with("A", "B")
    rig.tell(at(23))
    assert reports(rig.tell(at(31))) == ["schedule-holds"]
    assert rig.core.state_of(key("A")) is FolderState.RUNNING
    assert jobs(rig.end(0, Outcome.DONE)) == []
    assert rig.core.state_of(key("A")) is FolderState.COMPLETE
    looked = rig.tell(on.FolderHint(key("C")))
    assert only(do.ReadFolder, looked) == [do.ReadFolder(key("C"))], "what is new is looked at"
    assert only(do.WalkTree, rig.tick(7200.0)), "walks come by as ever"


def test_remark_follows_the_load() -> None:
    rig = rig_with("A", conditions=Conditions(max_load=4))
    rig.tell(at(12, load=9.1))
    assert rig.core.datasets[DATASET].standing[1] == "load 9.1 above 4"
    assert reports(rig.tell(at(12, load=6.0))) == []
    assert rig.core.datasets[DATASET].standing[1] == "load 6.0 above 4"
    assert rig.core.schedules.load == 6.0


def test_schedule_that_needs_what_was_not_read_waits_for_that() -> None:
    rig = rig_with("A", "B")
    hours_alone = MachineFacts(at(23).facts.moment, UTC)
    rig.tell(on.MachineSeen(hours_alone))
    busier = dataclasses.replace(rig.core.plan, schedules={DATASET: dataclasses.replace(NIGHTS, max_load=4)})
    assert reports(rig.tell(on.Replanned(busier, anew=False, rewalk=frozenset()))) == ["schedule-holds"]
    assert rig.core.datasets[DATASET].standing[1] == "load not known yet"
    assert jobs(rig.end(0, Outcome.DONE)) == []
    actions = rig.tell(at(23, load=3.9))
    assert (reports(actions), len(jobs(actions))) == (["schedule-goes-on"], 1), "it was not too busy before"


def test_each_dataset_has_its_own_schedule() -> None:
    the_plan = plan(DATASET, OTHER, workers=2, settle=0.0)
    rig = Rig(dataclasses.replace(the_plan, schedules={DATASET: NIGHTS, OTHER: Conditions()}))
    rig.start(reading("A"), reading("B", dataset=OTHER))
    rig.tell(at(12))
    assert rig.core.state_of(key("A")) is FolderState.QUEUED
    assert rig.core.state_of(key("B", OTHER)) is FolderState.RUNNING
    assert list(rig.core.schedules.by_dataset) == [DATASET]


def test_operator_overrides_until_it_is_over_by_itself() -> None:
    rig = rig_with("A", "B")
    rig.tell(at(12))
    actions = rig.tell(on.ResumeAsked(DATASET, override=True))
    assert (reports(actions), len(jobs(actions))) == (["schedule-overridden"], 1)
    assert rig.core.schedules.in_words(DATASET, rig.now) == "overridden: until 22:00"
    assert reports(rig.tell(at(13))) == []
    assert reports(rig.tell(at(23))) == [], "it was not held"
    assert reports(rig.tell(at(31))) == ["schedule-holds"]


def test_override_for_a_while_is_held_again_after_it() -> None:
    rig = rig_with("A")
    rig.tell(at(12))
    assert len(jobs(rig.tell(on.ResumeAsked(DATASET, override=True, seconds=60.0)))) == 1
    rig.tick(60.0)
    assert reports(rig.tell(at(12.1))) == ["schedule-holds"]


def test_resume_without_an_override_leaves_the_schedule() -> None:
    rig = rig_with("A")
    rig.tell(at(12), on.PauseAsked(DATASET))
    assert rig.core.datasets[DATASET].standing[1] == "until 22:00; paused by an operator"
    rig.tell(on.ResumeAsked(DATASET))
    assert rig.core.datasets[DATASET].standing[1] == "until 22:00"


def test_override_ends_a_pause_as_well() -> None:
    rig = rig_with("A")
    rig.tell(at(12), on.PauseAsked(DATASET))
    actions = rig.tell(on.ResumeAsked(DATASET, override=True))
    assert (reports(actions), len(jobs(actions))) == (["dataset-resumed", "schedule-overridden"], 1)


def test_pause_stays_when_the_hours_begin() -> None:
    rig = rig_with("A")
    rig.tell(at(12), on.PauseAsked(DATASET))
    assert jobs(rig.tell(at(23))) == []


def replanned(rig: Rig, schedules: dict[str, Conditions]) -> list[do.Action]:
    the_plan = dataclasses.replace(rig.core.plan, schedules=schedules)
    return rig.tell(on.Replanned(the_plan, anew=False, rewalk=frozenset()))


def test_reload_counts_at_once_in_both_directions() -> None:
    rig = rig_with("A", "B")
    rig.tell(at(12))
    actions = replanned(rig, {})
    assert (reports(actions), len(jobs(actions))) == (["schedule-goes-on"], 1)
    assert reports(replanned(rig, {DATASET: NIGHTS})) == ["schedule-holds"]
    assert jobs(rig.end(0, Outcome.DONE)) == []


def test_reload_to_other_hours_says_when_those_begin() -> None:
    rig = rig_with("A")
    rig.tell(at(12))
    replanned(rig, {DATASET: Conditions(hours=hours_in(["13:00-14:00"]))})
    assert rig.core.datasets[DATASET].standing[1] == "until 13:00"


def test_reload_to_other_hours_leaves_what_is_overridden() -> None:
    rig = rig_with("A")
    rig.tell(at(12))
    rig.tell(on.ResumeAsked(DATASET, override=True))
    assert reports(replanned(rig, {DATASET: Conditions(hours=hours_in(["13:00-14:00"]))})) == []
    assert rig.core.schedules.in_words(DATASET, rig.now) == "overridden: until 13:00"


def test_reload_that_adds_a_schedule_waits_for_a_look() -> None:
    rig = Rig(plan(settle=0.0))
    rig.start()
    replanned(rig, {DATASET: NIGHTS})
    assert rig.core.datasets[DATASET].standing == (DatasetState.PAUSED, NOT_LOOKED)


def states(rig: Rig) -> list[SlotState]:
    return [slot.state for slot in rig.core.slots]


def test_all_workers_but_one_end_while_all_is_held() -> None:
    rig = rig_with("A", workers=3)
    rig.tell(at(12))
    assert only(do.StopWorker, rig.tick(59.0)) == []
    assert only(do.StopWorker, rig.tick(2.0)) == [do.StopWorker(1), do.StopWorker(2)]
    for slot in rig.core.slots[1:]:
        rig.tell(on.WorkerExited(slot.index, slot.pid, "exit code 0", exit_code=0))
    assert states(rig) == [SlotState.IDLE, SlotState.DOWN, SlotState.DOWN]
    assert only(do.SpawnWorker, rig.tick(600.0)) == []
    begun = rig.tell(at(22))
    assert only(do.SpawnWorker, begun) == [do.SpawnWorker(1), do.SpawnWorker(2)]
    assert len(jobs(begun)) == 1


def test_workers_stay_where_a_dataset_is_worked_on() -> None:
    the_plan = plan(DATASET, OTHER, workers=2, settle=0.0)
    rig = Rig(dataclasses.replace(the_plan, schedules={DATASET: NIGHTS}))
    rig.start(reading("A"))
    rig.tell(at(12))
    assert only(do.StopWorker, rig.tick(600.0)) == []
