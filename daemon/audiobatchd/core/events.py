"""Everything that can happen to the daemon, as it enters the one queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core.messages import FromWorker
from audiobatchd.core.plan import Plan
from audiobatchd.core.readings import Reading
from audiobatchd.vocabulary.files import FolderKey, NearMiss
from audiobatchd.vocabulary.states import Cause, WalkKind, WatchReport

OUT_OF_MEMORY = "killed by the kernel, out of memory"
"""How a worker ended that was in the way when memory was short."""


@dataclass(frozen=True, slots=True)
class FolderHint:
    """A source file or the record of a folder may have changed."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class FolderTouched:
    """A directory's own attributes or names changed."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class TreeAppeared:
    """A directory was made or moved in; what it holds may have sent no events."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class TreeVanished:
    """A directory was removed or moved away."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class WatchLost:
    """Events of a dataset were lost, for `reason`: only a walk finds what they told."""

    dataset: str
    reason: str


@dataclass(frozen=True, slots=True)
class FolderRead:
    """A folder that `ReadFolder` asked for was read."""

    reading: Reading
    place: str = ""
    """Where the dataset's path led to, without links, when that was done; empty where it was not."""


@dataclass(frozen=True, slots=True)
class WalkRead:
    """A walk came by these folders.

    `unchanged` are complete ones of `dataset` that are as they were, by path, with how many features are unavailable.
    `listed` is how many directories the walk has looked at so far.
    """

    readings: tuple[Reading, ...]
    dataset: str = ""
    unchanged: tuple[tuple[str, int], ...] = ()
    listed: int = 0


@dataclass(frozen=True, slots=True)
class Walked:
    """How a walk ended. It came by so many `tracks`, in the directories `parents`.

    `root` is the root directory's (device, inode), None where there is no such directory; `is_track`: it is a track
    folder itself. `refusal`: why nothing was looked at although it is there. `locks`: what its file system's locks are
    worth. `cost` is the processor time that it took, in seconds. `near_misses` are those of the whole dataset, None
    where nobody knows.
    """

    dataset: str
    kind: WalkKind
    root: tuple[int, int] | None
    empty: bool
    tracks: int = 0
    parents: frozenset[str] = frozenset()
    is_track: bool = False
    remark: str = ""
    refusal: str = ""
    locks: str = ""
    cost: float = 0.0
    near_misses: tuple[NearMiss, ...] | None = None
    place: str = ""
    """Where the dataset's path leads to, without links."""
    is_strange: bool = False
    """Whether nothing was looked at because none of the known folders is there, in another root than the known one."""


@dataclass(frozen=True, slots=True)
class MissesCounted:
    """What is passed over in a dataset, as `CountMisses` asked for it."""

    dataset: str
    near_misses: tuple[NearMiss, ...]


@dataclass(frozen=True, slots=True)
class RootSeen:
    """A dataset's root was looked at, apart from any walk."""

    dataset: str
    root: tuple[int, int] | None
    """The root directory's (device, inode); None where there is no such directory."""
    watch: WatchReport
    """How the dataset is watched now."""
    place: str = ""
    """Where the dataset's path leads to, without links."""
    is_watched_again: bool = False
    """Whether this look had it watched, after that had been impossible: nothing of the time between was heard."""
    is_barred: bool = False
    """Whether systemd keeps this service, and no other program, from writing there."""


@dataclass(frozen=True, slots=True)
class LocksSeen:
    """The locks of a dataset were looked at. `overdue` are the lock files that are held for too long, and by whom.

    `left` are the folders whose lock was left by somebody who died at work, and was no worker of this daemon. `cost` is
    the processor time that it took, in seconds.
    """

    dataset: str
    overdue: dict[str, str]
    left: frozenset[str] = frozenset()
    cost: float = 0.0
    counted: frozenset[str] = frozenset()
    """Those of `left` that may have brought about that death."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What stood in the way of a whole dataset was looked at again; `trouble`: it still does, and why.

    `only`: the disk does not answer for this one folder, and does for others.
    """

    dataset: str
    cause: Cause
    trouble: str = ""
    only: FolderKey | None = None


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """Somebody wants this folder tried again now, whatever it has come to; the catalog has forgiven it already."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """Somebody wants no more jobs in this dataset: for so many seconds, or until a `ResumeAsked`."""

    dataset: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """Somebody wants this dataset to go on."""

    dataset: str


@dataclass(frozen=True, slots=True)
class RescanAsked:
    """Somebody wants a full walk now; `accepts`: whatever it finds is right, even if that is nothing."""

    dataset: str
    accepts: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSpawned:
    """A process was started in a slot, as `SpawnWorker` asked for it."""

    slot: int
    pid: int
    """Its PID; -1 where it could not be started: then a `WorkerExited` follows."""


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """A message arrived from the worker with this PID."""

    slot: int
    pid: int
    message: FromWorker


@dataclass(frozen=True, slots=True)
class WorkerBroke:
    """A worker sent what is no message: it cannot be trusted with anything."""

    slot: int
    pid: int
    what: str


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A worker process is gone; `how` is its exit status in words, with the last line that it wrote.

    `signal` or `exit_code` is that status (neither: it never started), `lines` the last that it wrote. `from_outside`:
    the signal is one that only others send, and no fault brings about.
    """

    slot: int
    pid: int
    how: str
    signal: int = 0
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
    from_outside: bool = False
    out_of_memory: bool = False
    """The kernel killed it, for memory was short."""


@dataclass(frozen=True, slots=True)
class WorkersMeasured:
    """The resident memory of each worker process, in bytes by PID, and for how many seconds each has slept.

    `waiting`: by dataset, for how many seconds a thread of this process has slept over something there.
    """

    resident: dict[int, int]
    asleep: dict[int, float] = field(default_factory=dict)
    waiting: dict[str, float] = field(default_factory=dict)
    memory_limit: int = 0
    """How many bytes the whole service may have now; 0 where that is unknown."""


@dataclass(frozen=True, slots=True)
class Short:
    """This process, or the machine, is short of something, as `reason` says; what met it is tried again."""

    reason: str
    slot: int | None = None
    """The slot in which no process could be started for that reason; None where something else met it."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """The configuration was read again and is another one.

    `anew`: workers have to be started anew for it. `rewalk`: the datasets in which other folders, or other work, may be
    due.
    """

    plan: Plan
    anew: bool
    rewalk: frozenset[str]


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the daemon to end: drain, or at once. `code` is the exit code that this means."""

    code: int
    at_once: bool = False


Event = (
    FolderHint
    | FolderTouched
    | TreeAppeared
    | TreeVanished
    | WatchLost
    | FolderRead
    | WalkRead
    | Walked
    | RootSeen
    | LocksSeen
    | MissesCounted
    | Probed
    | RetryAsked
    | RescanAsked
    | PauseAsked
    | ResumeAsked
    | WorkerSpawned
    | WorkerSaid
    | WorkerBroke
    | WorkerExited
    | WorkersMeasured
    | Short
    | Replanned
    | StopAsked
)
