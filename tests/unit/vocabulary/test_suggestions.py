"""Suggestions: which known name an unknown one was perhaps meant to be, and the sentence for it."""

from __future__ import annotations

import pytest

from audiobatchd.vocabulary.suggestions import cannot_find, did_you_mean, folded, nearest, nearest_paths, pieces, same

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
    assert cannot_find("the feature", "x\n", ["lufs"]) == 'cannot find the feature "x\\x0a": there are: lufs'
    assert cannot_find("the feature", "x", []) == 'cannot find the feature "x": there are none'
    assert cannot_find("the feature", "loudnes", ["bpm"], ["loudness"]).endswith('"loudness"? There are: bpm')


def test_spelling_of_the_same_name_is_found() -> None:
    assert same("RMS_energy", KNOWN) == "RMS-Energy"
    assert same("rms", KNOWN) is None


PATHS = ("Artist/Album/01 - Song", "Artist/02 - Other", "Beyonce\u0301 - Halo", "Bj\u00f6rk - J\u00f3ga", "\u6b4c")


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("artist/album/01 - song", "Artist/Album/01 - Song"),
        ("Artist/Album/01_Song", "Artist/Album/01 - Song"),
        ("Album/01 - Song", "Artist/Album/01 - Song"),
        ("01 - Sogn", "Artist/Album/01 - Song"),
        ("Song", "Artist/Album/01 - Song"),
        ("/srv/music/Artist/02 - Other/", "Artist/02 - Other"),
        ("beyonce halo", "Beyonce\u0301 - Halo"),
        ("Beyonc\u00e9 - Hallo", "Beyonce\u0301 - Halo"),
        ("Bjork - Joga", "Bj\u00f6rk - J\u00f3ga"),
        ("\u6b4c", "\u6b4c"),
        ("xyzzy", None),
        ("", None),
        ("/", None),
    ],
)
def test_the_nearest_path_comes_first(path: str, first: str | None) -> None:
    assert next(iter(nearest_paths(path, PATHS)), None) == first


def test_paths_are_named_up_to_three_and_in_order() -> None:
    assert nearest_paths("Song 5", [f"Song {each}" for each in range(9)] * 2) == ["Song 5", "Song 0", "Song 1"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Brokn", "artist/broken"),
        ("Artist/Album/Brokn", "broken"),
        ("Bjork - Joga", "bj\u00f6rk - j\u00f3ga"),
        ("Beyonc\u00e9", "beyonce\u0301"),
        ("\u30c9\u30ec\u30df", "\u30c9\u30ec\u30df\u30d5\u30a1"),
        ("A Rather Long Name of a Song That Goes On and On (Remastered 2011)", "a rather long name of a song"),
    ],
)
def test_pieces_are_few_and_most_are_in_what_is_like_it(name: str, known: str) -> None:
    found = pieces(name)
    assert 0 < len(found) <= 8
    assert sum(each in known for each in found) * 3 >= len(found)


def test_empty_name_has_no_pieces() -> None:
    assert pieces("") == pieces("/") == []


def test_folded_name_has_letters_and_digits_alone() -> None:
    assert folded(" 01. Bj\u00f6rk -- J\u00d3GA!") == "01 bjork joga"


def test_long_list_is_not_told_beside_the_nearest() -> None:
    known = ["status", *(f"x{number}" for number in range(40))]
    assert cannot_find("the command", "statsu", known) == (
        'cannot find the command "statsu": did you mean "status"? There are 40 more'
    )
    assert cannot_find("the command", "unlike", known).count(", ") == 40
