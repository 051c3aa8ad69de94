"""A slot: the place in the pool where one worker process lives, dies and is started again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audiobatchd.vocabulary.files import FolderKey

_BOOT_BACKOFF = (1.0, 60.0)
_DOUBLINGS = 30
_LATE = 1.0
_SHORT = 2.0
_LEFT_BEHIND = 3.0
"""Seconds that a killed process gets to end when the service itself ends."""


class SlotState(StrEnum):
    """DOWN: no process.

    BOOTING: it loads its analyzers. IDLE, BUSY: without and with a job. ENDING: told to stop, or killed.
    """

    DOWN = "down"
    BOOTING = "booting"
    IDLE = "idle"
    BUSY = "busy"
    ENDING = "ending"


@dataclass(frozen=True)
class Assignment:
    """The job that a slot is at; `alone`: no other may run beside it.

    It may be silent for `timeout` seconds, while it analyzes for `factor` times the audio's length on top.
    """

    number: int
    key: FolderKey
    alone: bool = False
    timeout: float = 600.0
    factor: float = 0.0


@dataclass(slots=True)
class Slot:
    """One slot's state machine. Every entry point is a `match` on the state; a late message or timer changes nothing.

    `due` is when the state has lasted long enough: the next start of a DOWN slot, the deadline of the others.
    `spawns` counts processes; `jobs` and `resident` (bytes) are this one's. `loaded`: it has become ready; `stale`: it
    is of an older configuration. `failures` counts the starts in a row that came to nothing.
    `is_killed`: its process was sent SIGKILL; one that is still there `lost_after` seconds later sleeps in the kernel.
    `asleep` is for how many seconds the process has not run at all.
    """

    index: int
    boot_timeout: float
    lost_after: float = 10.0
    state: SlotState = SlotState.DOWN
    due: float | None = 0.0
    since: float = 0.0
    pid: int = 0
    spawns: int = 0
    jobs: int = 0
    resident: int = 0
    loaded: bool = False
    stale: bool = False
    assignment: Assignment | None = None
    doing: str = ""
    failures: int = 0
    fate: str = ""
    is_killed: bool = False
    asleep: float = 0.0
    waits: bool = False
    """Whether it may sleep over a disk that is being asked, or hangs: its time does not run out meanwhile."""
    is_cleared: bool = False
    """Whether the disk answered in good time where its job is, while it slept: it waits for something else."""

    def spawned(self, pid: int, now: float) -> None:
        """A process was started in this slot."""
        self._enter(SlotState.BOOTING, now, due=now + self.boot_timeout)
        self.pid = pid
        self.spawns += 1
        self.jobs = self.resident = 0
        self.loaded = self.stale = self.is_killed = False
        self.asleep = 0.0
        self.fate = ""

    def short(self, now: float) -> None:
        """No process could be started, for lack of something that may soon be there again."""
        self._enter(SlotState.DOWN, now, due=now + _SHORT)

    def ready(self, now: float) -> bool:
        """The worker says that it can work; False where that comes too late."""
        if self.state is not SlotState.BOOTING:
            return False
        self._enter(SlotState.IDLE, now)
        self.loaded = True
        return True

    def assigned(self, assignment: Assignment, now: float) -> None:
        """A job was sent."""
        self._enter(SlotState.BUSY, now, due=now + assignment.timeout)
        self.assignment = assignment
        self.doing = "starting"
        self.asleep = 0.0
        self.waits = self.is_cleared = False
        self.jobs += 1

    def staged(self, number: int, doing: str, audio_seconds: float | None, now: float) -> None:
        """The worker says what it is at, and that it comes on; see `messages.Stage`."""
        if self.state is SlotState.BUSY and self.assignment is not None and self.assignment.number == number:
            self.doing = doing
            if audio_seconds is not None:
                self.is_cleared = False
                self.due = now + self.assignment.timeout + self.assignment.factor * audio_seconds

    def slept(self, seconds: float) -> None:
        """The process has not run for so long."""
        self.asleep = seconds
        self.is_cleared &= seconds > 0.0

    def disk_answered(self, took: float, now: float, *, hung: bool, there: bool) -> None:
        """The disk that it may have slept over has answered, `there` where its job is: what that `took` is no time.

        One that `hung` gives the job its time again, as a step forward does.
        """
        if self.assignment is None or self.due is None:
            return
        self.due = max(self.due, now) + took
        if hung:
            self.due = max(self.due, now + self.assignment.timeout)
        else:
            self.is_cleared |= there

    def finished(self, number: int, now: float) -> Assignment | None:
        """The job ended; None where this is not the job that the slot is at."""
        if self.state is not SlotState.BUSY or self.assignment is None or self.assignment.number != number:
            return None
        assignment = self.assignment
        self.failures = 0
        self._enter(SlotState.IDLE, now)
        return assignment

    def ending(self, fate: str, now: float, *, patience: float | None = None) -> None:
        """The process was told to stop, and past `patience` seconds it is killed; without, it is killed for `fate`."""
        assignment, doing = self.assignment, self.doing
        self.is_killed = patience is None
        self._enter(SlotState.ENDING, now, due=now + (self.lost_after if patience is None else patience))
        self.assignment, self.doing = assignment, doing
        self.fate = fate

    def hurry(self, now: float) -> None:
        """The service ends: a process that was killed and is still there is soon left behind."""
        if self.state is SlotState.ENDING and self.is_killed and self.due is not None:
            self.due = min(self.due, now + _LEFT_BEHIND)

    def lost(self, now: float) -> Assignment | None:
        """The process cannot be killed, and another one may take its place; the job that it is still at, if any."""
        assignment = self.assignment
        self._enter(SlotState.DOWN, now, due=now)
        self.pid = self.resident = 0
        return assignment

    def exited(self, now: float) -> Assignment | None:
        """The process is gone; the job that it took along, if any.

        One that ends by itself before it was given any job is started again later and later.
        """
        lost, was = self.assignment, self.state
        delay = 0.0
        by_itself = was in (SlotState.BOOTING, SlotState.IDLE) or (was is SlotState.ENDING and bool(self.fate))
        if by_itself and not self.jobs:
            first, longest = _BOOT_BACKOFF
            delay = min(longest, first * 2.0 ** min(self.failures, _DOUBLINGS))
            self.failures += 1
        self._enter(SlotState.DOWN, now, due=now + delay)
        self.pid = 0
        self.resident = 0
        return lost

    def ran_out(self, now: float) -> bool:
        """Whether the state has lasted until `due`.

        Where that moment went by unnoticed, because this process was stopped or the machine was too busy, what the
        worker said meanwhile is heard first.
        """
        if self.due is None or now < self.due or (self.waits and self.state is SlotState.BUSY):
            return False
        if self.state is not SlotState.DOWN and now - self.due > _LATE:
            self.due = now + _LATE
            return False
        return True

    def _enter(self, state: SlotState, now: float, due: float | None = None) -> None:
        self.state = state
        self.since = now
        self.due = due
        self.assignment = None
        self.doing = ""
