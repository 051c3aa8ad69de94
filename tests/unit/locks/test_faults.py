"""Locks where system calls fail."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import LockBusyError
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import held_here
from audiobatchd.locks.lock_file import Empty
from audiobatchd.locks.observer import LockState
from support.lock_rig import (
    BUSY,
    GOT,
    StartPeer,
    attempt,
    descriptors,
    fails,
    held,
    holder,
    lock_of,
    lock_path,
    state_of,
)

# What the system calls may say


def is_lock(path: object, *_: object) -> bool:
    return str(path).endswith(".lock")


def for_reading(path: object, flags: int, *_: object) -> bool:
    return is_lock(path) and flags & os.O_ACCMODE == os.O_RDONLY


def for_writing(path: object, flags: int, *_: object) -> bool:
    return is_lock(path) and flags & os.O_ACCMODE == os.O_RDWR


def to_lock(_descriptor: int, command: int, *_: object) -> bool:
    return command == fcntl.F_OFD_SETLK


STALE: dict[str, tuple[object, str, Callable[..., bool]]] = {
    "opening to look": (os, "open", for_reading),
    "opening to lock": (os, "open", for_writing),
    "reading": (os, "pread", lambda *_: True),
    "locking": (fcntl, "fcntl", to_lock),
    "asking": (fcntl, "fcntl", lambda _descriptor, command, *_: command == fcntl.F_OFD_GETLK),
    "the kind of file system": (filesystems, "kind_of", lambda *_: True),
    "signing": (os, "pwrite", lambda *_: True),
    "cutting": (os, "ftruncate", lambda *_: True),
}


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("leave", [None, b"", holder()], ids=["absent", "empty", "dead"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_stale_handle_starts_over(
    track: Path, monkeypatch: pytest.MonkeyPatch, name: str, leave: bytes | None, times: int, start: StartPeer
) -> None:
    if leave is not None:
        lock_path(track).write_bytes(leave)
        os.utime(lock_path(track), (0, 0))
    with monkeypatch.context() as patch:
        where, function, when = STALE[name]
        fails(patch, where, function, errno.ESTALE, times=times, when=when)
        lock = held(track)
    lock.gate()
    assert start(track).does("acquire()") == BUSY
    lock.release()
    assert not lock_path(track).exists()


def test_a_handle_that_stays_stale_is_given_up(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_path(track).write_bytes(holder())
    before = descriptors()
    with monkeypatch.context() as patch:
        fails(patch, fcntl, "fcntl", errno.ESTALE, when=to_lock)
        with pytest.raises(LockBusyError, match="keeps being replaced"):
            lock_of(track).acquire()
    assert descriptors() == before


def test_a_file_that_appears_between_two_looks(track: Path, monkeypatch: pytest.MonkeyPatch, start: StartPeer) -> None:
    other, open_lock = start(track), kernel.open_lock

    def opening(path: str, flags: int, mode: int = 0) -> int:
        if flags & os.O_CREAT:
            other.does("acquire()")
        return open_lock(path, flags, mode)

    monkeypatch.setattr(kernel, "open_lock", opening)
    assert attempt(track) == BUSY


def test_a_file_that_goes_between_two_looks(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_lock = kernel.open_lock
    removed: list[str] = []

    def opening(path: str, flags: int, mode: int = 0) -> int:
        if flags & os.O_ACCMODE == os.O_RDWR and not removed:
            lock_path(track).unlink()
            removed.append(path)
        return open_lock(path, flags, mode)

    lock_path(track).write_bytes(holder())
    monkeypatch.setattr(kernel, "open_lock", opening)
    lock = held(track)
    assert lock.predecessor == Empty()
    lock.gate()
    lock.release()


def test_text_that_changes_is_looked_at_again(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Show half of a text first, as a network file system may while another machine writes."""
    lock_path(track).write_bytes(holder())
    reads = [b'{"v":', b'{"v":1', holder()]
    really = os.pread

    def reading(descriptor: int, size: int, offset: int) -> bytes:
        return reads.pop(0) if reads else really(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", reading)
    assert attempt(track) == GOT
    assert reads == []


def test_text_that_never_rests_is_being_written(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_path(track).touch()
    numbers = itertools.count()
    monkeypatch.setattr(os, "pread", lambda *_: b"%d" % next(numbers))
    assert attempt(track) == BUSY
    assert next(numbers) < 100


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL])
def test_flock_alone_serves_where_there_are_no_ofd_locks(
    track: Path, monkeypatch: pytest.MonkeyPatch, start: StartPeer, number: int
) -> None:
    fails(monkeypatch, fcntl, "fcntl", number)
    peer = start(track)
    assert state_of(track) is None
    lock = held(track)
    assert (peer.does("acquire()"), attempt(track), state_of(track)) == (BUSY, BUSY, LockState.ACTIVE)
    lock.gate()
    lock.release()
    peer.holds()
    assert (attempt(track), state_of(track)) == (BUSY, LockState.ACTIVE)
    peer.kill()
    assert (state_of(track), attempt(track)) == (LockState.DEAD, GOT)


