"""Watched datasets for the tests of this room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.vocabulary.states import WatchReport
from support.watch_rig import LAST, Ear, MakeEar, songs


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """A dataset with two songs, watched, with a directory beside it for what is moved in and out."""
    root = tmp_path / "music"
    for path in ("Song", "Other", LAST):
        (root / path).mkdir(parents=True)
    for path in ("Song/full_mix.flac", "Song/drums.flac", "Song/notes.txt", "Song/Song.INFO", "Other/full_mix.flac"):
        (root / path).write_bytes(b"sound")
    shutil.copytree(root, tmp_path / "outside")
    made = Ear(root, ("skip*",))
    assert made.full_walk() == WatchReport(True, "inotify", parents=1, leaves=3)
    yield made
    made.watches.stop()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[MakeEar]:
    """Makes a watch on a dataset of this many songs, which begins with its first walk."""
    ears: list[Ear] = []

    def make(count: int, *, budget: int | None = None) -> Ear:
        songs(tmp_path / "music", *(f"Song {number:04}" for number in range(count)))
        ears.append(Ear(tmp_path / "music", budget=budget))
        return ears[-1]

    yield make
    for ear in ears:
        ear.go_on.set()
        ear.watches.stop()
