"""What is said on a terminal of folders that are due again, and by which names the features of stems are known."""

from __future__ import annotations

import logging
from importlib.metadata import distribution

import pytest

from audiobatchd.cli.terminal.events import MIX_ENDING_LIKE_STEMS, event_lines
from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, FULL_MIX, STEMS
from audiobatchd.worker.process.analyzers import make


def said(**fields: object) -> str:
    record = logging.LogRecord("audiobatchd", logging.INFO, "", 0, "folders-due-again", None, None)
    record.fields = {"dataset": "/music", "analyzers": "timbre", "folders": 1200, "leave_out": "name them", **fields}
    lines = event_lines(record, 200, several=False, plain="")
    return " ".join("".join(span.text for span in line).strip() for line in lines)


@pytest.mark.parametrize("hours", [3.1, "not known before some are measured"])
def test_folders_due_again_are_told_with_their_cost(hours: object) -> None:
    expected = f"· /music: 1200 complete folders are due for timbre; CPU hours: {hours}; else name them"
    assert said(cpu_hours=hours) == expected


def test_features_of_the_mix_that_end_like_stems_are_known() -> None:
    ours = tuple(point.name for point in distribution("audiobatchd").entry_points.select(group=ENTRY_POINT_GROUP))
    made = [each for each in make(WorkerSettings(ours)) if not isinstance(each, Offer)]
    mix = {feature.name for analyzer in made for feature in analyzer.features(FULL_MIX)}
    assert {name for name in mix if name.endswith(STEMS)} == set(MIX_ENDING_LIKE_STEMS)
