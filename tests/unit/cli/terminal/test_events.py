"""What is said on a terminal of folders that are done and of those that are due again, and that it fits."""

from __future__ import annotations

import logging
import re

import pytest

from audiobatchd.cli.terminal.events import event_lines
from audiobatchd.cli.terminal.text import as_ansi, line_cells


def said(**fields: object) -> str:
    record = logging.LogRecord("audiobatchd", logging.INFO, "", 0, "folders-due-again", None, None)
    record.fields = {"dataset": "/music", "analyzers": "timbre", "folders": 1200, "leave_out": "name them", **fields}
    lines = event_lines(record, 200, several=False, plain="")
    return " ".join("".join(span.text for span in line).strip() for line in lines)


@pytest.mark.parametrize("hours", [3.1, "not known before some are measured"])
def test_folders_due_again_are_told_with_their_cost(hours: object) -> None:
    expected = f"· /music: 1200 complete folders are due for timbre; CPU hours: {hours}; else name them"
    assert said(cpu_hours=hours) == expected


def done(width: int, name: str, values: dict[str, object], *bass: str) -> str:
    """The line of a folder that is complete, on a terminal of `width`; some of its values are of its bass."""
    record = logging.LogRecord("audiobatchd", logging.INFO, "", 0, "folder-done", None, None)
    record.fields = {"dataset": "/music", "folder": name, **values}
    record.stems = dict.fromkeys(bass, "bass")
    (line,) = event_lines(record, width, several=False, plain="")
    assert line_cells(line) < width, "its last column stays free"
    return as_ansi(line, colour=False)


WHOLE: dict[str, object] = {
    "lufs": -14.21,
    "lra": 6.31,
    "bpm": 128.0,
    "true_peak": -1.0,
    "danceability": 0.61,
    "lufs_bass": -20.0,
}
NAMES = {
    "Short": "Short",
    "An Artist with a long name - An Album of that time - A track": "An Ar",
    "\u97f3\u697d" * 30: "\u97f3\u697d",
    "e\u0301" * 120: "e\u0301",
}


@pytest.mark.parametrize(("name", "begins"), NAMES.items(), ids=["short", "long", "wide", "combining"])
@pytest.mark.parametrize(
    ("width", "numbers"),
    [
        (40, ["-14.2 LUFS", "LRA  6.3", "…"]),
        (50, ["-14.2 LUFS", "LRA  6.3", "128.0 BPM", "…"]),
        (80, ["-14.2 LUFS", "LRA  6.3", "128.0 BPM", "…"]),
        (120, ["-14.2 LUFS", "LRA  6.3", "128.0 BPM", "+ 1 stem", "-1.0 dBTP", "…"]),
    ],
)
def test_a_done_folder_fits_its_line(width: int, numbers: list[str], name: str, begins: str) -> None:
    line = done(width, name, WHOLE, "lufs_bass")
    told = [re.sub(" +", " ", each) for each in numbers]
    assert re.sub(" +", " ", line).endswith(" ".join(told))
    assert line.startswith(f"✓ {begins}")


def test_numbers_stand_in_one_column() -> None:
    lines = [done(80, name, WHOLE) for name in ("Short", "A name that is so long that it is shortened in its middle")]
    assert len({line.index("-14.2 LUFS") for line in lines}) == 1


def test_a_name_has_the_room_that_numbers_leave() -> None:
    name = "An Artist - A rather long name of a track, in full"
    assert done(80, name, {"lufs": -9.0}) == f"✓ {name}   -9.0 LUFS"


def test_a_feature_of_the_mix_may_end_like_a_stems() -> None:
    assert done(80, "A", {"rms_energy_bass": -20.0}).endswith("rms_energy_bass -20")
    line = done(80, "A", {"rms_energy_bass": -20.0, "rms_energy_bass_bass": -9.0}, "rms_energy_bass_bass")
    assert line.endswith("+ 1 stem  rms_energy_bass -20")
