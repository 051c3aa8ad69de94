"""Leases on files, with real ones of other processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest

from audiobatchd.disk import leases
from audiobatchd.disk.leases import open_recalled, opened_by_no_other
from support.lease import lent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    return path


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_file_that_is_handed_back_is_opened(file: Path, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RECALL", 60.0)
    with lent(file, "hands it back"):
        directory = os.open(file.parent, os.O_PATH)
        descriptor = open_recalled(file.name, flags, dir_fd=directory)
        assert os.read(descriptor, 2) == b"x"
        os.close(descriptor)
        os.close(directory)


def test_file_that_is_kept_is_given_up(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RECALL", 0.02)
    with lent(file, "keeps it"), pytest.raises(BlockingIOError):
        open_recalled(file, os.O_RDWR)


def test_other_errors_are_raised_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("there is nothing to wait for"))
    with pytest.raises(FileNotFoundError):
        open_recalled(tmp_path / "none", os.O_RDONLY)


def test_who_has_a_file_open_is_noticed(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    for flags, alone in ((os.O_RDONLY, False), (os.O_RDWR, False), (os.O_PATH, True)):
        other = os.open(file, flags)
        with opened_by_no_other(descriptor) as found:
            assert found is alone, flags
        os.close(other)
    with opened_by_no_other(descriptor) as found:
        assert found
    os.close(descriptor)


def test_who_opens_it_meanwhile_waits_and_kills_nobody(file: Path) -> None:
    """Get a signal that is ignored: SIGIO, which the kernel would send, ends a process."""
    assert signal.getsignal(signal.SIGURG) is signal.SIG_DFL
    descriptor = os.open(file, os.O_RDWR)
    with opened_by_no_other(descriptor) as alone:
        assert alone
        with pytest.raises(BlockingIOError):
            os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    os.close(os.open(file, os.O_RDONLY | os.O_NONBLOCK))
    os.close(descriptor)


@pytest.mark.parametrize(("number", "alone"), [(errno.EACCES, False), (errno.EAGAIN, False), (errno.EINVAL, True)])
def test_file_system_that_has_no_leases(file: Path, number: int, alone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    descriptor = os.open(file, os.O_RDWR)
    monkeypatch.setattr(fcntl, "fcntl", failing)
    with opened_by_no_other(descriptor) as found:
        assert found is alone
    os.close(descriptor)
