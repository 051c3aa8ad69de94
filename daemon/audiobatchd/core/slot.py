"""A slot: the place in the pool where one worker process lives, dies and is started again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audiobatchd.model import FolderKey

_BOOT_BACKOFF = (1.0, 60.0)
_DOUBLINGS = 30


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
    """The job that a slot is at."""

    number: int
    key: FolderKey


@dataclass(slots=True)
class Slot:
    """One slot's state machine. Every entry point is a `match` on the state; a late message or timer changes nothing.

    `due` is when the state has lasted long enough: the next start of a DOWN slot, the deadline of the others.
    """

    index: int
    boot_timeout: float
    state: SlotState = SlotState.DOWN
    due: float | None = 0.0
    since: float = 0.0
    pid: int = 0
    assignment: Assignment | None = None
    doing: str = ""
    boot_failures: int = 0
    fate: str = ""

    def spawned(self, pid: int, now: float) -> None:
        """A process was started in this slot."""
        self._enter(SlotState.BOOTING, now, due=now + self.boot_timeout)
        self.pid = pid
        self.fate = ""

    def ready(self, now: float) -> bool:
        """The worker says that it can work; False where that comes too late."""
        if self.state is not SlotState.BOOTING:
            return False
        self.boot_failures = 0
        self._enter(SlotState.IDLE, now)
        return True

    def assigned(self, assignment: Assignment, deadline: float, now: float) -> None:
        """A job was sent."""
        self._enter(SlotState.BUSY, now, due=deadline)
        self.assignment = assignment
        self.doing = "starting"

    def staged(self, number: int, doing: str, extension: float) -> None:
        """The worker says what it is at; `extension` seconds are granted for it."""
        if self.state is SlotState.BUSY and self.assignment is not None and self.assignment.number == number:
            self.doing = doing
            if self.due is not None:
                self.due += extension

    def finished(self, number: int, now: float) -> Assignment | None:
        """The job ended; None where this is not the job that the slot is at."""
        if self.state is not SlotState.BUSY or self.assignment is None or self.assignment.number != number:
            return None
        assignment = self.assignment
        self._enter(SlotState.IDLE, now)
        return assignment

    def ending(self, fate: str, now: float, *, patience: float | None = None) -> None:
        """The process was told to stop, or killed because of `fate`; past `patience` seconds it is killed."""
        assignment = self.assignment
        self._enter(SlotState.ENDING, now, due=None if patience is None else now + patience)
        self.assignment = assignment
        self.fate = fate

    def exited(self, now: float) -> Assignment | None:
        """The process is gone; the job that it took along, if any."""
        lost, was = self.assignment, self.state
        delay = 0.0
        if was is SlotState.BOOTING or (was is SlotState.ENDING and self.fate and lost is None):
            first, longest = _BOOT_BACKOFF
            delay = min(longest, first * 2.0 ** min(self.boot_failures, _DOUBLINGS))
            self.boot_failures += 1
        self._enter(SlotState.DOWN, now, due=now + delay)
        self.pid = 0
        return lost

    def expired(self, now: float) -> bool:
        """Whether the state has lasted until `due`."""
        return self.due is not None and now >= self.due

    def _enter(self, state: SlotState, now: float, due: float | None = None) -> None:
        self.state = state
        self.since = now
        self.due = due
        self.assignment = None
        self.doing = ""
