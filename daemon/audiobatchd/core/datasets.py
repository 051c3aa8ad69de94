"""The state of each dataset's root: there, walked, lost, held up. What its folders are is `folders`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from audiobatchd.core.events import Walked
from audiobatchd.core.messages import Result
from audiobatchd.model import Cause, DatasetState, FolderKey, Outcome

LOOK_AGAIN = 5.0
"""Seconds between looks for a root that is not there."""

ROW = 5
"""So many different folders, one after the other, with errors of the disk: it is not the folders' fault."""

_PROBES = (5.0, 60.0)


@dataclass(slots=True)
class Hold:
    """Why no job is given out in a dataset. At `probe_at` the folder `key` is looked at again, where it happened."""

    cause: Cause
    key: FolderKey
    remark: str
    probe_at: float | None
    wait: float = _PROBES[0]

    def persists(self, now: float) -> None:
        """It was looked at, and nothing is better."""
        self.wait = min(_PROBES[1], self.wait * 2)
        self.probe_at = now + self.wait


@dataclass(slots=True)
class Dataset:
    """One dataset. Its next walk starts at `walk_at`; while one runs, a wish for another is kept in `walk_again`.

    `parents` are the directories that hold track folders, and so their locks; `reap_at` is when these are looked at;
    `refused`: it is there, and not to be worked on. `before` is how it stood when the walk under way began, None before
    the first; `renew`: the next one sets up the watch anew. `trees` appeared, and are walked all at once. `row` are the
    folders that met errors of the disk since a job last ended otherwise; `holds` is what keeps all jobs waiting.
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
    holds: dict[Cause, Hold] = field(default_factory=dict)
    row: dict[FolderKey, str] = field(default_factory=dict)
    trees: set[str] = field(default_factory=set)
    walking_trees: bool = False
    parents: set[str] = field(default_factory=set)
    is_track: bool = False
    overdue: dict[str, str] = field(default_factory=dict)
    reap_at: float | None = None

    @property
    def standing(self) -> tuple[DatasetState, str]:
        """Its state, and the remark that explains it: a hold goes before everything that walks found out."""
        if self.holds and self.state in (DatasetState.ACTIVE, DatasetState.WALKING):
            return DatasetState.PAUSED, "; ".join(hold.remark for hold in self.holds.values())
        return self.state, self.remark

    @property
    def works(self) -> bool:
        """Whether jobs are given out in it."""
        return self.standing[0] in (DatasetState.ACTIVE, DatasetState.WALKING)

    def ended(self, key: FolderKey, result: Result, now: float) -> Hold | None:
        """A job ended; what now holds up the whole dataset, if it did not before."""
        reason = next(iter(result.reasons.values()), "")
        match result.cause:
            case Cause.SPACE:
                where = f" on {result.where}" if result.where else ""
                return self._hold(Cause.SPACE, key, f"no space is left{where}: {reason}", now)
            case Cause.IO:
                self.row[key] = reason
                if len(self.row) >= ROW:
                    where = f" on {result.where}" if result.where else ""
                    remark = f"the disk fails{where}, in {ROW} folders in a row: {reason}"
                    return self._hold(Cause.IO, key, remark, now)
            case _ if result.outcome in (Outcome.DONE, Outcome.FAILED):
                self.row.clear()
        return None

    def released(self, cause: Cause) -> None:
        """What held it up is over."""
        self.holds.pop(cause, None)
        self.row.clear()

    def _hold(self, cause: Cause, key: FolderKey, remark: str, now: float) -> Hold | None:
        if cause in self.holds:
            return None
        self.holds[cause] = Hold(cause, key, remark, now + _PROBES[0])
        return self.holds[cause]

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
