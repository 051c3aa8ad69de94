"""The summary of a pass, in the words that users of the batch guide know."""

from __future__ import annotations

from typing import Any

import pytest

from audiobatchd.vocabulary.summary import batch_summary

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
