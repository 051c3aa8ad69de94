"""A slot: the place in the pool where one worker process lives, dies and is started again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audiobatchd.core.backoff import Backoff
from audiobatchd.vocabulary.files import FolderKey

_BOOT_BACKOFF = Backoff(1.0, 60.0)
_LATE = 1.0
_SHORT = 2.0
_LEFT_BEHIND = 3.0
"""Seconds that a killed process gets to end when the service itself ends."""


class SlotState(StrEnum):
    """State of a slot."""

    DOWN = "down"
    """There is no process."""
    BOOTING = "booting"
    """The process loads its analyzers."""
    IDLE = "idle"
    """The process waits for a job."""
    BUSY = "busy"
    """The process is at a job."""
    ENDING = "ending"
    """The process was told to stop, or killed."""


@dataclass(frozen=True)
class Assignment:
    """The job that a slot is at."""

    number: int
    key: FolderKey
    alone: bool = False
    """No other job may run beside it."""
    timeout: float = 600.0
    """Seconds for which it may be silent."""
    factor: float = 0.0
    """Multiple of the audio's length for which it may be silent on top while it analyzes."""


@dataclass(slots=True)
class Slot:
    """State machine of one slot: every entry point asks for the state; a late message or timer changes nothing."""

    index: int
    boot_timeout: float
    """Seconds that a process may take to become ready."""
    lost_after: float = 10.0
    """Seconds after SIGKILL when a process that is still there is lost: it sleeps in the kernel."""
    host: str = ""
    """Name of the other machine where its process lives; empty for this one."""
    is_there: bool = True
    """False where that machine is gone: nothing is started until another one has its place."""
    state: SlotState = SlotState.DOWN
    due: float | None = 0.0
    """Moment when the state has lasted long enough: the next start where it is DOWN, else the deadline."""
    since: float = 0.0
    """Moment when the state began."""
    pid: int = 0
    spawns: int = 0
    """Number of processes so far."""
    jobs: int = 0
    """Number of jobs of this process."""
    resident: int = 0
    """Bytes of its resident memory."""
    loaded: bool = False
    """True where it has become ready."""
    stale: bool = False
    """True where it is of an older configuration."""
    assignment: Assignment | None = None
    doing: str = ""
    """Last words of the worker on its work."""
    failures: int = 0
    """Number of starts in a row that came to nothing."""
    fate: str = ""
    """The reason why it was killed."""
    is_killed: bool = False
    """True where it was sent SIGKILL."""
    asleep: float = 0.0
    """Seconds for which it has not run at all."""
    waits: bool = False
    """True where it may sleep over a disk that is being asked, or hangs: its time does not run out meanwhile."""
    is_cleared: bool = False
    """True where the disk answered where its job is, while it slept: it waits for something else."""
    has_time_again: bool = False
    """True where a disk that hung gave its job the whole time again, and the job has not come on since."""

    def spawned(self, pid: int, now: float) -> None:
        """Take in that a process was started."""
        self._enter(SlotState.BOOTING, now, due=now + self.boot_timeout)
        self.pid = pid
        self.spawns += 1
        self.jobs = self.resident = 0
        self.loaded = self.stale = self.is_killed = False
        self.asleep = 0.0
        self.fate = ""

    def joined(self, host: str, now: float) -> None:
        """Take in that there is a place for a process on another machine."""
        self._enter(SlotState.DOWN, now, due=now)
        self.host, self.is_there = host, True
        self.failures = self.spawns = 0

    def left(self, now: float) -> Assignment | None:
        """Take in that the place is gone with its process; the job that it took along, if any."""
        assignment = self.assignment
        self._enter(SlotState.DOWN, now)
        self.is_there = False
        self.pid = self.resident = 0
        return assignment

    def short(self, now: float) -> None:
        """Try again soon: no process could be started, for lack of something that may be there again by then."""
        self._enter(SlotState.DOWN, now, due=now + _SHORT)

    def ready(self, now: float) -> bool:
        """Take in that the worker can work; False where that comes too late."""
        if self.state is not SlotState.BOOTING:
            return False
        self._enter(SlotState.IDLE, now)
        self.loaded = True
        return True

    def assigned(self, assignment: Assignment, now: float) -> None:
        """Take in that a job was sent."""
        self._enter(SlotState.BUSY, now, due=now + assignment.timeout)
        self.assignment = assignment
        self.doing = "starting"
        self.asleep = 0.0
        self.waits = self.is_cleared = self.has_time_again = False
        self.jobs += 1

    def staged(self, number: int, doing: str, audio_seconds: float | None, now: float) -> None:
        """Take in what the worker is at, and that it comes on; see `messages.Stage`."""
        if self.state is SlotState.BUSY and self.assignment is not None and self.assignment.number == number:
            self.doing = doing
            if audio_seconds is not None:
                self.is_cleared = self.has_time_again = False
                self.due = now + self.assignment.timeout + self.assignment.factor * audio_seconds

    def slept(self, seconds: float) -> None:
        """Take in for how long the process has not run."""
        self.asleep = seconds
        self.is_cleared &= seconds > 0.0

    def disk_answered(self, took: float, now: float, *, hung: bool, there: bool) -> None:
        """Give back the time that the disk `took` to answer, over which the worker may have slept.

        One that `hung` gives the job its whole time again, as a step forward does, but once after each step: a slow
        disk keeps no worker that is stuck for ever. Else one that answered `there`, where the job is, was not what
        the worker sleeps over.
        """
        if self.assignment is None or self.due is None:
            return
        self.due = max(self.due, now) + took
        if hung and not self.has_time_again:
            self.due = max(self.due, now + self.assignment.timeout)
            self.has_time_again = True
        else:
            self.is_cleared |= there

    def finished(self, number: int, now: float) -> Assignment | None:
        """Take in that a job ended; None where this is not the job that the slot is at."""
        if self.state is not SlotState.BUSY or self.assignment is None or self.assignment.number != number:
            return None
        assignment = self.assignment
        self.failures = 0
        self._enter(SlotState.IDLE, now)
        return assignment

    def ending(self, fate: str, now: float, *, patience: float | None = None) -> None:
        """End the process: it is killed for `fate`, or, with `patience`, told to stop and killed after that time."""
        assignment, doing = self.assignment, self.doing
        self.is_killed = patience is None
        self._enter(SlotState.ENDING, now, due=now + (self.lost_after if patience is None else patience))
        self.assignment, self.doing = assignment, doing
        self.fate = fate

    def hurry(self, now: float) -> None:
        """Leave a process behind soon that was killed and is still there: the service ends."""
        if self.state is SlotState.ENDING and self.is_killed and self.due is not None:
            self.due = min(self.due, now + _LEFT_BEHIND)

    def lost(self, now: float) -> Assignment | None:
        """Give up a process that cannot be killed, so that another one has its place; the job that it is at, if any."""
        assignment = self.assignment
        self._enter(SlotState.DOWN, now, due=now)
        self.pid = self.resident = 0
        return assignment

    def exited(self, now: float) -> Assignment | None:
        """Take in that the process is gone; the job that it took along, if any.

        One that ends by itself before it was given any job is started again later and later.
        """
        lost, was = self.assignment, self.state
        delay = 0.0
        by_itself = was in (SlotState.BOOTING, SlotState.IDLE) or (was is SlotState.ENDING and bool(self.fate))
        if by_itself and not self.jobs:
            delay = _BOOT_BACKOFF.wait(self.failures)
            self.failures += 1
        self._enter(SlotState.DOWN, now, due=now + delay)
        self.pid = 0
        self.resident = 0
        return lost

    def ran_out(self, now: float) -> bool:
        """Tell whether the state has lasted until `due`.

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
