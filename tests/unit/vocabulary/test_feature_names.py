"""The names of features that a completion offers: those that the analyzers give."""

from __future__ import annotations

from importlib.metadata import distribution

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, FULL_MIX, STEMS
from audiobatchd.vocabulary.analyzer_sets import OPTIONAL_FEATURES
from audiobatchd.vocabulary.feature_names import analyzers, features
from audiobatchd.worker.process.analyzers import make


def test_names_are_those_of_the_analyzers() -> None:
    ours = tuple(point.name for point in distribution("audiobatchd").entry_points.select(group=ENTRY_POINT_GROUP))
    made = [each for each in make(WorkerSettings(ours)) if not isinstance(each, Offer)]
    given = [feature.name for each in made for role in (FULL_MIX, *STEMS) for feature in each.features(role)]
    assert sorted(features()) == sorted({*given, *OPTIONAL_FEATURES})
    assert sorted(analyzers()) == sorted({*ours, *(each.name for each in made)})
