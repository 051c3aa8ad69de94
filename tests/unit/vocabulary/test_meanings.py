"""Units and descriptions: those that the analyzers themselves declare."""

from __future__ import annotations

from importlib.metadata import entry_points

from audiobatchd.core.assessment import Offer
from audiobatchd.core.messages import WorkerSettings
from audiobatchd.plugin_api import ENTRY_POINT_GROUP
from audiobatchd.vocabulary.files import ROLES
from audiobatchd.vocabulary.meanings import MEANINGS, meaning_of
from audiobatchd.worker.process.analyzers import make


def declared() -> dict[str, tuple[str, str]]:
    """What every analyzer of this project declares of its features, by name."""
    points = [each.name for each in entry_points(group=ENTRY_POINT_GROUP) if each.value.startswith("audiobatch_")]
    made = [each for each in make(WorkerSettings(analyzers=tuple(points))) if not isinstance(each, Offer)]
    features = [feature for each in made for role in ROLES for feature in each.features(role)]
    return {each.name: (each.unit, each.description) for each in features}


def test_meanings_are_those_that_analyzers_declare() -> None:
    features = {name: told for name, told in declared().items() if not name.startswith(".")}
    assert {name: tuple(meaning_of(name)) for name in features} == features
    assert set(MEANINGS) <= set(features) | {name.removesuffix("_drums") for name in features}


def test_stem_has_the_meaning_of_the_mix() -> None:
    assert meaning_of("true_peak_vocals") == meaning_of("true_peak")
    assert meaning_of("rms_energy_bass").description != meaning_of("rms_energy").description
    assert tuple(meaning_of("mood_drums")) == ("", "")
