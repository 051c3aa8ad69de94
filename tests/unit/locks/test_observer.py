"""Observation of locks, which takes nothing; and patience with those that are held for long."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from audiobatchd.disk import leases
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel, lock_file
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.lock_file import Empty, GuideText, Holder, Unreadable
from audiobatchd.locks.observer import LockState, Observation, Patience, holder_in_words, is_locked, observe
from support.lock_rig import BUSY, GOT, StartPeer, attempt, fails, guides_text, held, holder, lock_path, state_of

FREE, DEAD, ACTIVE, OVERDUE = LockState


# One look


@dataclass(frozen=True)
class Look:
    """Lock file, and what an observer says of it."""

    name: str
    state: LockState | None
    content: bytes | None = b""
    by: str = ""
    """Code that another process runs before."""


TEXT = guides_text(Path("Track"))

LOOKS = [
    Look("no file", None, None),
    Look("given back elsewhere, or just made", FREE),
    Look("ours, of a dead holder", DEAD, holder()),
    Look("ours, held", ACTIVE, None, "acquire()"),
    Look("a guide's, of a dead script", DEAD, TEXT),
    Look("a guide's, held", ACTIVE, None, "make(); flock(); sign()"),
    Look("a guide's, shared by a reader of theirs", DEAD, TEXT, "fcntl.flock(os.open(path, 0), fcntl.LOCK_SH)"),
    Look("ours, held by POSIX", ACTIVE, holder(), "fcntl.lockf(open(path, 'r+b'), fcntl.LOCK_EX)"),
    Look(
        "ours, and a byte behind it is held", ACTIVE, holder(), "fcntl.lockf(open(path, 'r+b'), fcntl.LOCK_EX, 1, 5000)"
    ),
    Look("ours, and a byte of its text is held", DEAD, holder(), "fcntl.lockf(open(path, 'r+b'), fcntl.LOCK_EX, 1, 5)"),
    Look("empty, held by POSIX", ACTIVE, b"", "fcntl.lockf(open(path, 'r+b'), fcntl.LOCK_EX)"),
    Look("a guide's that is not written yet", FREE, None, "make(); flock()"),
    Look("data", None, b"[[package]]\n"),
    Look("data, held", None, b"[[package]]\n", "fcntl.lockf(open(path, 'r+b'), fcntl.LOCK_EX)"),
]


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_one_look(look: Look, track: Path, start: StartPeer) -> None:
    if look.content is not None:
        lock_path(track).write_bytes(look.content)
    if look.by:
        peer = start(track)
        peer.does("open = lambda *arguments, open=open: files.append(open(*arguments)) or files[-1]; files = []")
        peer.does(look.by)
    assert state_of(track) is look.state
    assert is_locked(os.fspath(track)) == (look.state is ACTIVE)


def test_holder_is_told_in_words(track: Path, start: StartPeer) -> None:
    peer = start(track).holds()
    observation = observe(os.fspath(lock_path(track)))
    assert observation is not None
    assert isinstance(observation.content, Holder)
    assert (observation.path, observation.kind) == (f"{track}.lock", Kind.LOCAL)
    assert (observation.content.pid, observation.content.budget_s) == (peer.pid, 60.0)
    assert 0 <= observation.age < 60
    assert holder_in_words(observation.content) == f"process {peer.pid} on {os.uname().nodename}"
    os.utime(lock_path(track), (0, 1e12))
    observation = observe(os.fspath(lock_path(track)))
    assert observation is not None
    assert observation.age == 0, "no age is negative"


def test_holders_in_words() -> None:
    assert holder_in_words(GuideText("2026-11-24 10:00:00", 7, b"Track")) == "a script with PID 7"
    assert holder_in_words(Empty()) == "no process"
    assert holder_in_words(Unreadable()) == "a process that the file server does not tell of"


def test_text_that_the_server_keeps_is_a_held_lock(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse the reading, as an SMB server does of a file that an earlier version has locked as a whole."""
    lock_path(track).write_bytes(holder())
    fails(monkeypatch, os, "pread", errno.EACCES)
    observation = observe(os.fspath(lock_path(track)))
    assert observation is not None
    assert (observation.state, observation.content) == (ACTIVE, Unreadable())
    assert is_locked(os.fspath(track))
    assert Patience().judge(observation, 1e9).state is ACTIVE, "how long it may be held is not known"
    assert attempt(track) == BUSY


