"""Sets of analyzers: which ones a list of sets and names chooses, and what it refuses."""

from __future__ import annotations

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from audiobatchd.errors import ConfigError, UnknownOptionError
from audiobatchd.plugin_api import ENTRY_POINT_GROUP, FULL_MIX, Options, Settings
from audiobatchd.vocabulary.analyzer_sets import ALL, DEFAULT, OFF_BY_DEFAULT, OPTIONAL_FEATURES, OPTIONS, SETS, chosen

INSTALLED = ("timbre", "crest", "loudness", "peaks", "rhythm", "classifiers")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (None, "classifiers crest loudness peaks rhythm timbre"),
        ((), ""),
        (("all",), "classifiers crest loudness peaks rhythm timbre"),
        (("default",), "classifiers crest loudness peaks rhythm timbre"),
        (("guide",), "classifiers loudness rhythm timbre"),
        (("light",), "loudness peaks"),
        (("light", "rhythm", "peaks"), "loudness peaks rhythm"),
        (("rhythm", "loudness"), "rhythm loudness"),
        (("default", "-timbre"), "classifiers crest loudness peaks rhythm"),
        (("-timbre", "default"), "classifiers crest loudness peaks rhythm"),
        (("-timbre",), "classifiers crest loudness peaks rhythm"),
        (("-guide",), "crest peaks"),
        (("loudness", "-loudness"), ""),
    ],
)
def test_sets_and_names_choose(words: tuple[str, ...] | None, names: str) -> None:
    assert chosen(words, INSTALLED) == tuple(names.split())


def test_default_leaves_out_what_is_off_and_keeps_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatchd.vocabulary.analyzer_sets.OFF_BY_DEFAULT", ("timbre", "absent"))
    assert chosen(None, ("crest", "timbre")) == ("crest",)
    assert chosen(("default", "timbre"), ("crest", "timbre")) == ("crest", "timbre")


@pytest.mark.parametrize("words", [("loudnes",), ("default", "-loudnes"), ("-loudnes",)])
def test_an_unknown_name_is_refused_with_the_nearest(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match='cannot find the analyzer "loudnes": did you mean "loudness"'):
        chosen(words, INSTALLED)


@pytest.mark.parametrize("word", ["defualt", "lihgt"])
def test_a_set_misspelt_is_suggested(word: str) -> None:
    with pytest.raises(ConfigError, match=r'did you mean "(default|light)"'):
        chosen((word,), INSTALLED)


def test_no_analyzer_has_the_name_of_a_set() -> None:
    installed = {point.name for point in entry_points(group=ENTRY_POINT_GROUP)}
    assert installed.isdisjoint({ALL, DEFAULT, *SETS})
    assert installed >= {*OFF_BY_DEFAULT, *(name for members in SETS.values() for name in members)}


@pytest.mark.parametrize("feature", OPTIONAL_FEATURES)
def test_an_optional_feature_is_turned_on_as_told(feature: str, tmp_path: Path) -> None:
    table, _, line = OPTIONAL_FEATURES[feature].partition(" ")
    ((entry, options),) = tomllib.loads(f"{table}\n{line}")["analyzer"].items()
    assert feature not in given_by(entry, {}, tmp_path)
    assert given_by(entry, options, tmp_path) >= {
        feature,
        *given_by(entry, {}, tmp_path),
    }  # what was on before stays on


def test_options_are_those_of_the_analyzers(tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP)):
        if not point.value.startswith("audiobatch_analyzers."):
            continue
        with pytest.raises(UnknownOptionError) as refused:
            point.load()(Settings(Options({"no such option": 1}), (tmp_path,)))
        for option in refused.value.known:
            found.setdefault(option, []).append(point.name)
    assert {option: sorted(owners) for option, owners in OPTIONS.items()} == found


def given_by(entry: str, options: dict[str, object], models: Path) -> set[str]:
    (point,) = entry_points(group=ENTRY_POINT_GROUP, name=entry)
    return {
        each.name for made in point.load()(Settings(Options(options), (models,))) for each in made.features(FULL_MIX)
    }
