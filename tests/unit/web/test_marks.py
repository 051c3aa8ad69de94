"""Beats and onsets beside a record: numbers alone, of files within the dataset."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.web import marks
from audiobatchd.web.marks import marks_beside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A track folder."""
    made = tmp_path / "music" / "Song"
    made.mkdir(parents=True)
    return made


def read(folder: Path, suffix: str = ".ONSETS") -> list[float]:
    (found,) = marks_beside(FolderKey(str(folder.parent), folder.name), (suffix,))
    return found


def test_times_are_read_line_by_line(folder: Path) -> None:
    (folder / "Song.ONSETS").write_text("0.5\n 1.25\nnan\ninf\nbeat\n\n1e400\n2\n")
    assert read(folder) == [0.5, 1.25, 2.0]
    assert read(folder, ".BEATS_GRID") == []


def test_dataset_that_is_a_track_folder_has_its_own_name(folder: Path) -> None:
    (folder / "Song.ONSETS").write_text("1\n")
    assert marks_beside(FolderKey(f"{folder}/", ""), (".ONSETS",)) == [[1.0]]


def test_no_link_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("12345\n")
    (folder / "Song.ONSETS").symlink_to(tmp_path / "secret")
    assert read(folder) == []
    (folder.parent / "link").symlink_to(tmp_path)
    assert marks_beside(FolderKey(str(folder.parent), "link"), ("x",)) == [[]]


def test_pipe_and_endless_file_hold_up_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "Song.ONSETS")
    assert read(folder) == []
    monkeypatch.setattr(marks, "_MOST", 3)
    (folder / "Song.BEATS_GRID").write_text("1\n" * 1000)
    assert read(folder, ".BEATS_GRID") == [1.0] * 3
    with open(folder / "Song.BEATS_GRID", "wb") as file:
        file.truncate(50 << 30)
    assert read(folder, ".BEATS_GRID") == []
