"""The manifest of the published models."""

from __future__ import annotations

import re

import pytest

from audiobatch_analyzers.classifiers import analyzer as classifiers
from audiobatchd.models.manifest import BY_NAME, DEFAULT, MODELS, OFFICIAL, wanted, with_needed
from audiobatchd.models.store import is_name
from audiobatchd.plugin_api import Options, Settings

PUBLISHED = {
    "msd-musicnn-1": "feature-extractors/musicnn/msd-musicnn-1",
    "danceability-msd-musicnn-1": "classification-heads/danceability/danceability-msd-musicnn-1",
    "tonal_atonal-msd-musicnn-1": "classification-heads/tonal_atonal/tonal_atonal-msd-musicnn-1",
    "danceability-musicnn-msd-2": "classifiers/danceability/danceability-musicnn-msd-2",
    "tonal_atonal-musicnn-mtt-2": "classifiers/tonal_atonal/tonal_atonal-musicnn-mtt-2",
    "danceability-vggish-audioset-1": "classifiers/danceability/danceability-vggish-audioset-1",
    "tonal_atonal-vggish-audioset-1": "classifiers/tonal_atonal/tonal_atonal-vggish-audioset-1",
    "discogs-effnet-bs64-1": "feature-extractors/discogs-effnet/discogs-effnet-bs64-1",
    "genre_discogs400-discogs-effnet-1": "classification-heads/genre_discogs400/genre_discogs400-discogs-effnet-1",
    "mtg_jamendo_moodtheme-discogs-effnet-1": (
        "classification-heads/mtg_jamendo_moodtheme/mtg_jamendo_moodtheme-discogs-effnet-1"
    ),
    "mtg_jamendo_instrument-discogs-effnet-1": (
        "classification-heads/mtg_jamendo_instrument/mtg_jamendo_instrument-discogs-effnet-1"
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_address_is_the_published_one(name: str) -> None:
    assert BY_NAME[name].path == PUBLISHED[name]


def test_every_entry_is_whole() -> None:
    assert len(BY_NAME) == len(MODELS)
    assert OFFICIAL.startswith("https://")
    for model in MODELS:
        assert is_name(model.name)
        assert model.path.endswith(f"/{model.name}")
        assert model.needs is None or model.needs in BY_NAME
        assert model.sha256 is None or re.fullmatch("[0-9a-f]{64}", model.sha256)


def test_a_head_comes_after_its_backbone_and_nothing_twice() -> None:
    assert [model.name for model in with_needed(["danceability-discogs-effnet-1"])] == [
        "discogs-effnet-bs64-1",
        "danceability-discogs-effnet-1",
    ]
    head, other = "mood_sad-msd-musicnn-1", "danceability-musicnn-mtt-2"
    assert [model.name for model in with_needed([head, other, head])] == ["msd-musicnn-1", head, other]
    assert tuple(model.name for model in with_needed(DEFAULT)) == DEFAULT


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        with_needed(["unknown-1"])


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, DEFAULT),
        ({"heads": "danceability"}, DEFAULT),
        ({"heads": ["mood_sad", "mine"]}, ("msd-musicnn-1", "mood_sad-msd-musicnn-1")),
        ({"heads": ["danceability", 3], "families": ["mine-1", "musicnn-msd-2"]}, ("danceability-musicnn-msd-2",)),
        ({"heads": ["genre_discogs400"]}, ("discogs-effnet-bs64-1", "genre_discogs400-discogs-effnet-1")),
        ({"heads": ["genre_discogs400"], "families": ["msd-musicnn-1"]}, ()),
    ],
)
def test_wanted_are_the_preferred_of_each_head(options: dict[str, object], names: tuple[str, ...]) -> None:
    assert wanted(options) == names


def test_heads_families_and_analyzers_are_the_analyzers_own() -> None:
    assert tuple(BY_NAME[name].head for name in DEFAULT if BY_NAME[name].head) == classifiers.HEADS
    families = tuple(dict.fromkeys(model.family for model in MODELS if model.head))
    assert families == classifiers.FAMILIES
    for head in {model.head for model in MODELS if model.head}:
        (made,) = classifiers.classifiers(Settings(Options({"heads": [head]})))
        assert {model.serves for model in MODELS if model.head == head} == {made.name}
