"""Tools of the tests of locks: other processes, contents of lock files, and system calls that fail."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from audiobatchd.errors import LockBusyError
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.locks.observer import LockState, observe

BUDGET = 60.0
MARK = "0123456789abcdef"
"""The token of a holder that a test makes up."""

GOT, BUSY = "got", "busy"

Held = Callable[[Path], contextlib.AbstractContextManager[subprocess.Popen[bytes]]]
"""Has another process hold the lock of a folder: see `held_elsewhere`."""

_HOLDER = """
import sys
from audiobatchd import FileLock
with FileLock(sys.argv[1]):
    print(flush=True)
    sys.stdin.read()
"""

PROGRAM = """
import errno, fcntl, json, os, select, signal, subprocess, sys, threading, time
from audiobatchd import FileLock
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import folder_lock, kernel, lock_file
from audiobatchd.locks.folder_lock import FolderLock

folder = sys.argv[1]
path = folder + ".lock"
lock = FolderLock(folder, 60.0)
guides_text = f"Processing started: 2026-11-24 10:00:00\\nPID: {os.getpid()}\\nFile: {os.path.basename(folder)}\\n"

def acquire():
    try:
        lock.acquire()
    except folder_lock.LockBusyError:
        return "busy"
    return "got"

def make():
    "What a script of the guide begins with."
    global descriptor
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)

def flock():
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return "busy"
    return "got"

def sign():
    os.write(descriptor, os.fsencode(guides_text))

def fork():
    "A child that does nothing; it ends with its standard input."
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, b"here")
        poll = select.poll()
        poll.register(0, 0)
        poll.poll()
        os._exit(0)
    os.read(reading, 4)
    os.close(reading)
    os.close(writing)
    return pid

def links():
    "What is open."
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass
    return found

def in_child(body):
    "What `body` gives in a forked child, or the name of the exception."
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(30)
        try:
            answer = body()
        except BaseException as error:
            answer = type(error).__name__
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    answer = os.read(reading, 1 << 16)
    os.close(reading)
    return json.loads(answer or '"it died"')

answers = os.fdopen(os.dup(1), "w")
for line in sys.stdin:
    code = json.loads(line)
    try:
        try:
            compiled = compile(code, "<test>", "eval")
        except SyntaxError:
            exec(compile(code, "<test>", "exec"))
            answer = None
        else:
            answer = eval(compiled)
    except BaseException as error:
        answer = type(error).__name__
    answers.write(json.dumps(answer) + "\\n")
    answers.flush()
"""


class Peer:
    """Process that does what it is told, in Python, line by line; `lock` is its lock of the folder."""

    def __init__(self, folder: str, prefix: tuple[str, ...] = ()) -> None:
        command = [*prefix, sys.executable, "-c", PROGRAM, folder]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.pid = self._process.pid

    def does(self, code: str) -> object:
        """Do it; its value, or the name of the exception."""
        self.begins(code)
        return self.answers()

    def begins(self, code: str) -> None:
        """Do it, and do not wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(code) + "\n")
        self._process.stdin.flush()

    def answers(self) -> object:
        """Wait for the result of the last line that it began."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def leaves(self, code: str) -> None:
        """Do what ends it, and wait for that."""
        self.begins(code)
        self._process.wait()

    def holds(self) -> Peer:
        """Take the lock."""
        assert self.does("acquire()") == GOT
        return self

    def is_at_work(self) -> Peer:
        """Take the lock as a script of the guide does."""
        self.does("make()")
        assert self.does("flock()") == GOT
        self.does("sign()")
        return self

    def kill(self) -> None:
        """End it by SIGKILL. What it forked lives on, until `end`."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop it by SIGSTOP, and wait until it is."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def end(self) -> None:
        """End it, whatever its state, and what it forked."""
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.read()  # until all that had it are gone
        self._process.stdout.close()


StartPeer = Callable[..., Peer]


@contextlib.contextmanager
def peers() -> Iterator[StartPeer]:
    """Starts peers: `start(folder)`. All are ended with the context."""
    with contextlib.ExitStack() as stack:

        def start(folder: str | Path, prefix: tuple[str, ...] = ()) -> Peer:
            peer = Peer(os.fspath(folder), prefix)
            stack.callback(peer.end)
            return peer

        yield start


def lock_path(folder: Path) -> Path:
    """The lock file of `folder`."""
    return folder.with_name(folder.name + ".lock")


@contextlib.contextmanager
def held_elsewhere(folder: Path, *, kill: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process hold the lock of `folder`; it is killed in the end, or else gives the lock back."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(folder)], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        try:
            assert holder.stdout.readline() == b"\n"
            yield holder
            if not kill:
                holder.stdin.close()
                holder.wait()
        finally:
            holder.kill()


def attempt(folder: Path) -> str:
    """Try to take the lock in this process, give it back at once, and say what came of it."""
    lock = FolderLock(os.fspath(folder), BUDGET)
    try:
        lock.acquire()
    except LockBusyError:
        return BUSY
    except OSError as error:
        return type(error).__name__
    lock.release()
    return GOT


def guides_text(folder: Path, pid: int = 1) -> bytes:
    """Return what a script of the guide writes."""
    return b"Processing started: 2026-11-24 10:00:00\nPID: %d\nFile: %s\n" % (pid, os.fsencode(folder.name))


def descriptors() -> dict[str, str]:
    """List what this process has open."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found[number] = os.fspath(Path(f"/proc/self/fd/{number}").readlink())
    return found


def lock_of(folder: Path) -> FolderLock:
    return FolderLock(os.fspath(folder), BUDGET)


def held(folder: Path) -> FolderLock:
    lock = lock_of(folder)
    lock.acquire()
    return lock


def state_of(folder: Path) -> LockState | None:
    observation = observe(os.fspath(lock_path(folder)))
    return observation.state if observation else None


def holder(**changes: object) -> bytes:
    """Return what a holder writes that was this very process, but for `changes`."""
    found = msgspec.json.decode(of_this_process(time.time(), BUDGET, MARK))
    return msgspec.json.encode(found | changes) + b"\n"


def overwrite(path: Path, written: bytes) -> None:
    with path.open("r+b") as file:
        file.write(written)
        file.truncate()


def everything_in(directory: Path) -> dict[str, object]:
    """Names, stats and contents."""
    found: dict[str, object] = {}
    for path in directory.rglob("*"):
        status = path.lstat()
        found[path.name] = (status.st_ino, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if stat.S_ISREG(status.st_mode):
            found[f"{path.name}: content"] = path.read_bytes()
    return found


def fails(
    patch: pytest.MonkeyPatch,
    where: object,
    name: str,
    number: int,
    *,
    times: int = 1 << 30,
    when: Callable[..., bool] = lambda *_: True,
) -> None:
    """Let a function raise OSError, `times` times, where `when` says so of its arguments."""
    really, left = getattr(where, name), [times]

    def failing(*arguments: object, **named: object) -> object:
        if left[0] > 0 and when(*arguments):
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return really(*arguments, **named)

    patch.setattr(where, name, failing)
