"""The whole core by script: events in, actions out."""

from __future__ import annotations

import dataclasses

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.lifecycle import DaemonState
from audiobatchd.core.messages import Ready
from audiobatchd.core.queue import Lane
from audiobatchd.core.readings import Finding
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import Outcome, WalkKind
from support.core_rig import (
    DATASET,
    MISSING_ROOT,
    REMEMBERED,
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
    walked,
    working,
)

SONG = key()


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


def test_workers_that_know_less_than_a_new_one_are_replaced() -> None:
    rig = Rig(plan(workers=2))
    rig.start()
    rig.die(1)
    rig.tick(60.0)
    rig.tell(on.WorkerSaid(1, rig.core.crew.slots[1].pid, Ready((offer(), offer("mood")))))
    assert [slot.stale for slot in rig.core.crew.slots] == [True, False]


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
        do.Report(
            LogEvent.FOLDER_DONE,
            {**values, "lra_drums": "unmeasurable (too short)"},
            SONG,
            stems={"lra_drums": "drums"},
        )
    ]
    assert only(do.Remember, actions) == [do.Remember(SONG, {}, "v1")], "what was adopted is measured now"
    assert SONG in rig.core.ledger.complete
    assert rig.core.tally.success == 1


def test_what_a_walk_learns_of_complete_folders_is_remembered() -> None:
    rig = Rig()
    actions = rig.start(reading(finding=Finding.COMPLETE, memory=REMEMBERED))
    assert only(do.Remember, actions) == [do.Remember(SONG, REMEMBERED)]


def test_what_is_blocked_as_before_is_no_news() -> None:
    rig = Rig()
    rig.start(reading(finding=Finding.BLOCKED, reasons={"": "a directory"}))
    again = rig.tick(RESCAN) + rig.tell(found(reading(finding=Finding.BLOCKED, reasons={"": "a directory"})))
    assert "folder-blocked" not in reports(again)
    other = rig.tell(found(reading(finding=Finding.BLOCKED, reasons={"": "not JSON"})))
    assert reports(other) == ["folder-blocked"]


# Workers


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


def test_an_analyzer_that_is_left_out_is_told_as_off() -> None:
    rig = Rig(dataclasses.replace(plan(once=True, features=("prints",)), left_out=("prints",)))
    (report,) = [each for each in only(do.Report, rig.boot()) if each.event == "feature-unknown"]
    assert str(report.fields["reason"]).startswith("'prints' is off: ")


# What goes while it is at work


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
    assert only(do.Disown, rig.tell(on.RetryAsked(key("A"), DISOWNED))) == [do.Disown(key("A"), DISOWNED)]
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
