"""What a path tells of a track."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.imports.titles import from_path, titles_in

CASES = [
    ("Nirvana/Nevermind/01 - Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana/1991 - Nevermind/01. Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana/Nevermind (1991)/01 Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana/Nirvana - Nevermind/01 Nirvana - Breed", "Nirvana", "Nevermind", "Breed"),
    ("Music/Nirvana/Nevermind/CD 2/1-01 Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana/Nevermind/Disc1/02_Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana - Nevermind/03 Breed", "Nirvana", "Nevermind", "Breed"),
    ("Nirvana/Breed", "Nirvana", None, "Breed"),
    ("Nirvana - Breed", "Nirvana", None, "Breed"),
    ("Kevin_MacLeod_-_Vibe_Ace", "Kevin MacLeod", None, "Vibe Ace"),
    ("Hits/Nirvana - Breed", "Nirvana", "Hits", "Breed"),
    ("Various Artists/Hits/07 Nirvana - Breed", "Nirvana", "Hits", "Breed"),
    ("Breed", None, None, "Breed"),
    ("Prince/1999/01 1999", "Prince", "1999", "1999"),
]


@pytest.mark.parametrize(("path", "artist", "album", "title"), CASES)
def test_a_path_names_a_track(path: str, artist: str | None, album: str | None, title: str) -> None:
    *below, stem = path.split("/")
    # Its number shows as one beside others.
    found = from_path(
        below, titles_in([stem, "08 Other", "09 Third"])[0] if stem[0].isdigit() else titles_in([stem])[0]
    )
    assert (found.get("artist"), found.get("album"), found["title"]) == (artist, album, title)


@pytest.mark.parametrize(
    ("stems", "titles"),
    [
        (["01 A", "02 B", "03 99 Luftballons"], ["A", "B", "99 Luftballons"]),
        (["99 Luftballons", "Irgendwie", "Nur geträumt"], ["99 Luftballons", "Irgendwie", "Nur geträumt"]),
        (["99 Luftballons"], ["99 Luftballons"]),
        (["01 - Alone"], ["Alone"]),
        (["07 Alone"], ["Alone"]),
        (["24 Hours"], ["24 Hours"]),
        (["01 Intro", "02 Song", "09 intro"], ["01 Intro", "Song", "09 intro"]),
        (["1-01 A", "2-01 A", "2-02 B"], ["1-01 A", "2-01 A", "B"]),
        (["01", "02"], ["01", "02"]),
    ],
)
def test_numbers_go_where_they_are_numbers_and_titles_differ(stems: list[str], titles: list[str]) -> None:
    assert [told["title"] for told in titles_in(stems)] == titles


def test_numbers_of_track_and_disc_are_told() -> None:
    told = titles_in(["1-01 A", "2-11 B"])[1]
    assert (told["disc"], told["track"]) == ("2", "11")
    assert from_path(["A", "B", "CD3"], {"title": "x"})["disc"] == "3"


NAMES = st.binary(min_size=1, max_size=30).filter(lambda raw: b"/" not in raw and b"\0" not in raw).map(os.fsdecode)


@given(st.lists(NAMES, max_size=3), st.lists(NAMES, min_size=1, max_size=5))
@settings(max_examples=150, deadline=None)
def test_names_of_any_bytes_tell_something(below: list[str], stems: list[str]) -> None:
    for told in titles_in(stems):
        found = from_path(below, told)
        assert all(text == text.strip() and text.isprintable() for text in found.values())
