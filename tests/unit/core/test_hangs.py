"""A disk that does not answer: what it holds up, which workers end over it, and that no folder is charged."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.core.messages import Stage
from audiobatchd.core.slot import SlotState
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import Cause, DatasetState, FolderState, Outcome, WalkKind, WatchReport
from support.core_rig import Rig, found, jobs, key, only, plan, reading, reads, reports

FAR, NEAR = "/far", "/near"
ASLEEP = 3.0
LOST_AFTER = 10.0


def rig(workers: int = 2, fresh: float | None = None) -> Rig:
    """Two datasets; one folder waits in the far one, and is being worked on."""
    the_plan = plan(FAR, NEAR, workers=workers, settle=0.0)
    if fresh is not None:
        the_plan = dataclasses.replace(the_plan, fresh=fresh)
    return Rig(the_plan)


def busy(workers: int = 2) -> Rig:
    made = rig(workers)
    made.start(reading("A", dataset=FAR))
    assert made.core.crew.slots[0].state is SlotState.BUSY
    return made


def sleeps(made: Rig, seconds: float = ASLEEP, slot: int = 0) -> list[do.Action]:
    return made.tell(on.WorkersMeasured({}, {made.core.crew.slots[slot].pid: seconds}))


def folder(made: Rig, path: str = "A") -> tuple[FolderState, int]:
    entry = made.core.ledger.active[key(path, FAR)]
    return entry.state, entry.charges


def hangs(made: Rig) -> list[do.Action]:
    """A worker sleeps, and its disk does not answer."""
    asked = only(do.Probe, sleeps(made))
    assert [(each.key, each.cause) for each in asked] == [(key("A", FAR), Cause.HANG)]
    return made.tell(on.Probed(FAR, Cause.HANG, NO_ANSWER))


def test_a_worker_that_sleeps_puts_its_disk_on_trial() -> None:
    made = busy()
    assert only(do.Probe, sleeps(made, ASLEEP / 2)) == []
    assert len(only(do.Probe, sleeps(made))) == 1
    assert only(do.Probe, sleeps(made, 2 * ASLEEP)) == [], "it is being asked"
    made.tell(found(reading("B", dataset=FAR), dataset=FAR), found(reading("C", dataset=NEAR), dataset=NEAR))
    assert folder(made, "B")[0] is FolderState.QUEUED
    actions = made.tell(on.Probed(FAR, Cause.HANG))
    assert [job.path for job in jobs(actions)] == [] == only(do.KillWorker, actions)
    assert made.core.datasets[FAR].standing[0] is DatasetState.ACTIVE


def test_a_disk_that_answers_lets_its_jobs_go_on() -> None:
    made = busy()
    sleeps(made)
    made.tell(found(reading("B", dataset=FAR), dataset=FAR))
    assert folder(made, "B")[0] is FolderState.QUEUED
    assert [job.path for job in jobs(made.tell(on.Probed(FAR, Cause.HANG)))] == [b"B"]
    assert only(do.Probe, sleeps(made)) == [], "something else keeps it, and the disk is not asked every second"
    assert made.tick(60.0) is not None
    assert len(only(do.Probe, sleeps(made))) == 1


def test_a_disk_that_hangs_holds_up_its_own_dataset_alone() -> None:
    made = busy()
    actions = hangs(made)
    assert "dataset-paused" in reports(actions)
    assert made.core.datasets[FAR].standing == (DatasetState.PAUSED, NO_ANSWER)
    both = (found(reading(path, dataset=dataset), dataset=dataset) for path, dataset in (("B", FAR), ("C", NEAR)))
    assert [job.dataset for job in jobs(made.tell(*both))] == [NEAR.encode()]


def test_nothing_is_begun_where_the_disk_hangs() -> None:
    made = busy()
    hangs(made)
    made.die()
    actions = made.tell(
        on.FolderHint(key("B", FAR)), on.FolderHint(key("D", NEAR)), on.RescanAsked(FAR), on.TreeAppeared(key("T", FAR))
    )
    actions += made.tick(4000.0)
    begun = [*reads(actions), *(each.key for each in only(do.Tidy, actions))]
    assert {each.dataset for each in begun} == {NEAR}
    rounds = [each.dataset for each in only(do.WalkTree, actions)] + [
        each.dataset for each in only(do.ReapLocks, actions)
    ]
    assert set(rounds) == {NEAR}
    wakeup = made.core.next_wakeup()
    assert wakeup is None or wakeup > made.now, "else the loop would spin"
    actions = made.tell(on.Probed(FAR, Cause.HANG))
    assert "dataset-resumed" in reports(actions)
    assert {key("B", FAR), key("A", FAR)} <= set(reads(actions))
    assert only(do.Tidy, actions) == [do.Tidy(key("A", FAR))]
    kinds = {each.kind for each in only(do.WalkTree, actions) if each.dataset == FAR}
    assert kinds == {WalkKind.FULL, WalkKind.TREES}


def test_worker_that_sleeps_there_is_ended_without_a_charge() -> None:
    made = busy()
    assert only(do.KillWorker, hangs(made)) == [do.KillWorker(0)]
    actions = made.die(0, "killed by signal 9")
    assert folder(made) == (FolderState.BACKOFF, 0)
    assert [(each.attempt.reason, each.attempt.charged) for each in only(do.KeepAttempt, actions)] == [
        (NO_ANSWER, False)
    ]
    assert only(do.SpawnWorker, actions) == [do.SpawnWorker(0)]


def test_a_worker_that_runs_there_is_left_at_its_job() -> None:
    made = rig()
    made.start(reading("A", dataset=FAR), reading("B", dataset=FAR))
    hangs(made)
    assert [slot.state for slot in made.core.crew.slots] == [SlotState.ENDING, SlotState.BUSY]
    made.end(1)
    assert key("B", FAR) in made.core.ledger.complete


def late() -> Rig:
    """A worker sleeps when its time is over, and its disk is being asked."""
    made = busy()
    sleeps(made, 1.0)
    actions = made.tick(700.0)
    assert (only(do.KillWorker, actions), len(only(do.Probe, actions))) == ([], 1)
    wakeup = made.core.next_wakeup()
    assert wakeup is None or wakeup > made.now, "else the loop would spin"
    return made


def test_worker_late_on_a_disk_that_answers_is_charged() -> None:
    made = late()
    made.tick(0.5)
    assert only(do.KillWorker, made.tell(on.Probed(FAR, Cause.HANG)) + made.tick(0.6)) == [do.KillWorker(0)]
    made.die(0, "killed by signal 9")
    assert folder(made) == (FolderState.BACKOFF, 1)
    assert made.core.crew.slots[0].state is SlotState.BOOTING


def test_worker_late_on_a_disk_that_hangs_is_not_charged() -> None:
    made = late()
    assert only(do.KillWorker, made.tell(on.Probed(FAR, Cause.HANG, NO_ANSWER)) + made.tick(1.0)) == []
    assert only(do.KillWorker, sleeps(made)) == [do.KillWorker(0)]
    made.die(0, "killed by signal 9")
    assert folder(made) == (FolderState.BACKOFF, 0)


def test_disk_that_hung_gives_a_late_job_its_time_again() -> None:
    made = late()
    sleeps(made, 1.0 + ASLEEP)
    made.tick(ASLEEP)
    actions = made.tell(on.Probed(FAR, Cause.HANG)) + made.tick(599.0)
    assert (only(do.KillWorker, actions), only(do.Probe, actions)) == ([], [])
    assert len(only(do.Probe, made.tick(2.0))) == 1, "it sleeps on, so the disk is asked once more"
    actions = made.tell(on.Probed(FAR, Cause.HANG)) + made.tick(0.1)
    assert only(do.KillWorker, actions) == [do.KillWorker(0)]


def test_disk_slow_for_ever_keeps_no_stuck_worker() -> None:
    """Each look at it takes 4 s of the 8 s that it is given: the job has its whole time again once, not each time."""
    made = busy()
    killed: list[do.KillWorker] = []
    until = made.now + 3600.0
    while not killed and made.now < until:
        probes = only(do.Probe, sleeps(made, 5.0) + made.tick(1.0))
        if probes:
            killed += only(do.KillWorker, made.tick(4.0))
            killed += only(do.KillWorker, made.tell(on.Probed(FAR, Cause.HANG)))
        killed += only(do.KillWorker, made.tick(1.0))
    assert killed == [do.KillWorker(0)]


def test_late_worker_that_runs_is_ended_while_its_disk_is_asked() -> None:
    made = late()
    assert only(do.KillWorker, sleeps(made, 0.0) + made.tick(1.0)) == [do.KillWorker(0)]


def test_answer_at_another_folder_clears_no_late_worker() -> None:
    made = busy()
    sleeps(made, 1.0)
    made.tell(on.WorkersMeasured({}, {made.core.crew.slots[0].pid: 1.0}, {FAR: ASLEEP}))
    assert only(do.Probe, made.tick(700.0)) == [], "it is being asked"
    actions = made.tell(on.Probed(FAR, Cause.HANG)) + made.tick(700.0)
    assert (only(do.KillWorker, actions), [each.key for each in only(do.Probe, actions)]) == ([], [key("A", FAR)])


def test_a_dropped_dataset_keeps_no_slot_that_waits_for_its_disk() -> None:
    made = late()
    the_plan = plan(NEAR, workers=2, settle=0.0)
    actions = made.tell(on.Replanned(the_plan, anew=False, rewalk=frozenset())) + made.tick(1.0)
    assert only(do.KillWorker, actions) == [do.KillWorker(0)]
    assert only(do.SpawnWorker, made.die(0, "killed by signal 9")) == [do.SpawnWorker(0)]


def lost(made: Rig) -> tuple[int, list[do.Action]]:
    """A worker that was killed does not end; its PID."""
    hangs(made)
    pid = made.core.crew.slots[0].pid
    assert only(do.SpawnWorker, made.tick(LOST_AFTER - 0.5)) == []
    return pid, made.tick(1.0)


def test_a_worker_that_sigkill_does_not_end_is_replaced() -> None:
    made = busy()
    pid, actions = lost(made)
    assert only(do.SpawnWorker, actions) == [do.SpawnWorker(0)]
    assert "worker-lost" in reports(actions)
    assert set(made.core.crew.lost) == {pid}
    assert folder(made) == (FolderState.LOCKED, 0)
    assert f"PID {pid}" in made.core.ledger.active[key("A", FAR)].reason


def test_the_folder_of_a_lost_worker_is_left_alone_until_it_ends() -> None:
    made = busy()
    pid, _ = lost(made)
    made.tell(on.Probed(FAR, Cause.HANG))
    actions = made.tell(on.FolderHint(key("A", FAR)), on.RetryAsked(key("A", FAR)))
    actions += made.tell(found(reading("A", dataset=FAR), dataset=FAR))
    assert key("A", FAR) not in reads(actions)
    assert folder(made) == (FolderState.LOCKED, 0)
    actions = made.tell(on.WorkerExited(0, pid, "killed by signal 9", signal=9))
    assert only(do.Tidy, actions) == [do.Tidy(key("A", FAR))]
    assert key("A", FAR) in reads(actions)
    assert "worker-found" in reports(actions)
    assert made.core.crew.lost == {}
    assert [slot.state for slot in made.core.crew.slots].count(SlotState.BOOTING) == 1, "the new one goes on"


def test_what_a_lost_worker_says_is_not_heard() -> None:
    made = busy()
    pid, _ = lost(made)
    before = made.core.crew.slots[0]
    made.tell(on.WorkerSaid(0, pid, Stage(1, "writing the record")))
    assert (before.state, before.doing) == (SlotState.BOOTING, "")


def test_a_disk_that_hangs_for_one_folder_lets_the_others_go_on() -> None:
    made = busy()
    sleeps(made)
    actions = made.tell(on.Probed(FAR, Cause.HANG, only=key("A", FAR)))
    assert only(do.KillWorker, actions) == [do.KillWorker(0)]
    assert made.core.datasets[FAR].standing[0] is DatasetState.ACTIVE
    made.die()
    assert folder(made) == (FolderState.BACKOFF, 0)


def test_a_thread_that_sleeps_puts_its_disk_on_trial() -> None:
    made = busy()
    asked = only(do.Probe, made.tell(on.WorkersMeasured({}, {}, {NEAR: ASLEEP})))
    assert [(each.key, each.cause) for each in asked] == [(key("", NEAR), Cause.HANG)]


@pytest.mark.parametrize("signals", [1, 2])
def test_stopping_does_not_wait_for_what_cannot_be_killed(signals: int) -> None:
    made = busy(workers=1)
    for _ in range(signals):
        made.tell(on.StopAsked(0))
    until = 34.0 if signals == 1 else 4.0
    assert only(do.Finish, [action for _ in range(int(until * 2)) for action in made.tick(0.5)]) == [do.Finish(0)]


def test_one_told_to_stop_is_killed_by_the_second_signal() -> None:
    made = rig(workers=1)
    made.start()
    made.tell(on.StopAsked(0))
    assert made.core.crew.slots[0].state is SlotState.ENDING
    assert only(do.KillWorker, made.tell(on.StopAsked(0))) == [do.KillWorker(0)]


@pytest.mark.parametrize("passes", [on.StoodStill(20.0), 20.0])
def test_silent_disk_is_asked_before_anything_begins(passes: on.Event | float) -> None:
    made = rig(fresh=10.0)
    actions = made.boot()
    asked = only(do.Probe, actions)
    assert [(each.key.dataset, each.briefly) for each in asked] == [(FAR, True), (NEAR, True)]
    assert only(do.WalkTree, actions) == []
    actions = made.tell(on.Probed(NEAR, Cause.HANG), on.Probed(FAR, Cause.HANG, NO_ANSWER))
    assert {each.dataset for each in only(do.WalkTree, actions)} == {NEAR}
    if isinstance(passes, float):
        made.tick(passes)
    else:
        made.tell(passes)
    actions = made.tell(on.FolderHint(key("A", NEAR)))
    assert (reads(actions), len(only(do.Probe, actions))) == ([], 1)
    assert reads(made.tell(on.Probed(NEAR, Cause.HANG))) == [key("A", NEAR)]


@pytest.mark.parametrize("locks", ["network (nfs4)", "local (ext4)"])
def test_a_look_at_a_root_that_may_hang_is_asked_for_first(locks: str) -> None:
    made = rig(fresh=2.0)
    made.boot()
    made.tell(on.Probed(NEAR, Cause.HANG), on.Probed(FAR, Cause.HANG, NO_ANSWER))
    made.tell(on.Walked(NEAR, WalkKind.FULL, FileId(1, 2), empty=False, locks=locks))
    made.tell(on.LocksSeen(NEAR, {}), on.RootSeen(NEAR, FileId(1, 2), WatchReport(True, "inotify"), NEAR))
    actions = made.tick(6.0)
    asked = [each.key.dataset for each in only(do.Probe, actions) if each.briefly]
    looked = [each.dataset for each in only(do.LookAtRoot, actions)]
    assert (asked, looked) == (([], [NEAR]) if "local" in locks else ([NEAR], []))


def test_the_service_is_ready_without_a_root_that_hangs() -> None:
    made = rig(fresh=10.0)
    made.boot()
    made.tell(on.Probed(NEAR, Cause.HANG), on.Probed(FAR, Cause.HANG, NO_ANSWER))
    actions = made.tell(on.Walked(NEAR, WalkKind.FULL, FileId(1, 2), empty=False))
    assert only(do.AnnounceReady, actions) == [do.AnnounceReady()]


@pytest.mark.parametrize("shard", [None, Shard(1, 2, then_any=True)], ids=str)
def test_one_pass_ends_with_a_failure_where_a_disk_hangs(shard: Shard | None) -> None:
    made = Rig(dataclasses.replace(plan(FAR, settle=0.0, once=True), fresh=10.0, shard=shard))
    made.boot()
    made.tell(on.Probed(FAR, Cause.HANG, NO_ANSWER))
    for slot in made.core.crew.slots:
        made.tell(on.WorkerExited(slot.index, slot.pid, "exit code 0"))
    assert made.core.life.code == 1


def test_a_shortage_is_told_once_and_tried_again_at_once() -> None:
    made = busy(workers=1)
    actions = made.end(0, Outcome.ERROR, reasons={"": "Too many open files"}, cause=Cause.SHORTAGE)
    assert reports(actions) == ["service-short"]
    assert folder(made) == (FolderState.SETTLING, 0)
    assert made.core.shortage(made.now) == "worker 0: Too many open files"
    assert only(do.KeepAttempt, actions) == []
    assert reports(made.tell(on.Short("Too many open files"))) == []
    assert key("A", FAR) in reads(made.tick(2.0))
    assert made.core.shortage(made.now + 10) == ""


def test_slot_without_a_process_for_lack_of_room_is_soon_filled() -> None:
    made = rig(workers=1)
    actions = made.core.tick(made.now)
    assert only(do.SpawnWorker, actions) == [do.SpawnWorker(0)]
    for _ in range(20):
        made.core.handle(on.Short("Too many open files", slot=0), made.now)
        made.now += 2.0
        assert only(do.SpawnWorker, made.core.tick(made.now)) == [do.SpawnWorker(0)]
    assert made.core.crew.cannot_start == ""