def test_also_where_the_file_system_is_not_this_machines_alone(
    track: Path, remote: Kind, monkeypatch: pytest.MonkeyPatch, start: StartPeer
) -> None:
    peer = start(track)
    peer.does(f"filesystems.kind_of = lambda descriptor: {remote}")
    lock = held(track)
    lock.release()
    fails(monkeypatch, fcntl, "fcntl", errno.EOPNOTSUPP)
    peer.does("fcntl.fcntl = lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, 'no'))")
    lock.acquire()
    assert (peer.does("acquire()"), attempt(track), state_of(track)) == (BUSY, BUSY, LockState.ACTIVE)
    lock.release()
    assert peer.does("acquire()") == GOT


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(errno.EAGAIN, BUSY), (errno.EACCES, BUSY), (errno.EIO, "OSError"), (errno.EINTR, "InterruptedError")],
)
@pytest.mark.parametrize("call", ["fcntl", "flock"])
def test_error_of_a_lock_call_is_raised_or_busy(
    track: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, outcome: str
) -> None:
    fails(monkeypatch, fcntl, call, number, when=to_lock if call == "fcntl" else lambda *_: True)
    assert attempt(track) == outcome


DISK_FULL: dict[str, tuple[str, int]] = {
    "writing": ("pwrite", errno.ENOSPC),
    "writing, by quota": ("pwrite", errno.EDQUOT),
    "cutting": ("ftruncate", errno.ENOSPC),
    "writing, by a broken disk": ("pwrite", errno.EIO),
}


@pytest.mark.parametrize("name", DISK_FULL)
@pytest.mark.parametrize("leave", [None, holder()], ids=["absent", "dead"])
def test_a_full_disk_leaves_no_lock(
    track: Path, monkeypatch: pytest.MonkeyPatch, name: str, leave: bytes | None, start: StartPeer
) -> None:
    call, number = DISK_FULL[name]
    if leave is not None:
        lock_path(track).write_bytes(leave)
    lock, before = lock_of(track), descriptors()
    with monkeypatch.context() as patch:
        fails(patch, os, call, number)
        with pytest.raises(OSError, match=os.strerror(number)):
            lock.acquire()
    assert not lock.held
    assert held_here(os.fspath(track)) is None
    assert descriptors() == before
    assert os.listdir(track.parent) == ["Track"]
    assert start(track).does("acquire()") == GOT


def test_a_full_disk_elsewhere_leaves_an_empty_file(
    track: Path, remote: Kind, monkeypatch: pytest.MonkeyPatch, start: StartPeer
) -> None:
    lock_path(track).write_bytes(holder())
    with monkeypatch.context() as patch:
        fails(patch, os, "pwrite", errno.ENOSPC)
        assert attempt(track) == "OSError"
    assert state_of(track) is LockState.FREE
    peer = start(track)
    peer.does(f"filesystems.kind_of = lambda descriptor: {remote}")
    assert peer.does("acquire()") == GOT


def test_too_many_open_files(track: Path, start: StartPeer) -> None:
    """Run out of descriptors at any moment: the process keeps none, and holds up no other."""
    peer = start(track)
    peer.does("import resource")
    limits = peer.does("resource.getrlimit(resource.RLIMIT_NOFILE)")
    before = peer.does("os.listdir('/proc/self/fd')")
    assert isinstance(before, list)
    outcomes: list[object] = []
    while GOT not in outcomes:
        spare = len(before) - 1 + len(outcomes)
        peer.does(f"resource.setrlimit(resource.RLIMIT_NOFILE, ({spare}, {limits}[1]))")
        outcomes.append(peer.does("acquire()"))
        peer.does(f"resource.setrlimit(resource.RLIMIT_NOFILE, {limits})")
        assert attempt(track) == (BUSY if outcomes[-1] == GOT else GOT)
        peer.does("lock.release()")
        assert peer.does("os.listdir('/proc/self/fd')") == before
    assert outcomes == ["OSError"] * (len(outcomes) - 1) + [GOT]
    assert len(outcomes) > 3


@pytest.mark.parametrize("name", ["close", "unlink", "fsync"])
def test_giving_back_raises_nothing(track: Path, monkeypatch: pytest.MonkeyPatch, name: str, start: StartPeer) -> None:
    """Ignore an error of NFS at the closing of a file: it comes too late, for the record is published."""
    lock = held(track)
    really = os.close

    def closing(descriptor: int) -> None:
        really(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        if name == "close":
            patch.setattr(os, "close", closing)
        else:
            fails(patch, os, name, errno.EIO)
        lock.release()
    assert not lock.held
    assert held_here(os.fspath(track)) is None
    assert len(kernel._open) == 0
    assert start(track).does("acquire()") == GOT
