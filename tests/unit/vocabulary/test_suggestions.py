"""Suggestions: which known name an unknown one was perhaps meant to be, and the sentence for it."""

from __future__ import annotations

import pytest

from audiobatchd.vocabulary.suggestions import cannot_find, did_you_mean, nearest

KNOWN = ("lufs", "lra", "loudness", "bpm_is_defined", "brightness", "RMS-Energy")


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("loudnes", "loudness"),
        ("LUFS", "lufs"),
        ("bpm-is-defined", "bpm_is_defined"),
        ("bright", "brightness"),
        ("rms_energy", "RMS-Energy"),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_the_nearest_name_comes_first(name: str, first: str | None) -> None:
    assert next(iter(nearest(name, KNOWN)), None) == first


def test_at_most_three_are_named_and_none_twice() -> None:
    assert nearest("lufs_x", [f"lufs_{each}" for each in "abcdefgh"] * 2) == ["lufs_h", "lufs_g", "lufs_f"]
    assert did_you_mean("lufs", ["lufs_a", "lufs_b"], "`") == "did you mean `lufs_b` or `lufs_a`?"


def test_the_sentence_names_the_nearest_and_all() -> None:
    told = cannot_find("the feature", "lufz", ["lufs", "bpm"], ["loudness"])
    assert told == 'cannot find the feature "lufz": did you mean "lufs"? There are: bpm, lufs'
    assert cannot_find("the feature", "x\n", ["lufs"]) == 'cannot find the feature "x\\x0a": There are: lufs'
    assert cannot_find("the feature", "x", []) == 'cannot find the feature "x": There are none'
    assert cannot_find("the feature", "loudnes", ["bpm"], ["loudness"]).endswith('"loudness"? There are: bpm')
