"""What is said on a terminal of folders that are due again."""

from __future__ import annotations

import logging

import pytest

from audiobatchd.cli.terminal.events import event_lines


def said(**fields: object) -> str:
    record = logging.LogRecord("audiobatchd", logging.INFO, "", 0, "folders-due-again", None, None)
    record.fields = {"dataset": "/music", "analyzers": "timbre", "folders": 1200, "leave_out": "name them", **fields}
    lines = event_lines(record, 200, several=False, plain="")
    return " ".join("".join(span.text for span in line).strip() for line in lines)


@pytest.mark.parametrize("hours", [3.1, "not known before some are measured"])
def test_folders_due_again_are_told_with_their_cost(hours: object) -> None:
    expected = f"· /music: 1200 complete folders are due for timbre; CPU hours: {hours}; else name them"
    assert said(cpu_hours=hours) == expected
