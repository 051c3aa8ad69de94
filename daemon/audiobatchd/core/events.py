"""Events: everything that can happen to the service, as it enters the one queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audiobatchd.core.messages import FromWorker
from audiobatchd.core.plan import Plan
from audiobatchd.core.readings import Reading
from audiobatchd.core.schedule import MachineFacts
from audiobatchd.vocabulary.files import FileId, FolderKey, NearMiss
from audiobatchd.vocabulary.states import Cause, WalkKind, WatchReport

OUT_OF_MEMORY = "killed by the kernel, out of memory"
"""Exit of a worker, in words, that the kernel killed because memory was short."""


@dataclass(frozen=True, slots=True)
class FolderHint:
    """Possible change of a source file or of the record in a folder."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class FolderTouched:
    """Change of a directory's own attributes, or of the names in it."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class TreeAppeared:
    """Arrival of a directory, made or moved in; what it holds may have sent no events."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class TreeVanished:
    """Departure of a directory, removed or moved away."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class WatchLost:
    """Loss of events of a dataset: only a walk finds what they told."""

    dataset: str
    reason: str


@dataclass(frozen=True, slots=True)
class FolderRead:
    """Answer to `ReadFolder`."""

    reading: Reading
    place: str = ""
    """Target of the dataset's path, without links, when that was done; empty where it was not."""


@dataclass(frozen=True, slots=True)
class WalkRead:
    """Batch of folders that a walk came by."""

    readings: tuple[Reading, ...]
    dataset: str
    unchanged: tuple[tuple[str, int], ...] = ()
    """The complete folders that are as they were, by path, with how many features are unavailable."""
    listed: int = 0
    """Directories that the walk has looked at so far."""


@dataclass(frozen=True, slots=True)
class Walked:
    """End of a walk."""

    dataset: str
    kind: WalkKind
    root: FileId | None
    """The root directory; None where there is no such directory."""
    empty: bool
    """True where nothing at all was found."""
    tracks: int = 0
    """Track folders that it came by."""
    parents: frozenset[str] = frozenset()
    """The directories that hold these."""
    is_track: bool = False
    """True where the root is a track folder itself."""
    remark: str = ""
    """Anything to be shown with the dataset."""
    refusal: str = ""
    """Reason why nothing was looked at although the root is there."""
    locks: str = ""
    """Worth of locks on its file system, in words."""
    cost: float = 0.0
    """Seconds of processor time that it took."""
    near_misses: tuple[NearMiss, ...] | None = None
    """The near misses of the whole dataset; None where they are not known."""
    place: str = ""
    """Target of the dataset's path, without links."""
    is_strange: bool = False
    """True where nothing was looked at: none of the known folders is there, in another root than the known one."""
    of_others: int = 0
    """Number of track folders that were not read, for they are of other shards."""


@dataclass(frozen=True, slots=True)
class MissesCounted:
    """Answer to `CountMisses`."""

    dataset: str
    near_misses: tuple[NearMiss, ...]


@dataclass(frozen=True, slots=True)
class RootSeen:
    """Answer to `LookAtRoot`."""

    dataset: str
    root: FileId | None
    """The root directory; None where there is no such directory."""
    watch: WatchReport
    """State of the watch now."""
    place: str = ""
    """Target of the dataset's path, without links."""
    is_watched_again: bool = False
    """True where this look had it watched, which was impossible before: nothing of the time between was heard."""
    is_barred: bool = False
    """True where systemd keeps this service, and no other program, from writing there."""


@dataclass(frozen=True, slots=True)
class LocksSeen:
    """Answer to `ReapLocks`."""

    dataset: str
    overdue: dict[str, str]
    """The lock files that are held for too long, with their holders."""
    left: frozenset[str] = frozenset()
    """The folders with a lock whose holder died at work, and was no worker of this service."""
    cost: float = 0.0
    """Seconds of processor time that it took."""
    counted: frozenset[str] = frozenset()
    """Those of `left` that may have brought about that death."""


@dataclass(frozen=True, slots=True)
class Probed:
    """Answer to `Probe`."""

    dataset: str
    cause: Cause
    trouble: str = ""
    """Reason why the cause still stands in the way; empty where it does not."""
    only: FolderKey | None = None
    """The one folder for which the disk does not answer, where it does for others."""


