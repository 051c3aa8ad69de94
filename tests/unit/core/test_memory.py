"""A worker that the kernel ends because memory is short: its folder is not charged, and runs again alone."""

from __future__ import annotations

import dataclasses

import msgspec

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.vocabulary.states import FolderState
from support.core_rig import DATASET, Rig, jobs, key, only, plan, reading, reads, reports

GIB = 1 << 30
MAX_DEATHS = 3


def rig_with(*names: str, workers: int = 2, once: bool = False) -> Rig:
    """Folders of which the first ones are being measured."""
    rig = Rig(plan(workers=workers, settle=0.0, max_deaths=MAX_DEATHS, once=once))
    rig.start(*(reading(name) for name in names))
    rig.tell(on.WorkersMeasured({}, memory_limit=GIB))
    return rig


def starve(rig: Rig, path: str = "A") -> list[do.Action]:
    """The kernel ends the worker that is at the folder; another one starts."""
    slot = next(each for each in rig.core.crew.busy() if each.assignment and each.assignment.key == key(path))
    how = on.OUT_OF_MEMORY
    actions = rig.tell(on.WorkerExited(slot.index, slot.pid, how, signal=9, out_of_memory=True))
    rig.boot()
    return actions


def again(rig: Rig, path: str = "A") -> list[do.Action]:
    """Wait until the folder is looked at again, and answer that."""
    rig.now = rig.core.ledger.active[key(path)].retry_at
    assert key(path) in reads(rig.tick())
    return rig.read(reading(path))


def state(rig: Rig, path: str = "A") -> FolderState:
    return rig.core.ledger.active[key(path)].state


def test_oom_kill_is_not_charged_and_told() -> None:
    rig = rig_with("A")
    actions = starve(rig)
    folder = rig.core.ledger.active[key("A")]
    assert (folder.state, folder.charges) == (FolderState.BACKOFF, 0)
    assert "out of memory" in folder.reason
    assert [each.attempt.charged for each in only(do.KeepAttempt, actions)] == [False]


def test_oom_killed_folder_runs_alone_after_the_others() -> None:
    rig = rig_with("A", "B", "C")
    starve(rig)
    assert jobs(again(rig)) == [], "B and C are under way"
    rig.end(next(each.index for each in rig.core.crew.busy()))
    (job,) = jobs(rig.end(next(each.index for each in rig.core.crew.busy())))
    assert (job.path, job.alone) == (b"A", True)


def test_folder_that_does_not_fit_alone_is_blocked() -> None:
    rig = rig_with("A")
    for _ in range(MAX_DEATHS - 1):
        starve(rig)
        assert [job.alone for job in jobs(again(rig))] == [True]
    assert "folder-blocked" in reports(starve(rig))
    assert rig.core.ledger.active[key("A")].charges == 0


def test_last_death_beside_others_is_no_verdict() -> None:
    rig = Rig(plan(workers=2, settle=0.0, max_deaths=1))
    rig.start(reading("A"), reading("B"))
    starve(rig)
    assert state(rig) is FolderState.BACKOFF


def test_blocked_for_memory_is_due_when_limit_changes() -> None:
    rig = rig_with("A")
    starve(rig)
    for _ in range(MAX_DEATHS - 1):
        again(rig)
        starve(rig)
    assert state(rig) is FolderState.BLOCKED
    assert reads(rig.tell(on.WorkersMeasured({}, memory_limit=GIB))) == []
    assert jobs(rig.read(reading("A", access="rwx"))) == [], "a look does not start it again"
    assert reads(rig.tell(on.WorkersMeasured({}, memory_limit=2 * GIB))) == [key("A")]
    assert [(job.path, job.alone) for job in jobs(rig.read(reading("A")))] == [(b"A", False)]


def test_limit_change_loses_no_folder_that_waits() -> None:
    rig = rig_with("A", "B", workers=2)
    starve(rig)
    again(rig)
    assert state(rig) is FolderState.QUEUED
    rig.tell(on.WorkersMeasured({}, memory_limit=2 * GIB))
    rig.read(reading("A"))
    actions = rig.end(next(each.index for each in rig.core.crew.busy()))
    assert [job.path for job in jobs(actions)] == [b"A"]


def test_retry_of_one_that_waits_alone_puts_it_among_others() -> None:
    rig = rig_with("A", "B")
    starve(rig)
    again(rig)
    actions = rig.tell(on.RetryAsked(key("A")))
    assert [(job.path, job.alone) for job in jobs(actions)] == [(b"A", False)]


def test_success_ends_running_alone() -> None:
    rig = rig_with("A")
    starve(rig)
    again(rig)
    rig.end(next(each.index for each in rig.core.crew.busy()))
    assert key("A") in rig.core.ledger.complete
    actions = rig.tell(on.FolderHint(key("A")))
    assert reads(actions) == [key("A")]
    assert [job.alone for job in jobs(rig.read(reading("A", signature="v2")))] == [False]


def test_oom_kill_of_a_worker_we_killed_is_charged() -> None:
    rig = rig_with("A")
    slot = rig.core.crew.busy()[0]
    rig.tell(on.WorkersMeasured({slot.pid: 7 * GIB}, memory_limit=GIB))
    (note,) = only(
        do.Remember, rig.tell(on.WorkerExited(slot.index, slot.pid, on.OUT_OF_MEMORY, signal=9, out_of_memory=True))
    )
    assert note.charges == 1


def test_verdict_for_memory_is_void_with_other_worker_memory() -> None:
    rig = Rig(plan(workers=1, settle=0.0, max_deaths=1))
    rig.start(reading("A"))
    slot = rig.core.crew.busy()[0]
    rig.tell(on.WorkersMeasured({slot.pid: 7 * GIB}))
    (note,) = only(do.Remember, rig.die(slot.index))
    assert (bool(note.verdict), note.by_memory) == (True, True)
    rig.boot()
    larger = dataclasses.replace(rig.core.plan, worker_memory=8 * GIB)
    assert reads(rig.tell(on.Replanned(larger, anew=False, rewalk=frozenset()))) == [key("A")]
    assert len(jobs(rig.read(msgspec.structs.replace(reading("A"), charges=0)))) == 1


def test_pass_ends_over_a_folder_that_does_not_fit() -> None:
    rig = rig_with("A", workers=1, once=True)
    starve(rig)
    for _ in range(MAX_DEATHS - 1):
        again(rig)
        starve(rig)
    assert state(rig) is FolderState.BLOCKED
    assert rig.core.life.code == 1
    assert rig.core.datasets[DATASET].works
