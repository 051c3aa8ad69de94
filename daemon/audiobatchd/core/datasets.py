"""The state of each dataset's root: there, walked, lost. What its folders are is `folders`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from audiobatchd.core.events import Walked
from audiobatchd.model import DatasetState

LOOK_AGAIN = 5.0
"""Seconds between looks for a root that is not there."""


@dataclass(slots=True)
class Dataset:
    """One dataset. Its next walk starts at `walk_at`; while one runs, a wish for another is kept in `walk_again`.

    `parents` are the directories that hold track folders, and so their locks; `reap_at` is when these are looked at;
    `refused`: it is there, and not to be worked on. `before` is how it stood when the walk under way began, None before
    the first; `renew`: the next one sets up the watch anew. `trees` appeared, and are walked all at once.
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
    before: tuple[DatasetState, str] | None = None
    renew: bool = False
    trees: set[str] = field(default_factory=set)
    walking_trees: bool = False
    parents: set[str] = field(default_factory=set)
    is_track: bool = False
    overdue: dict[str, str] = field(default_factory=dict)
    reap_at: float | None = None

    def walk_started(self) -> None:
        """A full walk is under way."""
        self.walking = True
        self.renew = False
        self.walk_again = None
        self.before = (self.state, self.remark) if self.walks else None
        if self.state is DatasetState.ACTIVE:
            self.state = DatasetState.WALKING

    def walked(self, walk: Walked, known: int, now: float) -> bool:
        """A full walk ended; whether it may be believed that folders which it did not see are gone."""
        self.walking = False
        self.walks += 1
        self.walked_at = now
        self.walk_at = now + self.rescan
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

    def take_trees(self) -> tuple[str, ...]:
        """The directories to be walked now, without those that lie in another one of them."""
        trees, self.trees = self.trees, set()
        self.walking_trees = bool(trees)
        return tuple(sorted(path for path in trees if not any(parent in trees for parent in _parents(path))))

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


def _parents(path: str) -> Iterator[str]:
    while path:
        path = path.rpartition("/")[0]
        yield path
