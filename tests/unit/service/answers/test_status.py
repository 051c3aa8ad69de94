"""The core in the words of `status`, as a script of events has made it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import msgspec

from audiobatchd.control.status import InboxStatus, Status
from audiobatchd.core import events as on
from audiobatchd.core.readings import Finding
from audiobatchd.service.answers.status import Overview
from audiobatchd.vocabulary.files import MissKind, NearMiss
from audiobatchd.vocabulary.states import FolderState, InboxState, Outcome, WalkKind, WatchReport
from support.core_rig import DATASET, RESCAN, Rig, offer, plan, reading, walked

WALL = datetime(2026, 11, 30, 12, 0, 0, tzinfo=UTC)


def overview(rig: Rig, report: WatchReport | None = None, trouble: str = "") -> Overview:
    watched = None if report is None else lambda _: report
    return Overview(rig.core, WALL, watched, lambda: trouble)


def status(rig: Rig, **told: str) -> Status:
    return overview(rig, **told).status(rig.now, WALL)  # type: ignore[arg-type]  # of one name alone


def busy() -> Rig:
    """One folder each: done, complete before, failed, at work; one name is no text."""
    rig = Rig(plan(settle=0.0))
    rig.start(*map(reading, ("caf\udce9", "B", "C")), reading("D", Finding.COMPLETE, unavailable=2))
    rig.end(outcome=Outcome.DONE, audio_seconds=60.0)
    rig.now += 30.0
    rig.end(outcome=Outcome.FAILED, reasons={"drums.wav": "its end is missing"})
    return rig


def test_counts_are_those_of_the_core() -> None:
    told = status(busy())
    (dataset,) = told.datasets
    assert {state: count for state, count in dataset.folders.items() if count} == {
        FolderState.COMPLETE: 2,
        FolderState.FAILED: 1,
        FolderState.RUNNING: 1,
    }
    assert (dataset.total, dataset.unavailable, told.done, told.audio_seconds) == (4, 2, 1, 60.0)
    assert told.uptime == 30.0


def test_everything_can_be_sent_as_json() -> None:
    told = status(busy())
    assert msgspec.json.decode(msgspec.json.encode(told), type=Status) == told
    (worker,) = told.workers
    assert (worker.state, worker.dataset, worker.folder) == ("busy", DATASET, "C")


def test_troubles_are_told_with_their_time_latest_first() -> None:
    rig = busy()
    rig.now += 90.0
    rig.end(outcome=Outcome.BLOCKED, reasons={"": "not JSON"})
    rig.now += 60.0
    troubles = overview(rig).failures(rig.now, WALL)
    assert [(each.folder, each.state, each.reason) for each in troubles] == [
        ("C", FolderState.BLOCKED, "not JSON"),
        ("B", FolderState.FAILED, "drums.wav: its end is missing"),
    ]
    assert [each.at for each in troubles] == ["2026-11-30T11:59:00+00:00", "2026-11-30T11:57:30+00:00"]


def test_no_more_than_twenty_troubles_are_in_a_status() -> None:
    rig = Rig()
    rig.start(*(reading(f"{number:02}", Finding.BLOCKED, reasons={"": "no"}) for number in range(25)))
    assert len(status(rig).troubles) == 20
    assert len(overview(rig).failures(rig.now, WALL)) == 25


def test_summary_counts_what_this_run_did() -> None:
    found = overview(busy()).summary()
    assert [found[name] for name in ("total", "success", "skipped_complete", "failed")] == [4, 1, 1, 1]
    assert found["errors"] == ["B: drums.wav: its end is missing"]


def test_warnings_are_cut_and_the_rest_counted() -> None:
    rig = Rig()
    many = (reading(f"{number:02}", Finding.COMPLETE, warnings=("two mixes",)) for number in range(23))
    rig.start(*many)
    (dataset,) = status(rig).datasets
    assert (len(dataset.warnings), dataset.more_warnings, dataset.warnings[0]) == (20, 3, "00: two mixes")


def test_walk_under_way_is_told_with_its_share() -> None:
    rig = Rig()
    rig.start(*(reading(name, Finding.COMPLETE) for name in "ABCD"))
    rig.tick(RESCAN)
    rig.tell(on.WalkRead((), DATASET, listed=3))
    assert status(rig).datasets[0].walk == "full: 3 directories, 75 %"
    rig.tell(walked("A", "B", "C", "D"))
    assert status(rig).datasets[0].walk == ""


def test_pause_tells_what_is_left_of_it() -> None:
    rig = Rig()
    rig.start()
    rig.tell(on.PauseAsked(DATASET, 7200.0))
    rig.now += 60.0
    (dataset,) = status(rig).datasets
    assert dataset.remark.endswith(", for 1 h 59 min more")


def test_what_hinders_the_whole_service_is_remarked() -> None:
    rig = Rig()
    for _ in range(3):
        rig.tick(100.0)
        rig.die(how="exit code 1")
    assert overview(rig, trouble="cannot write: disk full").status(rig.now, WALL).remark == (
        "no worker can start: exit code 1; cannot write: disk full"
    )


def test_analyzers_and_the_watch_are_told_as_they_are() -> None:
    rig = Rig()
    rig.boot(offer(), offer("mood", unavailable="no model"))
    misses = (NearMiss(MissKind.LOOSE, 1, "a.flac", "1 file", "move it"),)
    rig.tell(walked(), on.MissesCounted(DATASET, misses))
    report = WatchReport(events=True, reason="inotify", degraded="3 directories are not watched")
    told = overview(rig, report).status(rig.now, WALL)
    assert {name: each.reason for name, each in told.analyzers.items() if not each.available} == {"mood": "no model"}
    (dataset,) = told.datasets
    assert (dataset.watch, dataset.remark) == ("inotify", "3 directories are not watched")
    assert dataset.near_misses == list(misses)
    assert dataset.last_walk == WALL.isoformat(timespec="seconds")
    assert dataset.last_pass == ""


def test_a_first_walk_has_no_share() -> None:
    rig = Rig()
    rig.boot()
    rig.tell(on.WalkRead((reading("A"), reading("B")), DATASET, listed=3))
    assert status(rig).datasets[0].walk == "full: 3 directories"


def test_passes_are_told_apart_from_walks() -> None:
    rig = Rig()
    rig.start()
    rig.tick(RESCAN)
    rig.tell(walked(kind=WalkKind.PASS))
    (dataset,) = status(rig).datasets
    assert dataset.last_pass


def test_inboxes_are_told_as_they_are() -> None:
    rig = Rig()
    inbox = InboxStatus("/in", DATASET, InboxState.WATCHING, "", 0, 0, [], 0)
    assert Overview(rig.core, WALL, inboxes=lambda: [inbox]).status(rig.now, WALL).inboxes == [inbox]


def test_workers_on_other_machines_are_told_with_these() -> None:
    rig = Rig(dataclasses.replace(plan(settle=0.0, once=True), remote=True))
    assert "no machine of the cluster is there yet, or any more" in status(rig).remark
    rig.tell(on.PlaceJoined(0, "a"))
    rig.start(reading("A"))
    told = status(rig)
    assert ([each.host for each in told.workers], told.remark) == (["a"], "")
