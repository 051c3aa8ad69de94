"""Files that others may have put there: no kind and no size of them holds up the reader."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.disk import bounded
from audiobatchd.errors import UnfitFileError


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 50 << 30)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (Path.mkdir, "it is a directory"),
        (os.mkfifo, "it is not a regular file"),
        (_socket, "it is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "it is not a regular file"),
        (_sparse, "its 53,687,091,200 bytes are more than the 1 MiB allowed"),
    ],
    ids=["directory", "FIFO", "socket", "device", "sparse"],
)
def test_what_is_unfit_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "file"
    make(path)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(UnfitFileError, match=f"^{why}$"):
        bounded.read(path, 1 << 20)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("size", [0, 1, 65536, 100_000])
def test_up_to_the_limit_all_is_read(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(size))
    assert bounded.read(path, size)[0] == path.read_bytes()
    assert bounded.read(path, size + 70_000)[0] == path.read_bytes()
    if size:
        with pytest.raises(UnfitFileError):
            bounded.read(path, size - 1)


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    read, taken = os.read, []

    def read_and_grow(descriptor: int, size: int) -> bytes:
        block = read(descriptor, size)
        taken.append(len(block))
        with path.open("ab") as file:
            file.write(b"x" * 100_000)
        return block

    monkeypatch.setattr(os, "read", read_and_grow)
    with pytest.raises(UnfitFileError, match="bytes are more than the 256 KiB allowed"):
        bounded.read(path, 1 << 18)
    assert sum(taken) == (1 << 18) + 1


def test_a_file_of_proc_that_tells_no_size_is_read() -> None:
    assert bounded.text("/proc/self/status", 1 << 16).startswith("Name:")
