"""Knowledge of one folder that is not complete, and the counts by which it is tried again or given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audiobatchd.core import actions as do
from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Result
from audiobatchd.core.plan import Limits
from audiobatchd.core.queue import Lane
from audiobatchd.core.settle import Settling
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause, FolderState, Outcome, in_one_line

_TELLS_NOTHING = (Outcome.SUSPECT, Outcome.LOCKED, Outcome.CHANGED, Outcome.GONE)
"""The outcomes of jobs that did not get to the folder's files, so that surviving them shows nothing."""


@dataclass(slots=True)
class Folder:
    """Folder that is not complete."""

    state: FolderState = FolderState.SETTLING
    settling: Settling = field(default_factory=Settling)
    """The way to rest of its files."""
    writing: Settling = field(default_factory=Settling)
    """The way to rest of a record that could not be understood."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Reasons for its state, by file, or under "" for the folder as a whole."""
    cause: Cause = Cause.NONE
    """Cause that hindered it and is likely to hinder others."""
    memory: dict[str, FileMemory] = field(default_factory=dict)
    """Memory of its files by role, which goes with its next job."""
    access: str = ""
    """The permissions that it had when it was blocked."""
    due: tuple[str, ...] = ()
    """Work that is due, in words, for a dry run."""
    fresh: bool = False
    """True where a hint told of it, so that it goes before what walks find."""
    is_bumped: bool = False
    """True where an operator wants it before all others."""
    is_pardoned: bool = False
    """True where a retry was asked for while its job runs."""
    disowned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Features, by role, that were disowned since its last job was given out, which does not know of it."""
    hinted: bool = False
    """True where a hint told of it while its job runs."""
    round: int = 0
    """The full walk that came by it last."""
    attempts: int = 0
    """Number of waits since its files last changed."""
    charges: int = 0
    """Number of errors since then that count towards giving it up."""
    suspicions: int = 0
    """Number of services or machines in a row that died over it since then."""
    is_suspect: bool = False
    """True where it has not been tried since the last of those deaths."""
    starved: int = 0
    """Number of workers in a row that the kernel killed over it for want of memory; above 0 it runs alone."""
    retry_at: float = 0.0
    """Moment when its backoff is over."""
    soon: float = 0.0
    """Moment when it is read after the last hint."""
    rest_look: float = 0.0
    """Moment when it is read by the look that may find it at rest."""
    ended: float = 0.0
    """Moment when it came to its last end, good or bad."""
    lane: Lane | None = None
    """Lane in which it has its place in the queue, also while it is not `queued`: it takes no second one there."""

    renewed: tuple[str, ...] = ()
    """The analyzers that it is due for, where it was complete without them."""

    @property
    def goes_alone(self) -> bool:
        """Tell whether it waits until nothing else is left to do, and then runs with nothing beside it."""
        return self.is_suspect or self.starved > 0

    @property
    def reason(self) -> str:
        """Reasons for its state in one line."""
        return in_one_line(self.reasons)

    @property
    def gave_up(self) -> str:
        """Reason why it was given up as a whole; empty where it was not."""
        return next(iter(self.reasons.values()), "") if self.state is FolderState.FAILED else ""

    @property
    def outgrew(self) -> bool:
        """Tell whether it was given up because it takes more memory than a worker may have."""
        return bool(self.gave_up) and self.cause is Cause.MEMORY

    def take_in(self, result: Result, now: float) -> None:
        """Note what a job told of the folder at its end."""
        self.ended, self.reasons, self.access, self.cause = now, result.reasons, result.access, result.cause
        if result.outcome not in _TELLS_NOTHING:
            self.suspicions, self.is_suspect = 0, False  # it was survived
            self.starved = self.starved if result.cause is Cause.MEMORY else 0

    def erred(self, result: Result, limits: Limits, *, alone: bool) -> FolderState:
        """Count a job that ended by an error, which ran `alone` or not; the state that follows."""
        if result.cause is Cause.MEMORY and not result.charge:
            return self._starved(result, limits, alone=alone)
        self.charges += result.charge or (limits.once and result.cause is not Cause.HANG)
        if self.charges < limits.max_deaths:
            return FolderState.BACKOFF
        times = f"(gave up after {self.charges} attempts)"
        self.reasons = {name: f"{why} {times}" for name, why in result.reasons.items()}
        return FolderState.FAILED

    def _starved(self, result: Result, limits: Limits, *, alone: bool) -> FolderState:
        """Count a job that ended because memory was short: it runs again alone; what does not fit waits for limits."""
        self.starved += 1
        if not alone or self.starved < limits.max_deaths:
            return FolderState.BACKOFF
        why = f"{in_one_line(result.reasons)}, {self.starved} times, with nothing beside it at last"
        self.reasons = {"": f"{why}; it is tried again when the service may have more memory"}
        return FolderState.BLOCKED

    def died(self, *, counts: bool) -> None:
        """Count a death of the service or the machine that was at it; `counts`: it may have brought that about.

        What did not, because others ran beside it or all were ended from outside, is enough for one suspicion, which
        has it run alone, and for no more.
        """
        self.suspicions = self.suspicions + 1 if counts else max(1, self.suspicions)

    def suspected(self, limits: Limits, *, counts: bool) -> bool:
        """Count a death, see `died`; whether the folder is given up over it: after `max_suspect` in a row."""
        self.died(counts=counts)
        self.is_suspect = True
        if not counts or self.suspicions < limits.max_suspect or limits.once:
            return False
        times = f"{self.suspicions} times in a row"
        self.reasons = {"": f"the process that worked on it died without giving back its lock, {times}"}
        return True

    def forgive(self) -> None:
        """Count nothing against it any more; the job that runs is the last to be pardoned."""
        self.attempts = self.charges = self.suspicions = self.starved = 0
        self.is_suspect = False
        self.is_pardoned = self.state is FolderState.RUNNING

    def kept(self, key: FolderKey, memory: dict[str, FileMemory], verdict: str) -> do.Remember:
        """Keep what is to outlive the service, with `memory` of its files; `verdict` as in `gave_up`."""
        counts = (self.charges, self.suspicions) if self.state is not FolderState.COMPLETE else (0, 0)
        return do.Remember(key, memory, self.settling.signature, verdict, *counts, by_memory=self.outgrew)
