"""Beside scripts of the batch guide, and on file systems that are not this machine's alone."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import LockBusyError
from audiobatchd.locks import folder_lock, kernel
from audiobatchd.locks.folder_lock import MAKING, FolderLock, guides_path_of
from audiobatchd.locks.lock_file import Empty, GuideText, Holder
from audiobatchd.locks.observer import LockState, observe
from support.lock_rig import (
    BUDGET,
    BUSY,
    GOT,
    StartPeer,
    attempt,
    fails,
    guides_text,
    held,
    holder,
    lock_path,
    state_of,
)

# Scripts of the batch guide, on a local file system


def test_a_script_of_the_guide_and_we_exclude_each_other(track: Path, start: StartPeer) -> None:
    script = start(track).is_at_work()
    assert (attempt(track), state_of(track)) == (BUSY, LockState.ACTIVE)
    script.kill()
    assert state_of(track) is LockState.DEAD
    lock = held(track)
    assert lock.predecessor == GuideText("2026-11-24 10:00:00", script.pid, b"Track")
    other = start(track)
    assert other.does("make()") == "FileExistsError"
    lock.release()
    other.is_at_work()


def test_a_script_whose_pid_cannot_be_seen_is_alive(track: Path, start: StartPeer) -> None:
    """Hide the script's PID, as hidepid does: it names no process here, and the script is at work."""
    script = start(track)
    script.does("guides_text = guides_text.replace(str(os.getpid()), '4194304999')")
    script.is_at_work()
    assert (attempt(track), state_of(track)) == (BUSY, LockState.ACTIVE)
    script.kill()
    assert attempt(track) == GOT


def test_a_script_between_two_steps_is_left_alone(track: Path, start: StartPeer) -> None:
    """Spare a script that takes `flock` after making the file: it would not notice that its file is gone."""
    script = start(track)
    script.does("make()")
    assert attempt(track) == BUSY
    assert script.does("flock()") == GOT
    assert attempt(track) == BUSY
    script.does("sign()")
    assert attempt(track) == BUSY
    assert os.path.samestat(lock_path(track).stat(), os.stat(f"/proc/{script.pid}/fd/{script.does('descriptor')}"))


def test_its_file_is_not_even_locked_for_an_instant(
    track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(track).does("make()")
    monkeypatch.setattr(kernel, "take", lambda *_, **__: pytest.fail("it would be refused its own file"))
    assert attempt(track) == BUSY


@pytest.mark.parametrize("left", [None, holder()], ids=["absent", "dead"])
def test_its_file_may_appear_after_the_first_look(
    track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch, left: bytes | None
) -> None:
    script, open_lock = start(track), kernel.open_lock

    def opening(path: str, flags: int, mode: int = 0) -> int:
        if flags & os.O_ACCMODE == os.O_RDWR:
            lock_path(track).unlink(missing_ok=True)
            assert script.does("make()") is None
        return open_lock(path, flags, mode)

    if left is not None:
        lock_path(track).write_bytes(left)
    with monkeypatch.context() as patch:
        patch.setattr(kernel, "open_lock", opening)
        assert attempt(track) == BUSY
    assert script.does("flock()") == GOT
    assert attempt(track) == BUSY
    assert os.path.samestat(lock_path(track).stat(), os.stat(f"/proc/{script.pid}/fd/{script.does('descriptor')}"))


@pytest.mark.parametrize(("age", "outcome"), [(0.0, BUSY), (MAKING / 2, BUSY), (MAKING * 1.1, GOT), (-60.0, GOT)])
def test_empty_file_of_a_script_is_soon_taken_over(track: Path, age: float, outcome: str) -> None:
    """Treat a time in the future, of a clock that was set, like any other."""
    now = time.time()
    lock_path(track).touch()
    os.utime(lock_path(track), (now - age, now - age))
    assert attempt(track) == outcome
    assert lock_path(track).exists() == (outcome == BUSY)


def test_an_empty_file_of_our_own_is_taken_over_at_once(track: Path, start: StartPeer) -> None:
    """Take over what a killed process of ours made."""
    peer = start(track)
    peer.does("kernel.take = lambda descriptor, local: os.kill(os.getpid(), signal.SIGKILL)")
    peer.leaves("acquire()")
    assert lock_path(track).stat().st_size == 0
    assert attempt(track) == GOT


def test_file_systems_that_keep_no_sticky_bit(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_lock = kernel.open_lock

    def opening(path: str, flags: int, mode: int = 0) -> int:
        return open_lock(path, flags, mode & 0o777)

    monkeypatch.setattr(kernel, "open_lock", opening)
    lock = held(track)
    assert not lock_path(track).stat().st_mode & stat.S_ISVTX
    assert attempt(track) == BUSY
    lock.release()
    assert attempt(track) == GOT


SUFFIXED = "A.B Song"


@pytest.mark.parametrize(
    ("text_of", "is_held", "outcome"),
    [(SUFFIXED, True, BUSY), (SUFFIXED, False, GOT), ("A.C Song", True, GOT), ("A", True, GOT)],
)
@pytest.mark.parametrize("spelling", ["{}", "{}/"])
def test_the_file_that_a_script_takes_for_a_name_with_a_dot(
    tmp_path: Path, spelling: str, text_of: str, is_held: bool, outcome: str
) -> None:
    folder, theirs = tmp_path / SUFFIXED, tmp_path / "A.lock"
    folder.mkdir()
    theirs.write_bytes(guides_text(Path(text_of)))
    with theirs.open("r+b") as script:
        if is_held:
            fcntl.flock(script, fcntl.LOCK_EX)
        lock = FolderLock(spelling.format(folder), BUDGET)
        if outcome == BUSY:
            with pytest.raises(LockBusyError):
                lock.acquire()
        else:
            lock.acquire()
            lock.release()
    assert theirs.read_bytes() == guides_text(Path(text_of)), "it belongs to another folder as well"


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, Path.touch, lambda path: path.write_text("x"), lambda path: path.symlink_to("n")]
)
def test_other_file_under_the_guides_name_blocks_no_lock(tmp_path: Path, make: Callable[[Path], object]) -> None:
    folder = tmp_path / SUFFIXED
    folder.mkdir()
    make(tmp_path / "A.lock")
    assert attempt(folder) == GOT


