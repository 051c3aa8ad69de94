"""The lock of a folder, step by step: who gets it, who is refused, what is left, and when nothing may be published."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.errors import LockBusyError, LockLostError
from audiobatchd.locks import kernel, lock_file
from audiobatchd.locks.folder_lock import FolderLock, guides_path_of, held_here, path_of
from audiobatchd.locks.lock_file import Content, Empty, GuideText, Holder
from audiobatchd.locks.observer import LockState, observe
from support.lock_rig import (
    BUDGET,
    BUSY,
    GOT,
    MARK,
    StartPeer,
    attempt,
    everything_in,
    fails,
    guides_text,
    held,
    holder,
    lock_of,
    lock_path,
    overwrite,
    state_of,
)

ROOT = os.geteuid() == 0
NO_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")


# The steps


def test_the_protocol_step_by_step(track: Path, start: StartPeer) -> None:
    path, other = lock_path(track), start(track)
    lock = lock_of(track)
    assert (lock.held, path.exists()) == (False, False)

    lock.acquire()
    assert lock.held
    assert lock.predecessor == Empty()
    assert path.stat().st_mode & 0o003 == 0, "all users may see that it is locked, and no more"
    assert (state_of(track), other.does("acquire()"), attempt(track)) == (LockState.ACTIVE, BUSY, BUSY)
    told = lock_file.parse(path.read_bytes())
    assert isinstance(told, Holder)
    assert (told.v, told.host, told.pid, told.budget_s) == (1, socket.gethostname(), os.getpid(), BUDGET)
    assert abs(told.started - time.time()) < 60
    lock.gate()
    assert lock_file.parse(path.read_bytes()) == told

    lock.release()
    assert (lock.held, path.exists(), state_of(track)) == (False, False, None)
    assert other.holds().does("lock.gate()") is None
    with pytest.raises(LockBusyError, match=f"cannot lock {path}: it is already held"):
        lock.acquire()
    other.does("lock.release()")
    assert attempt(track) == GOT
    assert sorted(os.listdir(track.parent)) == ["Track"]


def test_every_holding_has_a_token_of_its_own(track: Path) -> None:
    tokens = set()
    lock = lock_of(track)
    for _ in range(3):
        lock.acquire()
        tokens.add(msgspec.json.decode(lock_path(track).read_bytes())["token"])
        lock.release()
    assert len(tokens) == 3


def told_in(track: Path) -> Holder:
    """Parse what the lock says now."""
    found = lock_file.parse(lock_path(track).read_bytes())
    assert isinstance(found, Holder)
    return found


@pytest.mark.parametrize("budget", [7.0, 123456.789, 1e300])
def test_announcing_begins_a_new_count_and_keeps_the_lock(track: Path, budget: float) -> None:
    lock = held(track)
    before = told_in(track)
    for _ in range(3):
        lock.announce(budget)
    after = told_in(track)
    assert (after.budget_s, after.started, after.pid) == (budget, before.started, before.pid)
    assert after.token != before.token
    assert (state_of(track), attempt(track)) == (LockState.ACTIVE, BUSY)
    lock.announce(1.0)
    assert told_in(track).budget_s == 1.0
    lock.gate()
    lock.release()


def test_announcing_writes_over_nothing_of_another_holder(track: Path) -> None:
    lock = held(track)
    theirs = holder(pid=1)
    overwrite(lock_path(track), theirs)
    lock.announce(1.0)
    assert lock_path(track).read_bytes() == theirs
    with pytest.raises(LockLostError):
        lock.gate()
    lock.release()


def test_announcing_without_holding_does_nothing(track: Path) -> None:
    lock_of(track).announce(1.0)
    assert not lock_path(track).exists()


def test_other_kinds_of_locks_and_ours_see_each_other(track: Path, start: StartPeer) -> None:
    path, other = lock_path(track), start(track)
    other.does("import fasteners")
    lock = held(track)
    assert other.does("fasteners.InterProcessLock(path).acquire(blocking=False)") is False
    with path.open("r+b") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    lock.gate()
    lock.release()
    other.does("posix = fasteners.InterProcessLock(path)")
    assert other.does("posix.acquire(blocking=False)") is True
    assert attempt(track) == BUSY
    other.kill()
    os.utime(path, (0, 0))
    assert attempt(track) == GOT


def test_closing_the_file_elsewhere_keeps_the_lock(track: Path, start: StartPeer) -> None:
    lock = held(track)
    lock_path(track).read_bytes()
    with lock_path(track).open("r+b") as file:
        file.read()
    assert start(track).does("acquire()") == BUSY
    lock.release()


def test_a_lock_that_is_not_held_does_nothing(track: Path) -> None:
    lock = lock_of(track)
    lock.release()
    for _ in range(2):
        with pytest.raises(LockLostError):
            lock.gate()
        lock.acquire()
        lock.release()
        lock.release()


def test_a_second_attempt_changes_nothing_of_what_is_held(track: Path) -> None:
    lock = held(track)
    track.rename(track.with_name("Moved"))
    track.mkdir()
    with pytest.raises(LockBusyError):
        lock.acquire()
    with pytest.raises(LockLostError, match="another one now"):
        lock.gate()
    lock.release()


def test_the_locks_of_this_process_are_known_by_folder(track: Path) -> None:
    assert held_here(os.fspath(track)) is None
    first = held(track)
    assert held_here(f"{track}/") is first
    lock_path(track).unlink()
    second = held(track)
    first.release()
    assert held_here(os.fspath(track)) is second, "the other one's release is none of its business"
    second.release()
    assert held_here(os.fspath(track)) is None


# How a holder ends


@dataclass(frozen=True)
class End:
    """End of a process that holds the lock, and what comes of trying it then."""

    name: str
    does: str = ""
    kill: bool = False
    stop: bool = False
    state: LockState = LockState.DEAD
    outcome: str = GOT


ENDS = [
    End("killed", kill=True),
    End("ended without giving it back", "os._exit(0)"),
    End("killed, and a forked child lives", "fork()", kill=True),
    End("killed, and a child of its child lives", "in_child(fork)", kill=True),
    End("killed, and a program that it started lives", "subprocess.Popen(['cat'], close_fds=False).pid", kill=True),
    End("stopped", stop=True, state=LockState.ACTIVE, outcome=BUSY),
    End("stopped, then killed", stop=True, kill=True),
    End("alive", state=LockState.ACTIVE, outcome=BUSY),
    End("alive, though its forked child has ended", "in_child(int)", state=LockState.ACTIVE, outcome=BUSY),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_the_end_of_a_holder(end: End, track: Path, start: StartPeer) -> None:
    peer = start(track).holds()
    written = lock_file.parse(lock_path(track).read_bytes())
    child = None
    if "_exit" in end.does:
        peer.leaves(end.does)
    elif end.does:
        child = peer.does(end.does)
    if end.stop:
        peer.stop()
    if end.kill:
        peer.kill()
    assert state_of(track) is end.state
    lock = lock_of(track)
    try:
        lock.acquire()
    except LockBusyError:
        assert end.outcome == BUSY
    else:
        assert end.outcome == GOT
        assert lock.predecessor == written
        if isinstance(child, int) and child > 1:
            os.kill(child, 0)  # it is there indeed
    lock.release()


def test_the_predecessor_is_forgotten_with_the_next_acquiring(track: Path) -> None:
    lock_path(track).write_bytes(holder())
    lock, predecessors = lock_of(track), []
    for _ in range(2):
        lock.acquire()
        predecessors.append(type(lock.predecessor))
        lock.release()
    assert predecessors == [Holder, Empty]


# What is left in a file that is not held


@dataclass(frozen=True)
class Left:
    """Content of a lock file that is not held, and what an observer calls it. It is taken over at once."""

    name: str
    content: bytes
    tells: type[Content] = Holder
    state: LockState = LockState.DEAD


LEFT = [
    Left("a PID that lives: our own", holder()),
    Left("a PID that lives, and belongs to another process now", holder(pid_start=1)),
    Left("the PID of init", holder(pid=1)),
    Left("of another boot", holder(boot_id="00000000-0000-0000-0000-000000000000")),
    Left("of another machine", holder(host="elsewhere")),
    Left("started in the future", holder(started=1e12)),
    Left("with an endless budget", lock_file.of_this_process(0.0, float("inf"), "t")),
    Left("with a budget that is no number", lock_file.of_this_process(0.0, float("nan"), "t")),
    Left("of a later version", holder(v=2, more=[1, {"a": None}])),
    Left("killed between writing and cutting", holder() + b'"token":"longer"}\n'),
    Left("killed over a guide's text", holder() + b"ted: 2026-11-24\nPID: 1\nFile: Track\n"),
    Left("a guide's, of a PID that lives", guides_text(Path("Track"), os.getpid()), GuideText),
    Left("a guide's, of a PID that cannot be", guides_text(Path("Track"), 4194304999), GuideText),
    Left("a guide's, without the last line feed", guides_text(Path("Track")).rstrip(), GuideText),
    Left("nothing, for long", b"", Empty, LockState.FREE),
]


@pytest.mark.parametrize("left", LEFT, ids=lambda left: left.name)
def test_file_that_is_not_held_is_taken_over_at_once(
    left: Left, track: Path, monkeypatch: pytest.MonkeyPatch, start: StartPeer
) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a PID proves nothing"))
    lock_path(track).write_bytes(left.content)
    os.utime(lock_path(track), (0, 0))
    assert state_of(track) is left.state
    lock = held(track)
    assert isinstance(lock.predecessor, left.tells)
    lock.gate()
    now = lock_file.parse(lock_path(track).read_bytes())
    assert isinstance(now, Holder)
    assert now.token not in {"t", MARK}
    lock.release()
    assert not lock_path(track).exists()
    monkeypatch.undo()


# When nothing may be published any more


def another_token(path: Path) -> None:
    token = msgspec.json.decode(path.read_bytes())["token"].encode()
    overwrite(path, path.read_bytes().replace(token, token[::-1] if token != token[::-1] else b"0" * len(token)))


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


def with_the_same_content(path: Path) -> None:
    written = path.read_bytes()
    replace(path, lambda path: path.write_bytes(written))


def renamed_over(path: Path) -> None:
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").replace(path)


def made_again(path: Path) -> None:
    """Make the file again: many file systems give it the old one's inode number, unless that is still open."""
    path.with_suffix("").rmdir()
    path.with_suffix("").mkdir()


