"""The summary of a pass, in the words that users of the batch guide know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from audiobatchd import BatchStats, print_batch_summary
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.summary import batch_summary, shard_line

WITHOUT_ERRORS = """\
Loudness Summary
================
  Total folders:  7
  Success:        4
  Skipped (done): 2
  Skipped (lock): 1
  Failed:         0"""

WITH_ERRORS = """\
audiobatchd --once Summary
==========================
  Total folders:  2
  Success:        0
  Skipped (done): 0
  Skipped (lock): 0
  Failed:         2

Errors:
  Album/Song: drums.flac: its end is missing
  caf\\xe9: cannot read the folder: Permission denied"""


@pytest.mark.parametrize(
    ("operation", "stats", "expected"),
    [
        (
            "Loudness",
            {"total": 7, "success": 4, "skipped_complete": 2, "skipped_locked": 1, "failed": 0, "errors": []},
            WITHOUT_ERRORS,
        ),
        (
            "audiobatchd --once",
            {
                "total": 2,
                "success": 0,
                "skipped_complete": 0,
                "skipped_locked": 0,
                "failed": 2,
                "errors": [
                    "Album/Song: drums.flac: its end is missing",
                    "caf\\xe9: cannot read the folder: Permission denied",
                ],
            },
            WITH_ERRORS,
        ),
    ],
)
def test_summary(operation: str, stats: dict[str, Any], expected: str) -> None:
    assert batch_summary(stats, operation) == expected


# As the batch guide's scripts print it


COUNTS = """  Total folders:  5
  Success:        2
  Skipped (done): 1
  Skipped (lock): 1
  Failed:         1
"""
STATS: BatchStats = {
    "total": 5, "success": 2, "skipped_complete": 1, "skipped_locked": 1, "failed": 1, "errors": ["Song: is empty"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("stats", "expected"),
    [
        (STATS, COUNTS + "\nErrors:\n  Song: is empty\n"),
        # The second pattern of the guide keeps no list.
        ({key: value for key, value in STATS.items() if key != "errors"}, COUNTS),
        ({**STATS, "errors": []}, COUNTS),
        ({}, COUNTS.translate(dict.fromkeys(map(ord, "125"), "0"))),
    ],
    ids=["with errors", "without the key", "without errors", "nothing"],
)
def test_a_pass_is_summed_up(capsys: pytest.CaptureFixture[str], stats: Mapping[str, object], expected: str) -> None:
    print_batch_summary(stats, "Loudness Analysis")
    assert capsys.readouterr().out == "Loudness Analysis Summary\n=========================\n" + expected


def test_summary_without_a_name_is_of_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    print_batch_summary(STATS)
    assert capsys.readouterr().out.splitlines()[:2] == ["Batch Summary", "============="]


def test_a_name_outside_utf_8_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    print_batch_summary({"errors": ["caf\udce9: cannot be decoded"]})
    assert "caf\\xe9: cannot be decoded" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "own", "others", "expected"),
    [
        ("", 1, 2035, "Shard 2/8: 1 track folder, and 2,035 of other shards"),
        ("/srv/music", 5, 0, "Shard 2/8 of /srv/music: 5 track folders, and 0 of other shards"),
        ("", 0, 1, "Shard 2/8: no track folder, 1 folder of other shards"),
    ],
)
def test_shard_is_said_with_what_it_left(dataset: str, own: int, others: int, expected: str) -> None:
    assert shard_line(Shard(2, 8), dataset, own, others) == expected
