"""What Prometheus is told: named by its conventions, right, and documented."""

from __future__ import annotations

import dataclasses
import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audiobatchd.control.status import InboxStatus, LeftFile
from audiobatchd.core import events as on
from audiobatchd.core.schedule import Conditions, MachineFacts
from audiobatchd.service.answers import metrics as module
from audiobatchd.service.answers.metrics import Metrics
from audiobatchd.vocabulary.states import InboxState, Outcome, WatchReport
from support.core_rig import DATASET, Rig, plan, reading

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "metrics.md"
REPORT = WatchReport(events=True, reason="inotify", degraded="", parents=2, leaves=5, unwatched=1)
INBOX = InboxStatus("/in", DATASET, InboxState.WATCHING, "", 2, 5, [LeftFile("a", "empty")], 3)


@pytest.fixture
def rig() -> Rig:
    """Two folders done, one failed, one at work, two that wait."""
    made = Rig(dataclasses.replace(plan(settle=0.0), schedules={DATASET: Conditions(max_load=4)}))
    made.tell(on.MachineSeen(MachineFacts(datetime(2026, 11, 30, tzinfo=UTC), UTC, load=1.5)))
    made.start(*(reading(name) for name in "ABCDEF"))
    made.end(0, Outcome.DONE, audio_seconds=60.0, costs={"decoding": 1.5, "loudness": 0.5})
    made.end(0, Outcome.DONE, audio_seconds=30.0, costs={"decoding": 1.0})
    made.end(0, Outcome.FAILED, reasons={"full_mix.mp3": "damaged"})
    made.tell(on.WorkersMeasured({made.core.slots[0].pid: 400 << 20}))
    made.now += 7.0
    return made


def samples(rig: Rig) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = Metrics(rig.core, lambda: rig.now, lambda _: REPORT, inboxes=lambda: [INBOX]).text().decode()
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_numbers(rig: Rig) -> None:
    told = samples(rig)
    expected = {
        f"audiobatchd_folders {DATASET} complete": 2,
        f"audiobatchd_folders {DATASET} failed": 1,
        f"audiobatchd_folders {DATASET} running": 1,
        f"audiobatchd_folders {DATASET} queued": 2,
        "audiobatchd_jobs_total done": 2,
        "audiobatchd_jobs_total failed": 1,
        "audiobatchd_analysis_seconds_total decoding": 2.5,
        "audiobatchd_analysis_seconds_total loudness": 0.5,
        "audiobatchd_audio_seconds_total": 90,
        "audiobatchd_worker_resident_bytes 0": 400 << 20,
        "audiobatchd_worker_starts_total 0": 1,
        "audiobatchd_workers busy": 1,
        f"audiobatchd_walks_total {DATASET} full": 1,
        f"audiobatchd_dataset_working {DATASET}": 1,
        f"audiobatchd_queue_age_seconds {DATASET}": 7,
        f"audiobatchd_watched_directories {DATASET} leaf": 5,
        f"audiobatchd_watch_degraded {DATASET}": 0,
        "audiobatchd_inbox_working /in": 1,
        "audiobatchd_inbox_waiting_files /in": 2,
        "audiobatchd_inbox_left_files /in": 4,
        "audiobatchd_inbox_moved_tracks_total /in": 5,
    }
    assert {name: told.get(name) for name in expected} == expected


def test_schedule_tells_what_it_holds_back_for(rig: Rig) -> None:
    holding = f"audiobatchd_schedule_holding {DATASET} load"
    told = samples(rig)
    assert (told["audiobatchd_load_of_others"], told[holding]) == (1.5, 0)
    rig.tell(on.MachineSeen(MachineFacts(datetime(2026, 11, 30, tzinfo=UTC), UTC, load=4.5)))
    told = samples(rig)
    assert (told[holding], told[f"audiobatchd_dataset_working {DATASET}"]) == (1, 0)


def test_every_metric_is_documented_and_no_other(rig: Rig) -> None:
    documented = set(re.findall(r"^\| `(audiobatchd_\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert {name.split(" ")[0] for name in samples(rig)} == documented


def test_names_that_are_none_are_shown(rig: Rig) -> None:
    other = "/caf\udce9\n"
    made = Rig(plan(other, settle=0.0))
    assert b"/caf\\\\xe9\\\\x0a" in Metrics(made.core, lambda: 0.0).text()


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "audiobatchd.prom"
    path.write_text("old")
    with path.open() as old:
        module.write(path, b"new\n")
        assert old.read() == "old", "whoever reads it keeps what it had"
    assert path.read_text() == "new\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["audiobatchd.prom"]
    with pytest.raises(OSError, match="No such file"):
        module.write(tmp_path / "nowhere" / "x.prom", b"")