def replaced_by_another(path: Path) -> None:
    folder = path.with_suffix("")
    folder.rename(folder.with_name("Moved"))
    shutil.copytree(folder.with_name("Moved"), folder)


def replaced_by_a_file(path: Path) -> None:
    shutil.rmtree(path.with_suffix(""))
    path.with_suffix("").touch()


def the_directory_above_renamed(path: Path) -> None:
    path.parent.rename(path.parent.with_name("Elsewhere"))


def the_directory_above_replaced(path: Path) -> None:
    the_directory_above_renamed(path)
    shutil.copytree(path.parent.with_name("Elsewhere"), path.parent)


HARM: dict[str, Callable[[Path], object]] = {
    "lock removed by hand": Path.unlink,
    "lock renamed": lambda path: path.rename(path.with_suffix(".old")),
    "lock replaced by an empty file": lambda path: replace(path, Path.touch),
    "lock replaced by one of the same content": with_the_same_content,
    "lock replaced by a rename": renamed_over,
    "lock replaced by a directory": lambda path: replace(path, Path.mkdir),
    "lock replaced by a FIFO": lambda path: replace(path, os.mkfifo),
    "lock replaced by a link to it": lambda path: path.symlink_to(path.rename(path.with_suffix(".old"))),
    "content emptied": lambda path: overwrite(path, b""),
    "content signed by another process, equally long": another_token,
    "content signed by another process": lambda path: overwrite(path, holder(host="elsewhere")),
    "content longer": lambda path: overwrite(path, path.read_bytes() + b"and more"),
    "content is garbage": lambda path: overwrite(path, os.urandom(100)),
    "content is a guide's text": lambda path: overwrite(path, guides_text(Path("Track"))),
    "folder renamed": lambda path: path.with_suffix("").rename(path.with_name("Moved")),
    "folder deleted": lambda path: shutil.rmtree(path.with_suffix("")),
    "folder deleted and made again": made_again,
    "folder replaced by another": replaced_by_another,
    "folder replaced by a file": replaced_by_a_file,
    "directory above renamed": the_directory_above_renamed,
    "directory above replaced": the_directory_above_replaced,
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_the_gate_is_closed_once_lock_or_folder_is_lost(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    folder = tmp_path / "dataset" / "Track"
    folder.mkdir(parents=True)
    lock = held(folder)
    lock.gate()
    harm(lock_path(folder))
    for _ in range(2):
        with pytest.raises(LockLostError):
            lock.gate()
    lock.release()
    assert not lock.held


KEPT: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "the record": lambda path: (path.with_suffix("") / "Track.INFO").write_text("{}"),
    "a link to the lock": lambda path: path.with_suffix(".link").hardlink_to(path),
    "times of the lock": lambda path: os.utime(path, (0, 0)),
    "mode of the lock": lambda path: path.chmod(0o600),
    "the host's name": lambda path: None,
}


@pytest.mark.parametrize("name", KEPT)
def test_the_gate_is_open_whatever_else_changes(track: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    lock = held(track)
    KEPT[name](lock_path(track))
    monkeypatch.setattr(socket, "gethostname", lambda: "renamed")
    lock.gate()
    lock.release()
    assert not lock_path(track).exists()


def test_text_of_another_machine_is_left_alone(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may have given the lock to another machine while this one was cut off."""
    monkeypatch.setattr(filesystems, "kind_of", lambda descriptor: Kind.NETWORK)
    lock = held(track)
    theirs = holder(host="elsewhere")
    overwrite(lock_path(track), theirs)
    with pytest.raises(LockLostError):
        lock.gate()
    lock.release()
    assert lock_path(track).read_bytes() == theirs


def test_gate_asks_the_server(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine had read before it was cut off is no answer."""
    monkeypatch.setattr(filesystems, "kind_of", lambda descriptor: Kind.NETWORK)
    lock = held(track)
    dropped: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *arguments: dropped.append(arguments[1:]))
    lock.gate()
    assert dropped == [(0, 0, os.POSIX_FADV_DONTNEED)]
    lock.release()


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOSPC])
@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_write_that_fails_closes_the_gate(
    track: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """EIO is what a machine gets whose lock on NFS was given to another one."""
    lock = held(track)
    with monkeypatch.context() as patch:
        fails(patch, os, call, number)
        with pytest.raises(OSError, match=os.strerror(number)):
            lock.gate()
    lock.release()


def test_removal_by_hand_leaves_the_next_holders_lock(track: Path, start: StartPeer) -> None:
    lock, other = held(track), start(track)
    lock_path(track).unlink()
    other.holds()
    with pytest.raises(LockLostError):
        lock.gate()
    lock.release()
    assert other.does("lock.gate()") is None
    assert attempt(track) == BUSY
    assert other.does("lock.release()") is None
    assert not lock_path(track).exists()


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.write_text("[[package]]\n"), Path.mkdir])
def test_file_put_in_place_of_a_held_lock_stays(track: Path, make: Callable[[Path], object]) -> None:
    lock = held(track)
    replace(lock_path(track), make)
    before = lock_path(track).lstat()
    lock.release()
    assert lock_path(track).lstat() == before


