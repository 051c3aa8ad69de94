"""Files are brought in whole, or not at all, and their source is never touched."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import NoReturn

import pytest

from audiobatchd.errors import SourceChangedError
from audiobatchd.imports import transfer
from audiobatchd.imports.manifest import Mode, Origin
from audiobatchd.imports.transfer import CannotError

CONTENT = os.urandom(3 << 20)
COPIES = (Mode.AUTO, Mode.COPY)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.flac"
    path.write_bytes(CONTENT)
    path.chmod(0o640)
    os.utime(path, ns=(10**18, 10**18 + 7))
    return path


def origin(path: Path) -> Origin:
    status = path.stat()
    return Origin(str(path), status.st_size, status.st_mtime_ns)


def fail(code: int) -> object:
    def failing(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("mode", [each for each in Mode if each is not Mode.REFLINK])
def test_a_mode_brings_the_content_and_its_time(source: Path, tmp_path: Path, mode: Mode) -> None:
    target = tmp_path / "target"
    transfer.bring(origin(source), str(target), mode)
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mtime_ns == 10**18 + 7
    assert target.is_symlink() == (mode is Mode.LINK)
    assert (target.stat().st_ino == source.stat().st_ino) == (mode in (Mode.LINK, Mode.HARDLINK, Mode.MOVE))
    assert source.read_bytes() == CONTENT


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_copies_by_the_kernel_it_copies_itself(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(os, "copy_file_range", fail(code))
    transfer.bring(origin(source), str(tmp_path / "target"), Mode.COPY)
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_a_kernel_that_copies_in_part_is_gone_on_with(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = os.copy_file_range
    counts = iter([1 << 20, 7, 0])
    monkeypatch.setattr(os, "copy_file_range", lambda one, two, most: copy(one, two, next(counts)))
    transfer.bring(origin(source), str(tmp_path / "target"), Mode.COPY)
    assert (tmp_path / "target").read_bytes() == CONTENT


@pytest.mark.parametrize("mode", COPIES)
def test_a_full_disk_leaves_nothing(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    monkeypatch.setattr(os, "copy_file_range", fail(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        transfer.bring(origin(source), str(tmp_path / "target"), mode)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("mode", [*COPIES, Mode.HARDLINK, Mode.LINK, Mode.MOVE])
def test_a_source_that_changed_or_went_is_not_brought(source: Path, tmp_path: Path, mode: Mode) -> None:
    known = origin(source)
    source.write_bytes(CONTENT[1:])
    with pytest.raises(SourceChangedError):
        transfer.bring(known, str(tmp_path / "target"), mode)
    source.unlink()
    with pytest.raises(FileNotFoundError):
        transfer.bring(known, str(tmp_path / "target"), mode)
    assert not (tmp_path / "target").is_symlink()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("how", ["ab", "r+b"], ids=["grows", "changes"])
def test_a_source_that_changes_while_it_is_copied_is_not_brought(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    copy = os.copy_file_range

    def changing(one: int, two: int, most: int) -> int:
        done = copy(one, two, most)
        with source.open(how) as file:
            file.write(b"more")
        return done

    monkeypatch.setattr(os, "copy_file_range", changing)
    with pytest.raises(SourceChangedError):
        transfer.bring(origin(source), str(tmp_path / "target"), Mode.COPY)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("mode", [*COPIES, Mode.HARDLINK, Mode.LINK, Mode.MOVE])
def test_what_is_there_is_never_replaced(source: Path, tmp_path: Path, mode: Mode) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        transfer.bring(origin(source), str(tmp_path / "target"), mode)
    assert (tmp_path / "target").read_bytes() == b"theirs"


def test_a_reflink_that_cannot_be_is_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "ioctl", fail(errno.EOPNOTSUPP))
    with pytest.raises(CannotError, match="try --mode copy"):
        transfer.bring(origin(source), str(tmp_path / "target"), Mode.REFLINK)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.REFLINK])
def test_where_there_are_reflinks_nothing_is_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    def clone(writing: int, request: int, reading: int) -> int:
        assert request == 0x40049409  # FICLONE: _IOW(0x94, 9, int) of linux/fs.h
        os.pwrite(writing, os.pread(reading, len(CONTENT), 0), 0)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    monkeypatch.setattr(os, "copy_file_range", fail(errno.EIO))
    transfer.bring(origin(source), str(tmp_path / "target"), mode)
    assert (tmp_path / "target").read_bytes() == CONTENT


def test_a_hard_link_across_devices_is_refused(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", fail(errno.EXDEV))
    with pytest.raises(CannotError, match="cannot make a hard link"):
        transfer.bring(origin(source), str(tmp_path / "target"), Mode.HARDLINK)


def test_a_move_across_devices_copies_and_compares(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fail(errno.EXDEV))
    transfer.bring(origin(source), str(tmp_path / "target"), Mode.MOVE)
    assert (tmp_path / "target").read_bytes() == CONTENT
    monkeypatch.setattr(transfer, "same_bytes", lambda *_: False)
    with pytest.raises(OSError, match="is not what was read"):
        transfer.bring(origin(source), str(tmp_path / "other"), Mode.MOVE)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o640), (0o077, 0o600), (0o002, 0o640)])
def test_rights_are_the_source_s_under_the_umask(source: Path, tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        transfer.bring(origin(source), str(tmp_path / "target"), Mode.COPY)
    finally:
        os.umask(before)
    assert (tmp_path / "target").stat().st_mode & 0o777 == mode


def test_an_executable_song_is_none_when_it_is_copied(source: Path, tmp_path: Path) -> None:
    source.chmod(0o777)
    transfer.bring(origin(source), str(tmp_path / "target"), Mode.COPY)
    assert not (tmp_path / "target").stat().st_mode & 0o111


@pytest.mark.parametrize(("one", "other", "same"), [(b"a", b"a", True), (b"a", b"b", False), (b"a", b"ab", False)])
def test_bytes_are_compared(tmp_path: Path, one: bytes, other: bytes, same: bool) -> None:
    for name, content in (("one", one), ("other", other)):
        (tmp_path / name).write_bytes(CONTENT + content)
    assert transfer.same_bytes(str(tmp_path / "one"), str(tmp_path / "other")) is same
