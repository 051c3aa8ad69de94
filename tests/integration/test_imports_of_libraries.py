"""A library of ten albums imported, measured and undone by the programs; the library is then as it was.

And a service that watches the dataset meanwhile: it never sees half a folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.music_library import Tree, folders, ten_albums, tree
from support.service import configuration, eventually, once, run, service


class Library:
    """The library, and the dataset that is made of it."""

    def __init__(self, root: Path) -> None:
        self.music = root / "my music"
        self.music.mkdir()
        self.tracks = ten_albums(self.music)
        self.before: Tree = tree(self.music)
        self.dataset = root / "dataset"
        self.config = configuration(root / "c.toml", self.dataset, settle=0.0)

    def ctl(self, *arguments: object) -> dict[str, Any]:
        code, out, err = run("audiobatchctl", "import", *arguments, "--config", self.config, "--json")
        assert code == 0, (out, err)
        return dict(json.loads(out))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("library"))


@pytest.fixture(scope="module")
def done(library: Library) -> dict[str, Any]:
    return library.ctl(library.music, library.dataset)


def test_every_track_has_a_folder_with_a_name_of_its_own(library: Library, done: dict[str, Any]) -> None:
    found = folders(library.dataset)
    assert len(found) == len(done["imported"]) == library.tracks
    assert all(len(name.encode()) <= 250 for name in found)
    assert found["J - Stems - Song 0"] == [
        *("bass.flac", "drums.flac", "full_mix.flac", "guitar.flac", "other.flac", "piano.flac", "vocals.flac"),
    ]
    assert found.keys() >= {
        *(f"A - Tagged - Song {number}" for number in range(6)),
        *(f"B - Untagged - Song {number}" for number in range(6)),
        *(f"Björk - Début - Sång {number}" for number in range(6)),
        *(f"Band {number} - Hits - Hit" for number in range(6)),
        *("E - Two discs - 01 Part", "E - Two discs - 03 Part (2)"),
        *("H - Alike - Same", "H - Alike - SAME (3)", "H - Alike - same (2)", "H - Alike - ..-Same"),
        *("K - Bytes - café", "K - Bytes - two lines", "K - Bytes - quote'\""),
    }
    assert {Path(each["path"]).name for each in done["left_out"]} == {"image.flac"}
    assert done["passed_over"] == {"picture": 2, "playlist": 1, "video": 1, "other file": 1}
    assert done["failed"] == []


def test_measured_and_undone_the_library_is_as_it_was(library: Library, done: dict[str, Any]) -> None:
    assert tree(library.music) == library.before
    code, out, err = once(library.dataset)
    assert code == 0, (out, err)
    assert f"Success:        {library.tracks}" in out
    assert library.ctl(library.music, library.dataset)["already"] == library.tracks
    found = library.ctl("--undo", done["id"], library.dataset)
    assert (len(found["removed"]), found["left"]) == (library.tracks, [])
    assert os.listdir(library.dataset) == [".audiobatch-imports"]
    assert tree(library.music) == library.before


def test_a_service_that_watches_sees_whole_folders(library: Library, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    with service(tmp_path / "daemon", configuration(tmp_path / "c.toml", dataset, settle=0.0)) as daemon:
        eventually(daemon.is_watched)
        done = library.ctl(library.music, dataset)
        daemon.becomes(complete=library.tracks)
        status = daemon.status()
        assert status is not None
        assert (status.datasets[0].warnings, status.datasets[0].near_misses) == ([], [])
        # Of half a folder it would have measured the full mix, and the stems in a second job.
        events = [line for line in daemon.log().splitlines() if "J - Stems - Song 0" in line]
        assert len(events) == 1, events
        assert library.ctl("--undo", done["id"], dataset)["left"] == []
        daemon.becomes()
        assert daemon.stop() == 0
    assert os.listdir(dataset) == [".audiobatch-imports"]
    assert tree(library.music) == library.before