# Files that are no locks


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(path.parent)  # its name may not be long
        listening.bind(path.name)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "poetry's": (lambda path: path.write_text('[[package]]\nname = "black"\n'), "PermissionError"),
    "garbage": (lambda path: path.write_bytes(bytes(range(256))), "PermissionError"),
    "NULs": (lambda path: path.write_bytes(bytes(200)), "PermissionError"),
    "a line feed": (lambda path: path.write_bytes(b"\n"), "PermissionError"),
    "a PID": (lambda path: path.write_text("4711\n"), "PermissionError"),
    "JSON of another program": (lambda path: path.write_text('{"host": "a", "pid": 1}'), "PermissionError"),
    "JSON outside UTF-8": (lambda path: path.write_bytes(b'{"host": "caf\xe9"}'), "PermissionError"),
    "JSON without end": (lambda path: path.write_bytes(b'{"a":' + b"[" * 5000), "PermissionError"),
    "half of ours": (lambda path: path.write_bytes(holder()[:60]), "PermissionError"),
    "ours in a list": (lambda path: path.write_bytes(b"[" + holder().rstrip() + b"]"), "PermissionError"),
    "half of a guide's": (lambda path: path.write_bytes(guides_text(path)[:40]), "PermissionError"),
    "more than a guide's": (lambda path: path.write_bytes(guides_text(path) + b"more\n"), "PermissionError"),
    "a guide's of NULs": (lambda path: path.write_bytes(guides_text(Path("a\0b"))), "PermissionError"),
    "a directory": (Path.mkdir, "PermissionError"),
    "a FIFO": (os.mkfifo, "PermissionError"),
    "a socket": (_socket, "OSError"),
    "a link to a lock": (lambda path: link_to(path, holder()), "OSError"),
    "a link to an empty file": (lambda path: link_to(path, b""), "OSError"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "OSError"),
}


