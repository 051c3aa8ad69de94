"""The states of the service, datasets, folders and jobs, and why a job came to no good end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct


class Mode(StrEnum):
    """The way the service runs: for ever, for one pass, or for one that only says what would be done."""

    SERVICE = "service"
    ONCE = "one pass"
    DRY_RUN = "dry run"


class FolderState(StrEnum):
    """The state of a track folder. One vocabulary for the service, the control socket and every command."""

    SETTLING = "settling"
    QUEUED = "queued"
    RUNNING = "running"
    BACKOFF = "backoff"
    COMPLETE = "complete"
    FAILED = "failed"
    BLOCKED = "blocked"
    LOCKED = "locked"


TO_DO = (FolderState.SETTLING, FolderState.QUEUED, FolderState.RUNNING, FolderState.BACKOFF)
"""The states of folders that are on their way to an end."""

TROUBLED = (FolderState.FAILED, FolderState.BLOCKED)
"""The ends that need a look."""

ENDED = (FolderState.COMPLETE, *TROUBLED)
"""All ends."""


class DatasetState(StrEnum):
    """The state of a dataset."""

    ACTIVE = "active"
    WALKING = "walking"
    PAUSED = "paused"
    MISSING = "missing"


class InboxState(StrEnum):
    """The state of an inbox."""

    STARTING = "starting"
    """Its process has not looked yet, or is started again."""
    WATCHING = "watching"
    """What settles is moved."""
    MOVING = "moving"
    """Files are moved."""
    HELD = "held"
    """Its dataset does not work, so nothing is moved."""
    HINDERED = "hindered"
    """Something that is to be mended stands in the way."""


@dataclass(frozen=True)
class WatchReport:
    """The way in which changes of a dataset are found."""

    events: bool
    """True where events are heard at all."""
    reason: str
    """Why, or why not."""
    degraded: str = ""
    """Directories that should be watched and are not, with what to do about it; empty where all are."""
    parents: int = 0
    """Directories that are watched for what is below them."""
    leaves: int = 0
    """Track folders that are watched."""
    unwatched: int = 0
    """Directories that are left to walks because the budget is used up."""
    lacks: frozenset[int] = frozenset()
    """The kinds of what is not watched that more room would mend, as error numbers."""


class WalkKind(StrEnum):
    """The directories that a walk lists."""

    FULL = "full"
    """Every one."""
    TREES = "trees"
    """Some, and all below them."""
    PASS = "pass"  # noqa: S105  # a walk, no word
    """Only those that have changed."""


class WatchMode(StrEnum):
    """The occasions on which events are listened to."""

    AUTO = "auto"
    """Where the file system sends them."""
    EVENTS = "events"
    """In any case."""
    WALK = "walk"
    """Never, for walks find everything."""


def in_one_line(reasons: Mapping[str, str]) -> str:
    """Reasons by the file that each is about, or by nothing, as one sentence."""
    return "; ".join(f"{name}: {why}" if name else why for name, why in reasons.items())


class Outcome(StrEnum):
    """The end of a job, as its worker (or, where that died, the service) tells it."""

    DONE = "done"
    """The folder is complete."""
    FAILED = "failed"
    """A file is damaged."""
    BLOCKED = "blocked"
    """Permissions, space or a spoiled record stand in the way."""
    LOCKED = "locked"
    """Another process is at it."""
    CHANGED = "changed"
    """The files moved under the job."""
    GONE = "gone"
    """There is no such track folder any more."""
    ERROR = "error"
    """The service itself is at fault."""
    SUSPECT = "suspect"
    """Nothing was done: the process that was at it before died without giving the lock back."""


NO_GOOD_END = (Outcome.FAILED, Outcome.BLOCKED, Outcome.ERROR, Outcome.SUSPECT)
"""The ends that leave a folder in trouble, or count towards that."""


class Cause(StrEnum):
    """Something that stood in a job's way, and may stand in the way of other jobs too."""

    NONE = ""
    IO = "io"
    """The disk or the mount fails."""
    SPACE = "space"
    """No room is left, or no quota."""
    OPERATOR = "operator"
    """An operator wants it so."""
    HANG = "hang"
    """The disk does not answer at all."""
    UNIT = "unit"
    """systemd keeps the service from writing there."""
    SCHEDULE = "schedule"
    """It is not the time for it, or the machine has other work."""
    SHORTAGE = "shortage"
    """The service or the machine is short of descriptors, memory or processes, which holds no dataset up."""
    MEMORY = "memory"
    """The job took more than its worker may have, or than the kernel had to give.

    That is the folder's alone, and may end when the limits change.
    """


class Attempt(Struct, frozen=True, omit_defaults=True):
    """A job that came to no good end, with the evidence: what `explain` shows and the catalog keeps."""

    outcome: Outcome
    reason: str
    at: str = ""
    """ISO 8601 in UTC."""
    seconds: float = 0.0
    """Seconds that it took."""
    charged: bool = False
    """True where it counts towards `max_deaths`."""
    worker: int = 0
    """PID of its worker; 0 where there was none."""
    stage: str = ""
    """Last thing that the worker was at."""
    signal: int = 0
    """Signal that killed it, where it was killed."""
    exit_code: int | None = None
    """Exit code, where it ended by itself."""
    lines: tuple[str, ...] = ()
    """The last lines that it wrote, where it died."""
