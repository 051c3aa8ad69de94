"""What an import needs of file systems is tried before anything of it is done, and leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import NoReturn

import pytest

from audiobatchd.imports import manifest, trial
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.manifest import Mode
from audiobatchd.imports.plan import Track
from audiobatchd.imports.transfer import CannotError
from audiobatchd.vocabulary.files import FileId
from support.music_library import write

HUGE = 1 << 62


def across(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


def tracks(root: Path, size: int | None = None) -> list[Track]:
    write(root / "music", "a.flac", "long name.flac")
    made = []
    for path in sorted((root / "music").iterdir()):
        status = path.stat()
        file = SourceFile(
            str(path), (), path.name, size or status.st_size, status.st_mtime_ns, FileId.of(status), is_link=False
        )
        made.append(Track(path.stem, {"full_mix.flac": file}))
    return made


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "dataset" / manifest.DIRECTORY).mkdir(parents=True)
    return tmp_path / "dataset"


@pytest.mark.parametrize("mode", [each for each in Mode if each is not Mode.REFLINK])
def test_a_trial_leaves_nothing_behind(tmp_path: Path, dataset: Path, mode: Mode) -> None:
    trial.refuse_impossible(tracks(tmp_path), str(dataset), mode)
    assert list((dataset / manifest.DIRECTORY).iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "refused"),
    [(Mode.HARDLINK, "hard link"), (Mode.REFLINK, "reflink"), (Mode.AUTO, ""), (Mode.MOVE, ""), (Mode.LINK, "")],
)
def test_without_shared_blocks_it_copies_or_refuses(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode, refused: str
) -> None:
    monkeypatch.setattr(os, "link", across)
    monkeypatch.setattr(fcntl, "ioctl", across)
    if refused:
        with pytest.raises(CannotError, match=f"nothing was done: cannot make a {refused}"):
            trial.refuse_impossible(tracks(tmp_path), str(dataset), mode)
    else:
        trial.refuse_impossible(tracks(tmp_path), str(dataset), mode)


def test_room_is_asked_for_where_files_are_copied(tmp_path: Path, dataset: Path) -> None:
    with pytest.raises(CannotError, match=r"are needed, and .* are free"):
        trial.refuse_impossible(tracks(tmp_path, HUGE), str(dataset), Mode.COPY)
    trial.refuse_impossible(tracks(tmp_path, HUGE), str(dataset), Mode.LINK)


@pytest.mark.parametrize("mode", [Mode.HARDLINK, Mode.AUTO, Mode.MOVE])
def test_a_file_that_cannot_be_tried_is_left_to_its_turn(tmp_path: Path, dataset: Path, mode: Mode) -> None:
    found = tracks(tmp_path)
    for path in (tmp_path / "music").iterdir():
        path.unlink()
    trial.refuse_impossible(found, str(dataset), mode)
