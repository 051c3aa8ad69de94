"""Probes of disks that may hang: processes that ask and can be given up, and threads that have slept for long.

A thread, or a process of the service, that asked a disk which hangs could not be ended until it answers.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from audiobatchd.core import actions as do
from audiobatchd.core.events import Event, Probed, Short
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.disk import filesystems, inquiry
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import folder_at
from audiobatchd.vocabulary.states import Cause

PATIENCE = 8.0
"""Seconds that a disk has to answer; one that was asleep takes some to turn."""

_AGAIN = 1.0
"""Seconds until a process that could not be started is tried again."""
_STEP = 2.0
"""Seconds that one measurement adds at most: where this process stood still itself, the others may have too."""

_Name = TypeVar("_Name", bound=Hashable)


class Sleepers:
    """Measures for how long threads and processes have not run at all, by their directories in /proc."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[bytes, float, float]] = {}
        """Count of the kernel for each directory, for how long that has been the same, and when it was read."""

    def measured(self, places: Mapping[_Name, str], now: float) -> dict[_Name, float]:
        """Measure how many seconds each is known to have slept; 0 for one that runs, is stopped or is gone."""
        before, self._seen = self._seen, dict(self._seen)
        found = {}
        for name, place in places.items():
            old, seconds, at = before.get(place, (b"", 0.0, now))
            ran = _ran(place)
            if ran is None:  # then all is as it was
                ran = old
            else:
                seconds = seconds + min(now - at, _STEP) if ran and ran == old else 0.0
            self._seen[place] = (ran, seconds, now)
            found[name] = seconds
        self._seen = {place: seen for place, seen in self._seen.items() if seen[2] == now}
        return found


def _ran(place: str) -> bytes | None:
    """Read what the kernel counts of how a thread or a process ran; empty where it is stopped or gone.

    None where that cannot be read, for lack of a descriptor or of memory.
    """
    try:
        with open(f"{place}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
        with suppress(FileNotFoundError), open(f"{place}/schedstat", "rb") as file:
            fields[10:12] = [*fields[10:12], file.read()]
    except OSError as error:
        return None if filesystems.cause_of(error) is Cause.SHORTAGE else b""
    except ValueError:
        return b""
    return b"" if state in (b"T", b"t", b"Z", b"X") else b" ".join(fields[10:13])


@dataclass(eq=False)
class _Inquiry:
    """A process that asks a disk."""

    process: subprocess.Popen[bytes]
    pidfd: int
    """Descriptor that becomes readable at its end."""
    mount: str
    """The ID of the mount that it was started on."""
    asked: list[_Question] = field(default_factory=list)
    """The questions that its end answers."""


@dataclass(eq=False)
class _Question:
    """A question of the core."""

    action: do.Probe
    first: _Inquiry
    """Asks at the folder that the question is about."""
    other: _Inquiry | None
    """Asks at the other folder, which is healthy; None where there is none."""
    other_answered: bool = False
    """True once the other folder has answered."""


class Probes:
    """The processes that ask disks. All of it belongs to the event loop; nothing here waits."""

    def __init__(self, post: Callable[[Event], None], patience: float = PATIENCE) -> None:
        self._post = post
        self._patience = patience
        self._out: dict[tuple[FolderKey, bool], _Inquiry] = {}
        self._left: set[_Inquiry] = set()

    def start(self, action: do.Probe) -> None:
        """Ask; the answer is a `Probed`, with one more where the disk answers too late."""
        loop = asyncio.get_running_loop()
        try:
            first = self._inquiry(action.key, briefly=action.briefly)
            other = self._inquiry(action.other, briefly=False) if action.other else None
        except OSError as error:
            self._post(Short(f"cannot start a process: {error.strerror}"))
            loop.call_later(_AGAIN, self.start, action)
            return
        question = _Question(action, first, other)
        first.asked.append(question)
        if other is not None:
            other.asked.append(question)
        loop.call_later(self._patience, self._give_up, question)

    def stop(self) -> None:
        """Ask no more. What hangs is left behind."""
        loop = asyncio.get_running_loop()
        for each in (*self._out.values(), *self._left):
            loop.remove_reader(each.pidfd)
            os.close(each.pidfd)
            inquiry.let_go(each.process)
        self._out.clear()
        self._left.clear()

    def _inquiry(self, key: FolderKey, *, briefly: bool) -> _Inquiry:
        """Find or start the process that asks there: one that still waits on the same mount is enough."""
        briefly = briefly or not key.path
        mount = filesystems.mounted_at(key.dataset)
        known = self._out.get((key, briefly))
        if known is not None and known.mount == mount:
            known.asked.clear()  # earlier questions have been answered: it hangs
            return known
        if known is not None:
            known.asked.clear()  # of this mount it tells nothing
            known.process.kill()
            self._left.add(known)
        how = "briefly" if briefly else "thoroughly"
        made = self._started([how, folder_at(key.dataset, key.path)], mount)
        self._out[key, briefly] = made
        asyncio.get_running_loop().add_reader(made.pidfd, self._ended, made, (key, briefly))
        return made

    def _started(self, arguments: list[str], mount: str) -> _Inquiry:
        process = subprocess.Popen(
            inquiry.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        try:
            return _Inquiry(process, os.pidfd_open(process.pid), mount)
        except OSError:
            process.kill()
            raise

    def _ended(self, made: _Inquiry, place: tuple[FolderKey, bool]) -> None:
        asyncio.get_running_loop().remove_reader(made.pidfd)
        os.close(made.pidfd)
        made.process.wait()
        self._left.discard(made)
        if self._out.get(place) is made:
            del self._out[place]
        for question in made.asked:
            if question.first is made:
                self._post(Probed(question.action.key.dataset, question.action.cause))
            else:
                question.other_answered = True

    def _give_up(self, question: _Question) -> None:
        if question.first not in self._out.values() or question not in question.first.asked:
            return
        dataset, cause = question.action.key.dataset, question.action.cause
        if question.other_answered:
            self._post(Probed(dataset, cause, only=question.action.key))
        else:
            self._post(Probed(dataset, cause, NO_ANSWER))
