"""Ranges to which values are bounded: those that the analyzers declare."""

from __future__ import annotations

import re
from importlib.metadata import entry_points

import pytest

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.exports.ranges import RANGES, range_of
from audiobatchd.plugin_api import ENTRY_POINT_GROUP
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.worker.process.analyzers import make

# A flag has no range that a number could leave.
_BOUNDS = re.compile(r"(?:usually )?(-?[\d.]+) to (-?[\d.]+)(?:, or as folded)?")


def test_ranges_are_those_of_the_analyzers() -> None:
    points = [each.name for each in entry_points(group=ENTRY_POINT_GROUP) if each.value.startswith("audiobatch_")]
    made = [each for each in make(WorkerSettings(analyzers=tuple(points))) if not isinstance(each, Offer)]
    bounds = {feature.name: feature.bounds for each in made for role in ROLES for feature in each.features(role)}
    ranges = {name: (float(it[1]), float(it[2])) for name, text in bounds.items() if (it := _BOUNDS.fullmatch(text))}
    ranges.pop("track_metadata_year")  # what a tag may say, and no scale
    assert {name: range_of(name) for name in ranges} == ranges
    assert set(RANGES) - {"quality_hum", "danceability", "atonality"} <= {*ranges, "syncopation"}


@pytest.mark.parametrize(
    ("key", "expected"), [("bpm", (40.0, 208.0)), ("syncopation_drums", (0.0, 1.0)), ("lufs", None), ("x_drums", None)]
)
def test_stem_has_the_range_of_the_mix(key: str, expected: object) -> None:
    assert range_of(key) == expected