@dataclass(frozen=True, slots=True)
class RetryAsked:
    """Wish of an operator to try a folder again now, whatever its state; the catalog has forgiven it already."""

    key: FolderKey
    disowned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Features, by role, that are to be measured although the record has them from other tools."""


@dataclass(frozen=True, slots=True)
class BumpAsked:
    """Wish of an operator to measure a folder before all others, if it waits for its turn."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """Wish of an operator to have no more jobs in a dataset."""

    dataset: str
    seconds: float | None = None
    """Length of the pause; None: until a `ResumeAsked`."""


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    """Wish of an operator to have jobs in a dataset again."""

    dataset: str
    override: bool = False
    """True where its schedule is overridden as well."""
    seconds: float | None = None
    """For how long that is; None: until what holds jobs back now is over by itself."""


@dataclass(frozen=True, slots=True)
class RescanAsked:
    """Wish of an operator to have a full walk now."""

    dataset: str
    accepts: bool = False
    """True where anything that it finds is right, even nothing."""


@dataclass(frozen=True, slots=True)
class PlaceJoined:
    """Arrival of a place for a worker on another machine, which has this slot."""

    slot: int
    host: str
    """Name of the machine."""


@dataclass(frozen=True, slots=True)
class PlaceLeft:
    """Departure of such a place, with the worker in it: nothing speaks against the folder that it was at."""

    slot: int
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerSpawned:
    """Start of a process in a slot, as `SpawnWorker` asked for it."""

    slot: int
    pid: int
    """Its PID, or another number for one on another machine; -1 where it could not be started: then a `WorkerExited`
    follows."""


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """Message from the worker with this PID."""

    slot: int
    pid: int
    message: FromWorker


@dataclass(frozen=True, slots=True)
class WorkerBroke:
    """Packet from a worker that is no message: the worker cannot be trusted with anything."""

    slot: int
    pid: int
    what: str
    """Reason for killing it, in words."""


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """End of a worker process."""

    slot: int
    pid: int
    how: str
    """Its exit status in words, with the last line that it wrote."""
    signal: int = 0
    """The signal that ended it; 0 where none did."""
    exit_code: int | None = None
    """Its exit code; None where a signal ended it, or it never started."""
    lines: tuple[str, ...] = ()
    """The last lines that it wrote."""
    from_outside: bool = False
    """True where the signal is one that only other programs send, and no fault brings about."""
    out_of_memory: bool = False
    """True where the kernel killed it because memory was short."""


@dataclass(frozen=True, slots=True)
class WorkersMeasured:
    """Measurement of all worker processes, and of the service."""

    resident: dict[int, int]
    """Bytes of resident memory, by PID."""
    asleep: dict[int, float] = field(default_factory=dict)
    """Seconds for which a process has not run at all, by PID."""
    waiting: dict[str, float] = field(default_factory=dict)
    """Seconds for which a thread of the service has slept over something in a dataset, by dataset."""
    memory_limit: int = 0
    """Bytes that the whole service may have now; 0 where that is unknown."""


@dataclass(frozen=True, slots=True)
class MachineSeen:
    """Look at the machine, for the schedules."""

    facts: MachineFacts


@dataclass(frozen=True, slots=True)
class Short:
    """Shortage in this process, or of the machine; what met it is tried again."""

    reason: str
    slot: int | None = None
    """The slot in which no process could be started for that reason; None where something else met it."""


@dataclass(frozen=True, slots=True)
class StoodStill:
    """End of a standstill of the service, which its clock left out; disks went on meanwhile."""

    seconds: float


@dataclass(frozen=True, slots=True)
class MarksFound:
    """Marks of the last run that could not be read when the service started."""

    begun: frozenset[FolderKey]
    """Folders with a job in the last run, of which no hook was told how it ended."""
    unfinished: frozenset[str]
    """Datasets with such a job, after the last message that nothing is left to do there."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """Another configuration."""

    plan: Plan
    anew: bool
    """True where workers have to be started again for it."""
    rewalk: frozenset[str]
    """The datasets in which other folders, or other work, may be due."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Wish to end the service."""

    code: int
    """The exit code that this means."""
    at_once: bool = False
    """True where running jobs are not waited for."""


OfFolder = FolderHint | FolderTouched | TreeAppeared | TreeVanished | RetryAsked | BumpAsked
"""The events of one folder, which their `key` names."""

OfDataset = Walked | RootSeen | LocksSeen | MissesCounted | Probed | WatchLost | RescanAsked | PauseAsked | ResumeAsked
"""The events of one `dataset`."""

OfPlaces = PlaceJoined | PlaceLeft

OfWorkers = OfPlaces | WorkerSpawned | WorkerSaid | WorkerBroke | WorkerExited | WorkersMeasured | Short

Event = (
    OfFolder
    | OfDataset
    | OfWorkers
    | FolderRead
    | WalkRead
    | MachineSeen
    | StoodStill
    | MarksFound
    | Replanned
    | StopAsked
)
