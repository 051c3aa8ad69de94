"""Trial of the locks of a file system: the answer of `audiobatchctl locks test`.

Here a second process on this machine is the other side; `between_machines` has two machines try one lock between them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from audiobatchd.disk import filesystems, shares
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import give_back
from audiobatchd.locks.trial import between_machines
from audiobatchd.locks.trial.between_machines import Outcome, Say, milliseconds
from audiobatchd.vocabulary.names import shown

FILE_SYSTEM = "file system"
SECOND_PROCESS = "second process"
FLOCK = "flock"
KILLED_HOLDER = "killed holder"
GATE = "gate"
RECHECK = "re-check"
BETWEEN_MACHINES = "between machines"

PATIENCE = 60.0
"""Seconds that a step of another process may take; what one writes on NFS may be invisible to others for 45."""

_OWN_FILE = ".file"
_MODE = 0o660
"""Without a right to write, SMB calls the file read-only, and refuses the second one that opens it."""
_HELD, _REFUSED, _FAILED = "held", "refused", "failed"
_REFUSED_TO_ALL = "it is refused although no process holds it"


@dataclass(frozen=True)
class Finding:
    """Result of one attempt."""

    name: str
    ok: bool | None
    """None where it could not be tried."""
    detail: str
    """Text for the user."""


@dataclass(frozen=True)
class _Place:
    """Circumstances of one attempt."""

    path: str
    """File of its own, whose lock is tried."""
    kind: Kind
    """Kind of the file system there."""
    patience: float
    """Seconds that the second process may take for a step."""

    @property
    def local(self) -> bool:
        """Tell whether `flock` counts."""
        return self.kind is Kind.LOCAL


def try_locks(dataset: str, wait: float, say: Say, *, patience: float = PATIENCE) -> list[Finding]:
    """Try the locks of the file system under `dataset`, and between two machines where this runs on both.

    The other machine is waited for `wait` seconds, and then each of its steps `patience` seconds. `say` is told what is
    going on. Nothing is left in the dataset. Raises OSError, with a text for a user, where the dataset is not there or
    cannot be written to.
    """
    kind, filesystem = _look_at(dataset)
    _prove_writable(dataset, _own_path(dataset))
    between_machines.clear_leftovers(dataset)
    say(f"trying the locks of {shown(dataset)} ({filesystem})")
    reach, words = shares.of(dataset)
    findings = [Finding(FILE_SYSTEM, reach is not Kind.WEAK, _in_words(reach, words))]
    for name, attempt in _ATTEMPTS:
        # A file for each: on SMB a name that was just removed may not be made again yet.
        outcome = _try(attempt, _Place(_own_path(dataset), kind, patience))
        findings.append(Finding(name, outcome.ok, outcome.detail))
    try:
        outcome = between_machines.meet(dataset, kind, wait, patience, say)
    except OSError as error:
        outcome = Outcome(f"cannot meet another machine: {error.strerror or error}")
    return [*findings, Finding(BETWEEN_MACHINES, outcome.ok, outcome.detail)]


def _own_path(dataset: str) -> str:
    return os.path.join(dataset, between_machines.own_name() + _OWN_FILE)


def _look_at(dataset: str) -> tuple[Kind, str]:
    try:
        with os.scandir(dataset):
            return filesystems.of(dataset)
    except OSError as error:
        raise _told(error, "read", dataset) from error


def _prove_writable(dataset: str, path: str) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | kernel.OPEN_FLAGS, 0o660))
        os.unlink(path)
    except OSError as error:
        raise _told(error, "write in", dataset) from error


def _told(error: OSError, verb: str, dataset: str) -> OSError:
    """The same error, for a user to read."""
    told = type(error)(f"cannot {verb} {shown(dataset)}: {error.strerror or error}")
    told.errno = error.errno
    return told


def _in_words(kind: Kind, filesystem: str) -> str:
    match kind:
        case Kind.LOCAL:
            return f"{filesystem}: this machine alone has it"
        case Kind.NETWORK:
            return f"{filesystem}: its locks are shared between machines"
        case Kind.WEAK:
            return filesystems.refusal(filesystem)


def _try(attempt: Callable[[_Place], Outcome], place: _Place) -> Outcome:
    try:
        return attempt(place)
    except (ChildProcessError, TimeoutError) as error:
        return Outcome(error.strerror or str(error))
    except OSError as error:
        return Outcome(f"cannot use a lock there: {error.strerror or error}", ok=False)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(place.path)


def _second_process(place: _Place) -> Outcome:
    with _OtherProcess("lock", place) as other:
        other.must_hold()
        if _is_granted(place):
            return Outcome("two processes got the same lock", ok=False)
    return Outcome("a lock that one process holds is refused to another", ok=True)


def _flock(place: _Place) -> Outcome:
    if not place.local:
        return Outcome("counts on local file systems only: the age of a script's lock decides here")
    with _OtherProcess("flock", place) as script:
        script.must_hold()
        if _is_granted(place):
            return Outcome("the lock of a script that uses flock is not seen", ok=False)
    with _held(place), _OtherProcess("flock", place) as script:
        if script.answer() != _REFUSED:
            return Outcome("a script that uses flock does not see our lock", ok=False)
    return Outcome("a script that uses flock and we exclude each other", ok=True)


def _killed_holder(place: _Place) -> Outcome:
    with _OtherProcess("lock", place) as other:
        other.must_hold()
        if _is_granted(place):
            return Outcome("not refused while its holder lived")
        other.kill()
        start = time.monotonic()
        while not _is_granted(place):
            if time.monotonic() - start > place.patience:
                return Outcome(f"still held {place.patience:g} s after its holder was killed", ok=False)
            time.sleep(between_machines.POLL)
        return Outcome(f"free {milliseconds(time.monotonic() - start)} after the end of its killed holder", ok=True)


def _gate(place: _Place) -> Outcome:
    written = b"a trial of locks\n"
    with _held(place) as descriptor:
        os.pwrite(descriptor, written, 0)
        os.fsync(descriptor)
        if os.pread(descriptor, len(written), 0) != written:
            return Outcome("what was written through a locked file does not stand in it", ok=False)
    return Outcome("a locked file can be written and synced", ok=True)


def _recheck(place: _Place) -> Outcome:
    """Take the lock on a file that was opened before its holder gave it back."""
    with _opened(place.path) as late:
        with _held(place) as holder:
            if place.local:
                os.unlink(place.path)
            else:
                give_back(place.path, holder, place.kind)
        if not kernel.take(late, local=place.local):
            return Outcome("refused although it was given back", ok=False)
        is_current = kernel.names(place.path, late)
    if place.local:
        return Outcome(f"a lock on a removed file is {'not ' if is_current else ''}noticed", ok=not is_current)
    return Outcome(f"an emptied file {'stays' if is_current else 'does not stay'} the lock", ok=is_current)


_ATTEMPTS: tuple[tuple[str, Callable[[_Place], Outcome]], ...] = (
    (SECOND_PROCESS, _second_process),
    (FLOCK, _flock),
    (KILLED_HOLDER, _killed_holder),
    (GATE, _gate),
    (RECHECK, _recheck),
)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = kernel.open_lock(path, os.O_RDWR | os.O_CREAT, _MODE)
    try:
        yield descriptor
    finally:
        kernel.close_lock(descriptor)


@contextlib.contextmanager
def _held(place: _Place) -> Iterator[int]:
    with _opened(place.path) as descriptor:
        if not kernel.take(descriptor, local=place.local):
            raise OSError(_REFUSED_TO_ALL)
        yield descriptor


def _is_granted(place: _Place) -> bool:
    with _opened(place.path) as descriptor:
        return kernel.take(descriptor, local=place.local)


class _OtherProcess:
    """A second process with a lock, or without: it tries once, says what came of it, and lives until it is ended.

    One that cannot be run raises ChildProcessError, one that does not answer TimeoutError, and what its lock raised is
    raised here.
    """

    def __init__(self, how: str, place: _Place) -> None:
        self._patience = place.patience
        command = [sys.executable, "-P", "-m", __name__, how, place.path]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=nothing, bufsize=0)
        except OSError as error:
            message = f"cannot start a second process: {error.strerror or error}"
            raise ChildProcessError(message) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError):
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def answer(self) -> str:
        """Wait for the result of its attempt: `_HELD` or `_REFUSED`."""
        assert self._process.stdout is not None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        if not poll.poll(self._patience * 1000):
            message = f"the second process did not answer within {self._patience:g} s"
            raise TimeoutError(message)
        # So few bytes come through a pipe in one piece.
        answer, _, number = self._process.stdout.readline().decode().rstrip().partition(" ")
        if answer == _FAILED:
            raise OSError(int(number), os.strerror(int(number)))
        if answer not in {_HELD, _REFUSED}:
            raise ChildProcessError("cannot run a second process: it ended without an answer")
        return answer

    def must_hold(self) -> None:
        """Wait until it has the lock."""
        if self.answer() != _HELD:
            raise OSError(_REFUSED_TO_ALL)

    def kill(self) -> None:
        """End it, and wait for that."""
        self._process.kill()
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired as error:
            message = f"the killed process did not end within {self._patience:g} s"
            raise TimeoutError(message) from error


def _be_the_other_process(how: str, path: str) -> None:
    """Run as `_OtherProcess`. Standard input ends with the process that started this one."""
    try:
        descriptor = kernel.open_lock(path, os.O_RDWR | os.O_CREAT, _MODE)
        if how == "flock":
            got = _flocked(descriptor)
        else:
            got = kernel.take(descriptor, local=filesystems.kind_of(descriptor) is Kind.LOCAL)
        answer = _HELD if got else _REFUSED
    except OSError as error:
        answer = f"{_FAILED} {error.errno}"
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()


def _flocked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    _be_the_other_process(*sys.argv[1:])
