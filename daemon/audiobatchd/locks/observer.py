"""Looking at locks from outside: who holds what, without taking anything."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.locks import kernel, lock_file
from audiobatchd.locks.folder_lock import GUIDE_TIMEOUT, guide_lives, guides_path_of, is_guides_of, path_of
from audiobatchd.locks.lock_file import Content, Empty, GuideText, Holder, Unreadable


class LockState(StrEnum):
    """State of a lock file."""

    FREE = "free"
    """Empty, and not held."""
    DEAD = "dead"
    """Left by a holder that is gone."""
    ACTIVE = "active"
    """Held."""
    OVERDUE = "overdue"
    """Held for longer than its holder said."""


@dataclass(frozen=True)
class Observation:
    """State of a lock file at one moment."""

    path: str
    state: LockState
    content: Content
    kind: Kind
    """Kind of its file system, which tells what its locks are worth."""
    age: float
    """Seconds by the clocks that are at hand: for display alone."""


def observe(path: str, guide_timeout: float = GUIDE_TIMEOUT) -> Observation | None:
    """The lock file at `path` as it is now; None where there is none of ours. Raises OSError where it cannot be read.

    A PID is not asked for: one that cannot be seen proves nothing. A guide's lock on a network file system is dead when
    its file is older than `guide_timeout` seconds.
    """
    try:
        descriptor = kernel.open_lock(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _lent(path)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # the folder's name is so long that no lock can have it
            return None
        raise
    try:
        status = os.fstat(descriptor)
        found = lock_file.look_into(descriptor)
        if found is None:
            return None
        kind = filesystems.kind_of(descriptor)
        state = _state(path, descriptor, found, kind, guide_timeout)
    finally:
        kernel.close_lock(descriptor)
    return Observation(path, state, found, kind, max(0.0, time.time() - status.st_mtime))


def _lent(path: str) -> Observation:
    """The lock file of which a client of this machine's file server has a delegation: locks are its own affair then."""
    age = max(0.0, time.time() - os.lstat(path).st_mtime)
    return Observation(path, LockState.ACTIVE, Unreadable(), filesystems.of(path)[0], age)


def observe_folder(folder: str) -> Observation | None:
    """Observe what keeps others from `folder`, or the lock that was left beside it; None where there is none of ours.

    A script of the guide may hold it by another file: see `guides_path_of`. Raises OSError where its own cannot be
    read.
    """
    own, guides = path_of(folder), guides_path_of(folder)
    observation = observe(own)
    if guides != own and (observation is None or observation.state is not LockState.ACTIVE):
        with suppress(OSError):
            other = observe(guides)
            if other is not None and other.state is LockState.ACTIVE and is_guides_of(folder, other.content):
                return other
    return observation


def is_locked(folder: str) -> bool:
    """Tell whether the lock of `folder` is held at this moment; no promise for the next one."""
    try:
        observation = observe_folder(folder)
    except OSError:
        return False
    return observation is not None and observation.state is LockState.ACTIVE


def _state(path: str, descriptor: int, found: Content, kind: Kind, guide_timeout: float) -> LockState:
    if isinstance(found, Unreadable) or kernel.is_held(descriptor):
        return LockState.ACTIVE
    match found:
        case Empty():
            return LockState.FREE
        case GuideText():
            lives = guide_lives(path, descriptor, kind, guide_timeout)
            return LockState.ACTIVE if lives else LockState.DEAD
        case Holder():
            return LockState.DEAD


class Patience:
    """Remembers since when each lock has been held, to tell which are OVERDUE.

    Only the observer's own monotonic clock counts: the clocks of two machines are never compared.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[str, float]] = {}

    def keep(self, paths: set[str]) -> None:
        """Forget every lock file but these."""
        self._since = {path: seen for path, seen in self._since.items() if path in paths}

    def judge(self, observation: Observation, now: float) -> Observation:
        """`observation`, OVERDUE where the same holding has been seen for longer than it announced."""
        held = observation.content
        if observation.state is not LockState.ACTIVE or not isinstance(held, Holder):
            self._since.pop(observation.path, None)
            return observation
        token, since = self._since.get(observation.path, ("", now))
        if token != held.token:
            since = now
        self._since[observation.path] = held.token, since
        if now - since > held.budget_s:
            return replace(observation, state=LockState.OVERDUE)
        return observation


def holder_in_words(found: Content) -> str:
    """Name the holder in a few words."""
    match found:
        case Holder(host=host, pid=pid):
            return f"process {pid} on {host}"
        case GuideText(pid=pid):
            return f"a script with PID {pid}"
        case Empty():
            return "no process"
        case Unreadable():
            return "a process that the file server does not tell of"
