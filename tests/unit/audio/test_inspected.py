"""The file object that analyzers of the file itself are given: bounded, seekable, and over the open descriptor."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.audio.inspected import InspectedFile
from audiobatchd.audio.source import SourceFile, open_source
from audiobatchd.errors import DamagedFileError

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def source(tmp_path: Path) -> Iterator[SourceFile]:
    (tmp_path / "full_mix.mp3").write_bytes(CONTENT)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    with open_source(descriptor, b"full_mix.mp3") as opened:
        yield opened
    os.close(descriptor)


@pytest.fixture
def file(source: SourceFile) -> InspectedFile:
    return InspectedFile(source, "drums", 60.0)


def test_file_tells_what_it_is(file: InspectedFile) -> None:
    assert (file.role, file.name, file.size) == ("drums", "full_mix.mp3", len(CONTENT))


def test_reading_is_that_of_any_file(file: InspectedFile) -> None:
    ours, other = file.open(), io.BytesIO(CONTENT)
    assert ours.readable()
    assert ours.seekable()
    assert not ours.writable()
    steps = [(0, 0, 5), (10, 1, 300), (-7, 2, 100), (3, 2, 4), (9_000, 0, -1), (1, 0, 1 << 62), (0, 0, 0)]
    for offset, whence, length in steps:
        assert ours.seek(offset, whence) == other.seek(offset, whence)
        assert ours.read(min(length, 1 << 20)) == other.read(length if length < 1 << 62 else 1 << 20)
        assert ours.tell() == other.tell()
    with pytest.raises(OSError, match="Invalid argument") as caught:
        ours.seek(-len(CONTENT) - 1, os.SEEK_END)
    assert caught.value.errno == errno.EINVAL
    assert io.BufferedReader(file.open()).read() == CONTENT  # type: ignore[type-var]  # a raw file by its methods


def test_readings_are_at_places_of_their_own(file: InspectedFile) -> None:
    one, other = file.open(), file.open()
    assert one.read(4) == other.read(4) == CONTENT[:4]


def test_file_that_was_opened_is_read_and_not_its_name(file: InspectedFile, tmp_path: Path) -> None:
    (tmp_path / "full_mix.mp3").rename(tmp_path / "old")
    (tmp_path / "full_mix.mp3").write_bytes(b"another one")
    assert file.open().read() == CONTENT


def test_huge_request_takes_no_more_than_there_is(file: InspectedFile) -> None:
    assert file.open().read(1 << 62) == CONTENT


def test_reading_over_and_over_ends(file: InspectedFile) -> None:
    reading = file.open()

    def read_on() -> None:
        for _ in range(10_000):
            reading.seek(0)
            reading.read()

    with pytest.raises(OSError, match=r"more is read of full_mix\.mp3 than 16 times its size"):
        read_on()
    with pytest.raises(OSError, match="more is read"):
        file.open().read()
    file.check()


def test_fault_of_the_disk_is_kept_whoever_swallows_it(
    source: SourceFile, file: InspectedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(OSError, match="Input/output"):
        file.open().read(1)
    with pytest.raises(OSError, match="Input/output") as caught:
        file.check()
    assert caught.value.errno == errno.EIO
    again = InspectedFile(source, "drums", 60.0)
    with pytest.raises(OSError, match="Input/output"):
        again.encoding()
    with pytest.raises(OSError, match="Input/output"):
        again.check()


def test_damage_is_kept_whoever_swallows_it(file: InspectedFile) -> None:
    file.check()
    with pytest.raises(DamagedFileError):
        file.encoding()
    with pytest.raises(DamagedFileError):
        file.check()


def test_progress_is_told_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    told: list[int] = []
    with open_source(descriptor, b"a", lambda: told.append(1)) as opened:
        InspectedFile(opened, "full_mix", 60.0).open().read(10)
    os.close(descriptor)
    assert told