def link_to(path: Path, written: bytes) -> None:
    path.with_suffix(".target").write_bytes(written)
    path.symlink_to(path.with_suffix(".target").name)


@pytest.mark.parametrize("name", FOREIGN)
def test_file_that_is_no_lock_is_not_opened_for_writing(
    track: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    make, error = FOREIGN[name]
    monkeypatch.chdir(track)
    make(lock_path(track))
    before = everything_in(track.parent)
    really, flags = os.open, []

    def opening(path: str, how: int, *arguments: int, dir_fd: int | None = None) -> int:
        flags.append(how)
        return really(path, how, *arguments)

    monkeypatch.setattr(os, "open", opening)
    assert attempt(track) == error
    assert flags
    assert all(how & (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC) == os.O_RDONLY for how in flags)
    monkeypatch.undo()
    assert everything_in(track.parent) == before


@pytest.mark.parametrize("written", [bytes(243), holder()[:-7]], ids=["zeros", "cut off"])
def test_text_that_a_client_of_nfs_half_sees_is_empty(
    track: Path, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    monkeypatch.setattr(filesystems, "kind_of", lambda descriptor: Kind.NETWORK)
    lock_path(track).write_bytes(written)
    observation = observe(str(lock_path(track)))
    assert observation is not None
    assert observation.state is LockState.FREE
    lock = held(track)
    assert lock.predecessor == Empty()
    lock.release()
    lock_path(track).write_bytes(bytes(kernel.CONTENT))
    assert attempt(track) == "PermissionError", "it may have other data behind these zeros"


def test_half_written_lock_is_held(track: Path, start: StartPeer) -> None:
    peer = start(track)
    peer.does("make()")
    peer.does("sign()")
    for written, outcome in ((b"Processing sta", BUSY), (b'{"v":1,"ho', BUSY), (b"", BUSY)):
        overwrite(lock_path(track), written)
        assert peer.does("flock()") == GOT
        assert attempt(track) == outcome
        peer.does("fcntl.flock(descriptor, fcntl.LOCK_UN); fcntl.lockf(descriptor, fcntl.LOCK_EX)")
        assert attempt(track) == outcome
        peer.does("fcntl.lockf(descriptor, fcntl.LOCK_UN)")


@pytest.mark.parametrize(("written", "outcome"), [(holder(), GOT), (b"", GOT), (b"x", "PermissionError")])
def test_content_that_is_whole_at_the_second_look_counts(
    track: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, outcome: str
) -> None:
    """Take it over: the process that was writing it has gone since."""
    is_flocked = kernel.is_flocked

    def asking(descriptor: int) -> bool:
        overwrite(lock_path(track), written)
        os.utime(lock_path(track), (0, 0))
        return is_flocked(descriptor)

    lock_path(track).write_bytes(b"Processing sta")
    monkeypatch.setattr(kernel, "is_flocked", asking)
    assert attempt(track) == outcome


def test_a_lock_that_cannot_be_read_while_it_is_held_is_busy(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take a mandatory lock, as on SMB: what another process has locked cannot be read."""
    lock = held(track)
    with monkeypatch.context() as patch:
        fails(patch, os, "pread", errno.EACCES)
        assert attempt(track) == BUSY
    lock.release()


def test_a_file_that_becomes_data_under_our_hands_is_left_alone(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, take = lock_path(track), kernel.take

    def taking(descriptor: int, *, local: bool) -> bool:
        overwrite(path, b"[[package]]\n")
        return take(descriptor, local=local)

    path.write_bytes(holder())
    monkeypatch.setattr(kernel, "take", taking)
    assert attempt(track) == "PermissionError"
    assert path.read_bytes() == b"[[package]]\n"


# Folders that cannot be locked


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: None, "FileNotFoundError"),
        (Path.touch, "NotADirectoryError"),
        (lambda folder: folder.symlink_to("nowhere"), "FileNotFoundError"),
        (lambda folder: folder.symlink_to(folder.name), "OSError"),
    ],
)
def test_path_of_no_folder_has_no_lock(tmp_path: Path, make: Callable[[Path], object], error: str) -> None:
    folder = tmp_path / "Track"
    make(folder)
    assert attempt(folder) == error
    assert not lock_path(folder).exists()


def test_parents_are_never_made(tmp_path: Path) -> None:
    assert attempt(tmp_path / "no" / "Track") == "FileNotFoundError"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_goes_while_it_is_locked(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the folder with its directory: there is nowhere to make the file."""
    open_lock = kernel.open_lock

    def opening(path: str, flags: int, mode: int = 0) -> int:
        if flags & os.O_CREAT:
            shutil.rmtree(track.parent)
        return open_lock(path, flags, mode)

    monkeypatch.setattr(kernel, "open_lock", opening)
    assert attempt(track) == "FileNotFoundError"


def test_a_name_that_is_too_long_with_the_suffix(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 252)
    folder.mkdir()
    assert attempt(folder) == "OSError"


@pytest.mark.skipif(ROOT and not shutil.which("setpriv"), reason="root may write anywhere")
def test_a_directory_that_is_read_only(track: Path, start: StartPeer) -> None:
    peer = start(track, NO_OVERRIDE if ROOT else ())
    track.parent.chmod(0o555)
    try:
        assert peer.does("acquire()") == "PermissionError"
        assert peer.does("len(kernel._open)") == 0
    finally:
        track.parent.chmod(0o755)
    assert os.listdir(track.parent) == ["Track"]
    assert peer.does("acquire()") == GOT


@pytest.mark.skipif(ROOT and not shutil.which("setpriv"), reason="root may write anywhere")
def test_lock_file_that_may_not_be_written_is_refused(track: Path, start: StartPeer) -> None:
    lock_path(track).write_bytes(holder())
    lock_path(track).chmod(0o400)
    peer = start(track, NO_OVERRIDE if ROOT else ())
    assert peer.does("acquire()") == "PermissionError"
    assert peer.does("len(kernel._open)") == 0


@pytest.mark.skipif(ROOT and not shutil.which("setpriv"), reason="root may read everything")
def test_a_folder_that_cannot_be_read_can_be_locked(track: Path, start: StartPeer) -> None:
    """Lock the folder: the process that reads it finds out what is wrong with it, and tells."""
    peer = start(track, NO_OVERRIDE if ROOT else ())
    track.chmod(0o000)
    try:
        assert peer.does("acquire()") == GOT
        assert peer.does("lock.gate()") is None
    finally:
        track.chmod(0o755)


# Names


NAMES = ["A.B. Name", "A.B. Other", ".hidden", "Track.", "a\nb", "日本", "caf\udce9", "x" * 250, "Track.lock"]


def test_every_folder_has_a_lock_of_its_own(tmp_path: Path, start: StartPeer) -> None:
    folders = [tmp_path / name for name in NAMES]
    for folder in folders:
        folder.mkdir()
    locks = [held(folder) for folder in folders]
    assert sorted(os.listdir(tmp_path)) == sorted([*NAMES, *(f"{name}.lock" for name in NAMES)])
    peers = [start(folder) for folder in folders]
    assert [peer.does("acquire()") for peer in peers] == [BUSY] * len(NAMES)
    for number, lock in enumerate(locks):
        lock.gate()
        lock.release()
        expected = [GOT] * (number + 1) + [BUSY] * (len(NAMES) - number - 1)
        assert [attempt(folder) for folder in folders] == expected
    assert sorted(os.listdir(tmp_path)) == sorted(NAMES)


@pytest.mark.parametrize("spelling", ["{}/", "{}//", "{}/.", "{}/../Track"])
def test_a_folder_has_one_lock_however_it_is_spelt(track: Path, spelling: str) -> None:
    lock = FolderLock(spelling.format(track), BUDGET)
    assert lock.path == f"{track}.lock"
    lock.acquire()
    assert attempt(track) == BUSY
    lock.gate()
    lock.release()


def test_a_linked_folder_is_locked_under_its_own_name(track: Path) -> None:
    link = track.with_name("Link")
    link.symlink_to(track.name)
    lock = held(link)
    lock.gate()
    link.unlink()
    link.symlink_to(".")
    with pytest.raises(LockLostError):
        lock.gate()
    lock.release()


@pytest.mark.parametrize("folder", ["/", "//", "/a/..", "/a", "/a.b", "/.a", "/a."])
def test_the_guides_name_of_any_folder(folder: str) -> None:
    expected = {"/": "/.lock", "//": "//.lock", "/a/..": "/.lock", "/a.b": "/a.lock"}
    assert guides_path_of(folder) == expected.get(folder, path_of(folder))


# A file that others have open


def test_file_that_another_has_open_stays_empty(track: Path, start: StartPeer) -> None:
    lock, peer = held(track), start(track)
    peer.does("descriptor = os.open(path, os.O_RDONLY)")
    lock.release()
    assert (lock_path(track).read_bytes(), state_of(track)) == (b"", LockState.FREE)
    assert lock_path(track).stat().st_mode & stat.S_ISVTX, "it counts for no file that is just being made"
    assert attempt(track) == GOT
    assert lock_path(track).exists()
    peer.does("os.close(descriptor)")
    assert attempt(track) == GOT
    assert not lock_path(track).exists()


def test_file_of_another_user_stays_empty(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse the lease, as the kernel does to all but a file's owner."""
    fails(monkeypatch, fcntl, "fcntl", errno.EACCES, when=lambda _, command, *__: command == fcntl.F_SETLEASE)
    assert attempt(track) == GOT
    assert state_of(track) is LockState.FREE
