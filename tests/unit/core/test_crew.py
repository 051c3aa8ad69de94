"""All slots together: who is recycled when, who is ended for its memory, and what is told of those who cannot start."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.messages import Ready
from audiobatchd.core.readings import Reading
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.exits import DaemonExit
from audiobatchd.vocabulary.states import FolderState, Outcome
from support.core_rig import Rig, found, jobs, key, offer, only, plan, reading, reports

GIB = 1 << 30


def busy_rig(worker_memory: int = 4 * GIB) -> Rig:
    """Two workers at work on `A` and `B`."""
    rig = Rig(dataclasses.replace(plan(workers=2, settle=0.0), worker_memory=worker_memory))
    rig.start(reading("A"), reading("B"))
    assert [slot.state for slot in rig.core.crew.slots] == [SlotState.BUSY, SlotState.BUSY]
    return rig


def measured(rig: Rig, *resident: int) -> list[do.Action]:
    """Every worker has so much memory."""
    sizes = {slot.pid: size for slot, size in zip(rig.core.crew.slots, resident, strict=True)}
    return rig.tell(on.WorkersMeasured(sizes))


def test_the_job_that_grew_is_charged_and_not_its_neighbour() -> None:
    rig = busy_rig(worker_memory=2 * GIB)
    assert only(do.KillWorker, measured(rig, GIB, 2 * GIB + 1)) == [do.KillWorker(1)]
    rig.die(1, "killed by signal 9, Killed")
    grown, neighbour = rig.core.ledger.active[key("B")], rig.core.ledger.active[key("A")]
    assert (grown.state, grown.charges) == (FolderState.BACKOFF, 1)
    assert grown.reason == "its worker ended: it grew to 2048 MiB of memory, beyond 2048 MiB"
    assert (neighbour.state, neighbour.charges) == (FolderState.RUNNING, 0)


def test_worker_that_stays_large_between_jobs_is_replaced() -> None:
    rig = busy_rig(worker_memory=2 * GIB)
    rig.end(0)
    assert only(do.StopWorker, measured(rig, 3 * GIB, GIB)) == [do.StopWorker(0)]
    actions = rig.tell(on.WorkerExited(0, rig.core.crew.slots[0].pid, "exit code 0"))
    assert only(do.SpawnWorker, actions) == [do.SpawnWorker(0)]
    assert reports(actions) == []
    assert rig.core.crew.slots[0].resident == 0


def test_memory_of_a_process_that_is_gone_counts_for_none() -> None:
    rig = busy_rig(worker_memory=2 * GIB)
    assert rig.tell(on.WorkersMeasured({99: 9 * GIB})) == []


def test_workers_are_recycled_each_at_a_moment_of_its_own() -> None:
    rig = Rig(dataclasses.replace(plan(workers=4, settle=0.0), recycle_jobs=8))
    rig.boot()
    lives: dict[int, list[int]] = {0: [], 1: [], 2: [], 3: []}
    for number in range(40):
        rig.tell(found(*(reading(f"Song {number}/{part}") for part in range(4))))
        for slot in rig.core.crew.busy():
            for stopped in only(do.StopWorker, rig.end(slot.index)):
                lives[stopped.slot].append(slot.jobs)
                rig.tell(on.WorkerExited(stopped.slot, slot.pid, "exit code 0"))
        rig.boot()
    assert [each[0] for each in lives.values()] == [8, 7, 6, 5]
    assert {count for each in lives.values() for count in each[1:]} == {8}


def test_trouble_at_the_start_is_told_again_after_a_good_one() -> None:
    rig = Rig(plan(workers=2))
    told: list[str] = []
    for _ in range(3):
        rig.tick(60.0)
        for index in range(2):
            told += reports(rig.die(index, "exit code 1 (no module named numpy)"))
    assert told == ["worker-cannot-start"]
    assert rig.core.crew.cannot_boot()
    assert rig.core.crew.cannot_start == "exit code 1 (no module named numpy)"
    rig.tick(60.0)
    assert reports(rig.die(0, "exit code 1 (out of memory)")) == ["worker-cannot-start"]
    rig.tick(60.0)
    rig.boot()
    assert rig.core.crew.cannot_start == ""
    assert reports(rig.die(1, "exit code 9")) == ["worker-died"]


def test_worker_that_dies_without_a_job_is_not_started_in_a_loop() -> None:
    rig = Rig()
    spawned = 0
    for _ in range(100):
        rig.boot()
        rig.die()
        spawned += len(only(do.SpawnWorker, rig.tick(0.5)))
    assert spawned < 10


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 2)])
def test_the_number_of_workers_can_change(before: int, after: int) -> None:
    rig = Rig(plan(workers=before, settle=0.0))
    rig.start(*(reading(name) for name in "ABC"))
    rig.tell(on.Replanned(plan(workers=after, settle=0.0), anew=False, rewalk=frozenset()))
    for _ in range(10):
        rig.boot()
        for slot in rig.core.crew.busy():
            actions = rig.end(slot.index)
            for stopped in only(do.StopWorker, actions):
                rig.tell(on.WorkerExited(stopped.slot, rig.core.crew.slots[stopped.slot].pid, "exit code 0"))
    assert len(rig.core.crew.slots) == after
    assert len(rig.core.ledger.complete) == 3
    assert all(slot.state is SlotState.IDLE for slot in rig.core.crew.slots)


def test_other_settings_replace_every_worker_after_its_job() -> None:
    rig = busy_rig()
    the_plan = plan(workers=2, settle=0.0)
    assert only(do.StopWorker, rig.tell(on.Replanned(the_plan, anew=True, rewalk=frozenset()))) == []
    actions = rig.end(0, Outcome.DONE)
    assert (only(do.StopWorker, actions), jobs(actions)) == ([do.StopWorker(0)], [])
    rig.tell(on.WorkerExited(0, rig.core.crew.slots[0].pid, "exit code 0"))
    assert [slot.state.value for slot in rig.core.crew.slots] == ["booting", "busy"]
    assert not rig.core.crew.slots[0].stale
    rig.tell(on.Replanned(the_plan, anew=True, rewalk=frozenset()))
    states = [slot.state.value for slot in rig.core.crew.slots]
    assert states == ["ending", "busy"], "one that boots by the old ones is of no use"


def test_spawned_process_has_its_time_to_load_and_no_more() -> None:
    rig = Rig()
    assert only(do.SpawnWorker, rig.core.tick(rig.now)) == [do.SpawnWorker(0)]
    assert only(do.SpawnWorker, rig.core.tick(rig.now + 9)) == [], "the first is still to be answered"
    rig.core.handle(on.WorkerSpawned(0, 4242), rig.now)
    slot = rig.core.crew.slots[0]
    assert (slot.state, slot.pid) == (SlotState.BOOTING, 4242)
    assert rig.tick(rig.core.plan.boot_timeout - 1) == []
    assert only(do.KillWorker, rig.tick(1)) == [do.KillWorker(0)]


def test_process_that_cannot_be_spawned_is_tried_again_later() -> None:
    rig = Rig()
    rig.core.tick(rig.now)
    told = rig.tell(on.WorkerSpawned(0, -1), on.WorkerExited(0, -1, "cannot start a process: Exec format error"))
    assert reports(told) == ["worker-cannot-start"]
    assert only(do.SpawnWorker, rig.tick(0.9)) == []
    assert only(do.SpawnWorker, rig.tick(0.1)) == [do.SpawnWorker(0)]


# One pass


def pass_over(*folders: Reading, workers: int = 3, dry_run: bool = False) -> tuple[Rig, list[do.Action]]:
    """A pass whose first worker is ready and whose walk found these folders, and what it did for them."""
    rig = Rig(plan(workers=workers, settle=0.0, once=True, dry_run=dry_run))
    assert only(do.SpawnWorker, rig.tick()) == [do.SpawnWorker(0)]
    return rig, rig.start(*folders)


@pytest.mark.parametrize(
    ("folders", "started"),
    [((), []), (("A",), []), (("A", "B"), [1]), (("A", "B", "C"), [1, 2]), (("A", "B", "C", "D", "E"), [1, 2])],
)
def test_a_pass_starts_as_many_workers_as_it_has_jobs(folders: tuple[str, ...], started: list[int]) -> None:
    _, actions = pass_over(*map(reading, folders))
    assert [each.slot for each in only(do.SpawnWorker, actions)] == started
    assert len(jobs(actions)) == min(1, len(folders))


def test_folders_that_come_to_rest_later_bring_workers_too() -> None:
    rig = Rig(plan(workers=3, once=True))
    rig.start(reading("A"), reading("B"))
    assert len(rig.core.slots) == 1
    for path in ("A", "B"):
        rig.tick(10.0)
        rig.read(reading(path))
    assert len(rig.core.slots) == 2


def test_a_dry_run_starts_the_worker_that_tells_what_there_is() -> None:
    rig, actions = pass_over(reading("A"), reading("B"), dry_run=True)
    assert only(do.SpawnWorker, actions) == []
    assert len(rig.core.slots) == 1


def test_folders_that_go_alone_bring_no_worker() -> None:
    rig, _ = pass_over(reading("A"), reading("B"))
    rig.end(outcome=Outcome.SUSPECT, reasons={"": "the process that worked on it died"})
    rig.tell(found(reading("C")))
    assert [slot.state for slot in rig.core.slots] == [SlotState.BUSY, SlotState.BOOTING]  # for B and for C


def test_a_pass_whose_only_worker_cannot_start_ends() -> None:
    rig = Rig(plan(workers=3, once=True))
    actions: list[do.Action] = []
    for _ in range(3):
        rig.tick(60.0)
        actions += rig.die(0, "exit code 1 (no module named numpy)")
    assert only(do.Finish, actions) == [do.Finish(DaemonExit.TROUBLE)]


def test_a_service_keeps_all_its_workers() -> None:
    rig = Rig(plan(workers=3))
    assert only(do.SpawnWorker, rig.tick()) == [do.SpawnWorker(0), do.SpawnWorker(1), do.SpawnWorker(2)]


def remote_rig() -> Rig:
    """A pass whose two workers, on the hosts a and b, are at work on `A` and `B`."""
    rig = Rig(dataclasses.replace(plan(workers=1, settle=0.0, once=True), remote=True))
    rig.tell(on.PlaceJoined(0, "a"), on.PlaceJoined(1, "b"))
    rig.start(reading("A"), reading("B"))
    assert [slot.state for slot in rig.core.slots] == [SlotState.BUSY, SlotState.BUSY]
    return rig


def test_pass_without_places_waits_for_the_first() -> None:
    rig = Rig(dataclasses.replace(plan(once=True), remote=True))
    assert rig.tick(3600.0) == []
    assert only(do.SpawnWorker, rig.tell(on.PlaceJoined(0, "a"))) == [do.SpawnWorker(0)]
    assert rig.core.slots[0].host == "a"


def test_place_that_joins_late_is_given_work_at_once() -> None:
    rig = Rig(dataclasses.replace(plan(settle=0.0, once=True), remote=True))
    rig.tell(on.PlaceJoined(0, "a"))
    rig.start(reading("A"), reading("B"))
    rig.tell(on.PlaceJoined(1, "b"))
    actions = rig.tell(on.WorkerSaid(1, rig.core.slots[1].pid, Ready((offer(),))))
    assert [job.path for job in jobs(actions)] == [b"B"]


def test_place_that_left_gets_no_worker_until_it_joins() -> None:
    rig = remote_rig()
    assert only(do.SpawnWorker, rig.tell(on.PlaceLeft(0, "gone"))) == []
    assert only(do.SpawnWorker, rig.tick(600.0)) == []
    assert only(do.SpawnWorker, rig.tell(on.PlaceJoined(0, "c"))) == [do.SpawnWorker(0)]
    assert (rig.core.slots[0].host, rig.core.slots[0].failures) == ("c", 0)


def test_slots_at_the_end_go_with_their_places() -> None:
    rig = remote_rig()
    rig.tell(on.PlaceLeft(1, "gone"))
    assert [slot.index for slot in rig.core.slots] == [0]
    rig.tell(on.WorkerSaid(1, 102, Ready((offer(),))))  # late news of it
    assert [slot.index for slot in rig.core.slots] == [0]


def test_pass_ends_where_all_places_are_gone() -> None:
    rig = remote_rig()
    rig.tell(on.PlaceLeft(0, "gone"), on.PlaceLeft(1, "gone"))
    assert only(do.Finish, rig.tell(on.StopAsked(DaemonExit.INTERRUPTED))) == [do.Finish(DaemonExit.INTERRUPTED)]


def test_pass_goes_on_where_no_place_can_start_a_worker() -> None:
    rig = Rig(dataclasses.replace(plan(once=True), remote=True))
    rig.tell(on.PlaceJoined(0, "a"))
    for _ in range(5):
        rig.die()
        rig.tick(60.0)
    assert rig.core.works
