"""Where the service, datasets, folders and jobs stand, and why a job came to no good end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class Mode(StrEnum):
    """How the daemon runs: for ever, for one pass, or for one that only says what would be done."""

    SERVICE = "service"
    ONCE = "one pass"
    DRY_RUN = "dry run"


class FolderState(StrEnum):
    """Where a track folder stands. One vocabulary for the daemon, the control socket and every command."""

    SETTLING = "settling"
    QUEUED = "queued"
    RUNNING = "running"
    BACKOFF = "backoff"
    COMPLETE = "complete"
    FAILED = "failed"
    BLOCKED = "blocked"
    LOCKED = "locked"


TO_DO = (FolderState.SETTLING, FolderState.QUEUED, FolderState.RUNNING, FolderState.BACKOFF)
"""The states of folders that are still on their way to an end."""

TROUBLED = (FolderState.FAILED, FolderState.BLOCKED)
"""The ends that somebody should look at."""

ENDED = (FolderState.COMPLETE, *TROUBLED)
"""All ends."""


class DatasetState(StrEnum):
    """Where a dataset stands."""

    ACTIVE = "active"
    WALKING = "walking"
    PAUSED = "paused"
    MISSING = "missing"


@dataclass(frozen=True)
class WatchReport:
    """How a dataset is watched.

    `events`: whether events are heard at all; `reason`: why, or why not. `degraded`: what should be watched and is not,
    with what to do about it; empty where nothing is. `lacks` are the kinds of that which room would mend, as error
    numbers. `parents` are the directories that are watched for what is below
    them, `leaves` the track folders that are; `unwatched` are left to walks because the budget is used up.
    """

    events: bool
    reason: str
    degraded: str = ""
    parents: int = 0
    leaves: int = 0
    unwatched: int = 0
    lacks: frozenset[int] = frozenset()


class WalkKind(StrEnum):
    """FULL: every directory is listed. TREES: some directories and all below. PASS: only those that have changed."""

    FULL = "full"
    TREES = "trees"
    PASS = "pass"  # noqa: S105  # a walk, no word


class WatchMode(StrEnum):
    """AUTO: events where the file system sends them. EVENTS: in any case. WALK: never, for walks find everything."""

    AUTO = "auto"
    EVENTS = "events"
    WALK = "walk"


def in_one_line(reasons: Mapping[str, str]) -> str:
    """Reasons by the file that each is about, or by nothing, as one sentence."""
    return "; ".join(f"{name}: {why}" if name else why for name, why in reasons.items())


class Outcome(StrEnum):
    """How a job ended, as its worker (or, where that died, the daemon) tells it.

    DONE: complete. FAILED: a file is damaged. BLOCKED: permissions, space, a spoiled record. LOCKED: somebody else is
    at it. CHANGED: the files moved under the job. GONE: there is no such track folder any more. ERROR: our own fault.
    SUSPECT: nothing was done, because whoever was at it before died without giving the lock back.
    """

    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"
    LOCKED = "locked"
    CHANGED = "changed"
    GONE = "gone"
    ERROR = "error"
    SUSPECT = "suspect"


class Cause(StrEnum):
    """What stood in a job's way that is likely to stand in the way of the whole dataset, and so holds it up.

    IO: the disk or the mount fails. SPACE: no room is left, or no quota. OPERATOR: somebody wants it so. HANG: the disk
    does not answer at all. UNIT: systemd keeps the service from writing there. SHORTAGE: this process, or the machine,
    is short of descriptors, memory or processes, which is no dataset's doing and holds none up. MEMORY: the job took
    more than its worker may have, or than the kernel had to give; that is the folder's alone, and may end when the
    limits change.
    """

    NONE = ""
    IO = "io"
    SPACE = "space"
    OPERATOR = "operator"
    HANG = "hang"
    UNIT = "unit"
    SHORTAGE = "shortage"
    MEMORY = "memory"


class Attempt(Struct, frozen=True, omit_defaults=True):
    """A job that came to no good end, and the evidence: what `explain` shows and the catalog keeps.

    `at` is ISO 8601 in UTC. `stage` is what the worker was at last; `signal`, `exit_code` and `lines`, the last that it
    wrote, are there where it died. `charged`: it counts towards `max_deaths`.
    """

    outcome: Outcome
    reason: str
    at: str = ""
    seconds: float = 0.0
    charged: bool = False
    worker: int = 0
    stage: str = ""
    signal: int = 0
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