def test_file_that_a_client_has_to_itself_is_held(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RECALL", 0.01)
    lock_path(track).write_bytes(holder())
    descriptor = os.open(lock_path(track), os.O_RDWR)
    with leases.opened_by_no_other(descriptor) as lent:
        assert lent
        assert (state_of(track), is_locked(os.fspath(track)), attempt(track)) == (ACTIVE, True, BUSY)
    os.close(descriptor)
    assert (state_of(track), attempt(track)) == (DEAD, GOT)


def test_a_stopped_holder_is_active(track: Path, start: StartPeer) -> None:
    peer = start(track).holds()
    peer.stop()
    assert (state_of(track), attempt(track)) == (ACTIVE, BUSY)


def test_no_pid_is_asked_for(track: Path, start: StartPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a PID that names no process here, as with hidepid or from another machine."""
    peer = start(track)
    peer.does("lock_file.os.getpid = lambda: 4194304999")
    peer.does("lock.acquire()")
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a PID proves nothing"))
    observation = observe(os.fspath(lock_path(track)))
    monkeypatch.undo()
    assert observation is not None
    assert observation.state is ACTIVE
    assert isinstance(observation.content, Holder)
    assert observation.content.pid == 4194304999


@pytest.mark.parametrize("written", [holder(), TEXT, b"", b"x"])
def test_looking_opens_for_reading_and_takes_nothing_of_ours(
    track: Path, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    lock_path(track).write_bytes(written)
    before = lock_path(track).stat()
    really, flags = os.open, []

    def opening(path: str, how: int, *arguments: int, dir_fd: int | None = None) -> int:
        flags.append(how)
        return really(path, how, *arguments)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(kernel, "take", lambda *_, **__: pytest.fail("it only looks"))
    if written != TEXT:
        monkeypatch.setattr(fcntl, "flock", lambda *_: pytest.fail("that would take it for an instant"))
    state_of(track)
    assert all(how & (os.O_ACCMODE | os.O_CREAT) == os.O_RDONLY for how in flags)
    assert lock_path(track).stat() == before


def test_lock_can_be_taken_during_a_look(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_path(track).write_bytes(holder())
    is_held, outcomes = kernel.is_held, []

    def asking(descriptor: int) -> bool:
        monkeypatch.setattr(kernel, "is_held", is_held)
        outcomes.append(attempt(track))
        return is_held(descriptor)

    monkeypatch.setattr(kernel, "is_held", asking)
    assert state_of(track) is DEAD, "as it was when it was opened"
    assert outcomes == [GOT]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_path_of_no_file_is_no_lock(track: Path, make: Callable[[Path], object]) -> None:
    make(lock_path(track))
    assert state_of(track) is None
    assert not is_locked(os.fspath(track))


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO, errno.ELOOP])
def test_lock_that_cannot_be_opened_is_told(track: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    lock = held(track)
    with monkeypatch.context() as patch:
        fails(patch, os, "open", number)
        with pytest.raises(OSError, match=os.strerror(number)):
            observe(os.fspath(lock_path(track)))
        assert not is_locked(os.fspath(track))
    lock.release()


def test_a_linked_lock_is_not_followed(track: Path) -> None:
    lock_path(track).symlink_to("other.lock")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        observe(os.fspath(lock_path(track)))


# Patience


def active(mark: str = "a", budget: float = 60.0, path: str = "/music/Track.lock", **changes: object) -> Observation:
    """A lock that is held."""
    held_by = msgspec.structs.replace(
        msgspec.json.decode(lock_file.of_this_process(0.0, budget, mark), type=Holder), **changes
    )
    return Observation(path, ACTIVE, held_by, Kind.LOCAL, age=1e9)


HELD = active()
GUIDES = replace(HELD, content=GuideText("2020-01-01 00:00:00", 1, b"Track"))


@pytest.mark.parametrize(
    ("looks", "state"),
    [
        ([(0, HELD)], ACTIVE),
        ([(0, HELD), (60, HELD)], ACTIVE),
        ([(0, HELD), (60.1, HELD)], OVERDUE),
        ([(1e9, HELD)], ACTIVE),
        ([(0, HELD), (59, HELD), (61, HELD)], OVERDUE),
        ([(0, HELD), (61, HELD), (1000, HELD)], OVERDUE),
        ([(0, HELD), (50, active("b")), (100, active("b"))], ACTIVE),
        ([(0, HELD), (50, active("b")), (111, active("b"))], OVERDUE),
        ([(0, HELD), (50, active("b")), (61, HELD)], ACTIVE),
        ([(0, HELD), (30, replace(HELD, state=DEAD)), (61, HELD)], ACTIVE),
        ([(0, HELD), (30, replace(HELD, state=FREE, content=Empty())), (61, HELD)], ACTIVE),
        ([(0, HELD), (61, replace(HELD, state=DEAD))], DEAD),
        ([(0, HELD), (61, active(path="/music/Other.lock"))], ACTIVE),
        ([(0, HELD), (61, active(budget=600.0))], ACTIVE),
        ([(0, active(budget=0.0)), (0, active(budget=0.0))], ACTIVE),
        ([(0, active(budget=0.0)), (0.1, active(budget=0.0))], OVERDUE),
        ([(0, active(budget=-1.0))], OVERDUE),
        ([(0, active(budget=float("inf"))), (1e12, active(budget=float("inf")))], ACTIVE),
        ([(0, active(started=1e12)), (61, active(started=-1e12))], OVERDUE),
        ([(0, HELD), (61, active(host="elsewhere", pid=1))], OVERDUE),
        ([(0, GUIDES), (1e9, GUIDES)], ACTIVE),
    ],
)
def test_patience(looks: list[tuple[float, Observation]], state: LockState, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure by the observer's own clock alone, from the first look at this holding."""
    monkeypatch.setattr(time, "time", lambda: pytest.fail("the wall clock does not count"))
    monkeypatch.setattr(time, "monotonic", lambda: pytest.fail("the caller has the clock"))
    patience = Patience()
    for now, observation in looks:
        judged = patience.judge(observation, now)
        assert replace(judged, state=observation.state) == observation
    assert judged.state is state


def test_patience_forgets_what_is_gone() -> None:
    patience, other = Patience(), active(path="/music/Other.lock")
    patience.judge(HELD, 0.0)
    patience.judge(other, 0.0)
    patience.keep({other.path})
    assert patience.judge(HELD, 61.0).state is ACTIVE
    assert patience.judge(other, 61.0).state is OVERDUE


def test_an_overdue_holder_keeps_its_lock(track: Path, start: StartPeer) -> None:
    """Report it and take nothing away: its own gate is open."""
    peer, patience = start(track), Patience()
    peer.does("lock = FolderLock(folder, 0.0)")
    peer.holds()
    for now, state in ((0.0, ACTIVE), (1.0, OVERDUE)):
        observation = observe(os.fspath(lock_path(track)))
        assert observation is not None
        assert patience.judge(observation, now).state is state
    assert attempt(track) == BUSY
    assert peer.does("lock.gate()") is None


def test_the_next_holding_of_the_same_process_starts_anew(track: Path) -> None:
    patience, lock = Patience(), FolderLock(os.fspath(track), 10.0)
    for now in (0.0, 9.0, 18.0, 27.0):
        lock.acquire()
        observation = observe(os.fspath(lock_path(track)))
        assert observation is not None
        assert patience.judge(observation, now).state is ACTIVE
        lock.release()