# File systems that are not this machine's alone


def test_there_a_file_is_emptied_and_never_removed(track: Path, remote: Kind, start: StartPeer) -> None:
    lock = held(track)
    assert lock.kind is remote
    inode = lock_path(track).stat().st_ino
    lock.release()
    for _ in range(2):
        assert (lock_path(track).stat().st_ino, lock_path(track).stat().st_size) == (inode, 0)
        assert state_of(track) is LockState.FREE
        lock.acquire()
        assert lock.predecessor == Empty(), "who gave it back did not die"
        lock.gate()
        lock.release()


def test_there_we_exclude_each_other(track: Path, remote: Kind, start: StartPeer) -> None:
    peer = start(track)
    peer.does(f"filesystems.kind_of = lambda descriptor: {remote}")
    lock = held(track)
    assert (peer.does("acquire()"), attempt(track), state_of(track)) == (BUSY, BUSY, LockState.ACTIVE)
    lock.release()
    peer.holds()
    assert (attempt(track), state_of(track)) == (BUSY, LockState.ACTIVE)
    peer.kill()
    assert state_of(track) is LockState.DEAD
    lock.acquire()
    assert isinstance(lock.predecessor, Holder)
    lock.release()


def test_flock_is_not_asked_for_on_a_network(track: Path, remote: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: pytest.fail("it may be this machine's alone"))
    lock_path(track).write_bytes(holder())
    assert (state_of(track), attempt(track)) == (LockState.DEAD, GOT)
    lock_path(track).write_bytes(guides_text(track))
    assert (state_of(track), attempt(track)) == (LockState.ACTIVE, BUSY)


@dataclass(frozen=True)
class GuidesAge:
    """Age of a guide's lock by its file system's clock, the file system on which that counts, and what follows."""

    age: float
    timeout: float
    outcome: str
    state: LockState


@pytest.mark.parametrize(
    "case",
    [
        GuidesAge(0.0, 3600.0, BUSY, LockState.ACTIVE),
        GuidesAge(3500.0, 3600.0, BUSY, LockState.ACTIVE),
        GuidesAge(3601.0, 3600.0, GOT, LockState.DEAD),
        GuidesAge(61.0, 60.0, GOT, LockState.DEAD),
        GuidesAge(0.0, 0.0, GOT, LockState.DEAD),
        GuidesAge(-3600.0, 3600.0, BUSY, LockState.ACTIVE),
    ],
    ids=str,
)
@pytest.mark.parametrize("our_clock", [0.0, -1e6, 1e6])
@pytest.mark.parametrize("named", ["Track", "A.B Song"])
def test_there_the_age_of_a_guides_lock_decides(
    tmp_path: Path, remote: Kind, monkeypatch: pytest.MonkeyPatch, case: GuidesAge, our_clock: float, named: str
) -> None:
    folder, now = tmp_path / named, time.time()
    folder.mkdir()
    theirs = Path(guides_path_of(os.fspath(folder)))
    theirs.write_bytes(guides_text(folder, os.getpid()))
    os.utime(theirs, (now - case.age, now - case.age))
    monkeypatch.setattr(time, "time", lambda: now + our_clock)
    observation = observe(os.fspath(theirs), case.timeout)
    assert observation is not None
    assert observation.state is case.state
    lock = FolderLock(os.fspath(folder), BUDGET, guide_timeout=case.timeout)
    if case.outcome == BUSY:
        with pytest.raises(LockBusyError):
            lock.acquire()
        assert theirs.read_bytes() == guides_text(folder, os.getpid())
    else:
        lock.acquire()
        lock.gate()
    assert sorted(os.listdir(tmp_path)) == sorted({named, theirs.name, *([f"{named}.lock"] if lock.held else [])})
    lock.release()


def test_unreadable_clock_keeps_a_network_lock_alive(
    track: Path, remote: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_path(track).write_bytes(guides_text(track))
    os.utime(lock_path(track), (0, 0))
    fails(monkeypatch, folder_lock, "age_of", errno.EROFS)
    assert (state_of(track), attempt(track)) == (LockState.ACTIVE, BUSY)


def test_there_a_script_that_holds_is_respected_at_any_age(track: Path, remote: Kind, start: StartPeer) -> None:
    """NFS makes a lock of the whole file of its `flock`."""
    script = start(track)
    script.does("make(); sign(); fcntl.lockf(descriptor, fcntl.LOCK_EX)")
    os.utime(lock_path(track), (0, 0))
    assert (attempt(track), state_of(track)) == (BUSY, LockState.ACTIVE)
    script.kill()
    assert (state_of(track), attempt(track)) == (LockState.DEAD, GOT)
