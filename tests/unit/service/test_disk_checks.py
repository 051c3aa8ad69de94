"""Looks at one folder: whether trouble is over, and clearing up what a killed worker left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.disk import record
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.service import disk_checks
from audiobatchd.service.disk_checks import probe, root_of, tidy
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause
from support.audio_files import make_track
from support.shortage import LEAST, Shortage, descriptors


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "music" / "Song", seconds=0.5, stems=())


def key_of(track: Path) -> FolderKey:
    return FolderKey(str(track.parent), track.name)


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_probe_names_the_trouble_that_is_still_there(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "try_writing", _refusing(errno.ENOSPC))
    assert probe(key_of(track), Cause.SPACE) == "No space left on device"
    assert probe(key_of(track), Cause.IO) == ""
    monkeypatch.setattr(disk_checks, "read_folder", _refusing(errno.EIO))
    assert probe(key_of(track), Cause.IO) == "Input/output error"


def test_probe_of_a_missing_folder_tells_only_of_the_root(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    key = FolderKey(str(tmp_path / "music"), "Song")
    assert probe(key, Cause.IO) == probe(key, Cause.SPACE) == ""
    (tmp_path / "music").rmdir()
    assert probe(key, Cause.IO) == "the dataset is not there"


def test_probe_is_not_held_up_by_a_fifo(track: Path) -> None:
    (track / "full_mix.flac").unlink()
    os.mkfifo(track / "full_mix.flac")
    assert probe(key_of(track), Cause.IO) == ""


def test_trouble_in_both_folders_is_the_disk_s(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = make_track(track.with_name("Other"), seconds=0.5, stems=())
    (track / "full_mix.flac").rename(track / "away")
    (track / "full_mix.flac").symlink_to("full_mix.flac")
    assert probe(key_of(track), Cause.IO, key_of(other)) == "", "a loop of links is no failing disk"
    monkeypatch.setattr(disk_checks, "read_folder", _refusing(errno.EIO))
    assert probe(key_of(track), Cause.IO, key_of(other)) == "Input/output error"


def test_tidying_removes_leavings_and_the_lock(track: Path) -> None:
    (track / ".audiobatch-0123456789ab.tmp").touch()
    track.with_name("Song.lock").write_bytes(of_this_process(0.0, 60.0, "t"))
    tidy(key_of(track))
    assert os.listdir(track) == ["full_mix.flac"]
    assert not track.with_name("Song.lock").exists()
    tidy(FolderKey(str(track.parent), "Nowhere"))


def test_tidying_leaves_a_locked_folder_as_it_is(track: Path) -> None:
    left = track / ".audiobatch-0123456789ab.tmp"
    left.touch()
    lock = FolderLock(str(track), 60.0)
    lock.acquire()
    try:
        tidy(key_of(track))
    finally:
        lock.release()
    assert left.exists()


def test_root_is_a_directory_or_none(track: Path) -> None:
    status = track.stat()
    assert root_of(str(track)) == (status.st_dev, status.st_ino)
    assert root_of(str(track / "full_mix.flac")) is None
    assert root_of(str(track / "nowhere")) is None


def test_tidying_waits_for_descriptors(track: Path) -> None:
    left = track / ".audiobatch-0123456789ab.tmp"
    left.touch()
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        tidy(key_of(track), short)
    assert not left.exists()
    assert short.met


@pytest.mark.parametrize("cause", [Cause.IO, Cause.SPACE])
def test_shortage_does_not_say_that_a_disk_is_mended(track: Path, cause: Cause) -> None:
    with descriptors(LEAST):
        trouble = probe(key_of(track), cause)
    assert trouble == "Too many open files"
