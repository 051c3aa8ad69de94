"""One folder: its state, and what is known of it while it is not complete."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import FileMemory
from audiobatchd.core.queue import Lane
from audiobatchd.core.settle import Settling
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause, FolderState, in_one_line


@dataclass(slots=True)
class Folder:
    """What is known of one folder that is not complete.

    `memory` goes with its next job, `access` is how permissions were when it was blocked, `due` what a dry run tells.
    `fresh`: somebody hinted at it, so it goes before what walks find; `is_bumped`: somebody wants it before all others;
    `is_pardoned`: while its job runs; `hinted`: once more while it ran. `round` is the full walk that came by it last.
    `attempts`, `charges` and `suspicions` count since its files last changed; `is_suspect`: whoever was at it died, and
    it has not been tried since. `cause` is what hindered it and likely hinders others. `retry_at` is when a backoff is
    over, `soon` the reading after a hint, `rest_look` the one that may find it at rest, `ended` when it came to its
    last end, good or bad.
    """

    state: FolderState = FolderState.SETTLING
    settling: Settling = field(default_factory=Settling)
    reasons: dict[str, str] = field(default_factory=dict)
    memory: dict[str, FileMemory] = field(default_factory=dict)
    access: str = ""
    due: tuple[str, ...] = ()
    fresh: bool = False
    is_bumped: bool = False
    is_pardoned: bool = False
    round: int = 0
    hinted: bool = False
    attempts: int = 0
    charges: int = 0
    suspicions: int = 0
    is_suspect: bool = False
    cause: Cause = Cause.NONE
    retry_at: float = 0.0
    soon: float = 0.0
    rest_look: float = 0.0
    ended: float = 0.0
    lane: Lane | None = None
    """Where it has its place in the queue, also while it is not `queued`: it takes no second one there."""
    starved: int = 0
    """How many times in a row the kernel killed its worker because memory was short: from then on it runs alone."""
    writing: Settling = field(default_factory=Settling)
    """The way to rest of a record that could not be understood."""

    @property
    def goes_alone(self) -> bool:
        """Whether it waits until nothing else is left to do, and then runs with nothing beside it."""
        return self.is_suspect or self.starved > 0

    @property
    def reason(self) -> str:
        """Why it is where it is, in one line."""
        return in_one_line(self.reasons)

    @property
    def gave_up(self) -> str:
        """Why it was given up as a whole; empty where it was not."""
        return next(iter(self.reasons.values()), "") if self.state is FolderState.FAILED else ""

    @property
    def outgrew(self) -> bool:
        """Whether it was given up because it takes more memory than a worker may have."""
        return bool(self.gave_up) and self.cause is Cause.MEMORY

    def died(self, *, counts: bool) -> None:
        """Whoever was at it died with its daemon; `counts`: it may have brought that about.

        What did not, because others ran beside it or somebody ended them all, is enough for one suspicion, which has it
        run alone, and for no more.
        """
        self.suspicions = self.suspicions + 1 if counts else max(1, self.suspicions)

    def kept(self, key: FolderKey, memory: dict[str, FileMemory], verdict: str) -> do.Remember:
        """What of it is to outlive the daemon, with `memory` of its files; `verdict` as in `gave_up`."""
        counts = (self.charges, self.suspicions) if self.state is not FolderState.COMPLETE else (0, 0)
        return do.Remember(key, memory, self.settling.signature, verdict, *counts, by_memory=self.outgrew)
