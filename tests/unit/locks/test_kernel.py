"""The descriptors of locks with threads and in forked children."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from audiobatchd.locks import kernel
from support.lock_rig import (
    BUSY,
    GOT,
    StartPeer,
    attempt,
    lock_path,
)

# Threads and forks


def test_a_forked_child_does_not_have_the_lock(track: Path, start: StartPeer) -> None:
    """Write nothing, in the child either, to what has the number of the lock's descriptor there."""
    peer = start(track).holds()
    peer.does("number, directory = lock._descriptor, lock._directory")
    peer.does("""def look():
        seen = [lock.held, folder_lock.held_here(folder) is None, len(kernel._open), acquire()]
        for file in number, directory:
            os.dup2(os.open(folder + "/mine", os.O_RDWR | os.O_CREAT), file)
        try:
            lock.gate()
        except folder_lock.LockLostError:
            seen.append("lost")
        lock.release()
        return [*seen, os.stat(number).st_size, os.stat(directory).st_size]
    """)
    assert peer.does("in_child(look)") == [False, True, 0, BUSY, "lost", 0, 0]
    assert peer.does("lock.gate()") is None
    assert attempt(track) == BUSY


def test_a_child_may_take_its_own(track: Path, start: StartPeer) -> None:
    peer = start(track).holds()
    assert peer.does("lock.release()") is None
    assert peer.does("in_child(lambda: [acquire(), lock.held])") == [GOT, True]
    assert attempt(track) == GOT, "it has ended"


def test_a_fork_while_another_thread_is_taking_the_lock(track: Path, start: StartPeer) -> None:
    peer = start(track)
    peer.does("""if True:
        file_lock = FileLock(folder)
        taking, forked = threading.Event(), threading.Event()
        kind_of = filesystems.kind_of
        def pausing(descriptor):
            if threading.current_thread() is thread:
                taking.set()
                forked.wait()
            return kind_of(descriptor)
        def look():
            left = [each for each in links() if each.startswith(folder)]
            return [file_lock.acquire(), file_lock.release(), left]
        filesystems.kind_of = pausing
        thread = threading.Thread(target=file_lock.acquire)
        thread.start()
        taking.wait()
    """)
    assert peer.does("in_child(look)") == [True, None, []], "its own attempt, while the thread had not locked yet"
    assert isinstance(peer.does("fork()"), int)
    peer.does("forked.set(); thread.join()")
    assert peer.does("file_lock.acquired") is True
    assert attempt(track) == BUSY
    peer.kill()
    assert attempt(track) == GOT, "the child that lives has nothing of it"


def test_descriptor_closed_elsewhere_does_not_stop_a_fork(track: Path, start: StartPeer) -> None:
    peer, other = start(track), track.with_name("Other")
    other.mkdir()
    assert peer.does("unused = os.pipe()") is None
    peer.holds()
    # The numbers of the pipe are for the next one, so that the lock's stays unused.
    peer.does("os.close(lock._descriptor); os.close(unused[0]); os.close(unused[1])")
    peer.does(f"other = FolderLock({os.fspath(other)!r}, 1.0)")
    assert peer.does("in_child(lambda: [len(kernel._open), other.acquire(), other.held])") == [0, None, True]


def test_a_posix_lock_is_what_we_would_lose(track: Path) -> None:
    """The reason for OFD locks, as the kernel has it."""
    path = lock_path(track)
    path.touch()
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with path.open("r+b") as first:
        fcntl.fcntl(first, fcntl.F_SETLK, whole)
        path.read_bytes()
        with path.open("r+b") as second:
            fcntl.fcntl(second, fcntl.F_OFD_SETLK, whole)


@pytest.mark.parametrize(
    ("start_at", "length", "free"), [(0, kernel.CONTENT, True), (0, 0, False), (kernel.CONTENT, 1, False)]
)
def test_a_lock_leaves_the_text_out(track: Path, start: StartPeer, start_at: int, length: int, free: bool) -> None:
    """Ask for POSIX locks: SMB servers let others read what no lock covers."""
    peer = start(track).holds()
    with lock_path(track).open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start_at)
            got = True
        except BlockingIOError:
            got = False
        assert got is free
    assert len(lock_path(track).read_bytes()) < kernel.CONTENT
    peer.does("lock.release()")
