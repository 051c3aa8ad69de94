"""The state of each dataset's root: there, walked, lost. What its folders are is `folders`."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core.events import Walked
from audiobatchd.model import DatasetState

LOOK_AGAIN = 5.0
"""Seconds between looks for a root that is not there."""


@dataclass(slots=True)
class Dataset:
    """One dataset. Its next walk starts at `walk_at`; while one runs, a wish for another is kept in `walk_again`.

    `parents` are the directories that hold track folders, and so their locks; `reap_at` is when these are looked at;
    `refused`: it is there, and not to be worked on.
    """

    path: str
    rescan: float
    state: DatasetState = DatasetState.ACTIVE
    remark: str = ""
    walk_at: float = 0.0
    walking: bool = False
    walk_again: float | None = None
    walks: int = 0
    walked_at: float = 0.0
    refused: bool = False
    locks: str = ""
    parents: set[str] = field(default_factory=set)
    overdue: dict[str, str] = field(default_factory=dict)
    reap_at: float | None = None
    unreadable: dict[str, str] = field(default_factory=dict)

    def walk_started(self) -> None:
        """A full walk is under way."""
        self.walking = True
        self.walk_again = None
        if self.state is DatasetState.ACTIVE:
            self.state = DatasetState.WALKING

    def walked(self, walk: Walked, known: int, now: float) -> bool:
        """A full walk ended; whether it may be believed that folders which it did not see are gone."""
        self.walking = False
        self.walks += 1
        self.walked_at = now
        self.walk_at = now + self.rescan
        self.unreadable = walk.unreadable
        self.remark = walk.remark
        self.locks = walk.locks
        self.refused = bool(walk.refusal)
        if self.refused:
            self._suspend(DatasetState.PAUSED, walk.refusal, now)
            return False
        if walk.root is None:
            self._suspend(DatasetState.MISSING, walk.remark or "there is no such directory", now)
            return False
        if walk.empty and known:
            self._suspend(DatasetState.PAUSED, f"empty, where {known} folders were known: is a mount lost?", now)
            return False
        self.state = DatasetState.ACTIVE
        if self.walk_again is not None:
            self.walk_at = min(self.walk_at, self.walk_again)
        return True

    def want_walk(self, when: float) -> None:
        """Have a full walk no later than `when`."""
        if self.walking:
            self.walk_again = when if self.walk_again is None else min(self.walk_again, when)
        else:
            self.walk_at = min(self.walk_at, when)

    def _suspend(self, state: DatasetState, remark: str, now: float) -> None:
        self.state = state
        self.remark = remark
        self.walk_at = now + min(LOOK_AGAIN, self.rescan)
