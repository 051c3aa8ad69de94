"""Everything that the core can want done, for the supervisor to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from audiobatchd.core.assessment import FileMemory
from audiobatchd.core.messages import Job
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt, Cause, WalkKind

Field = str | int | float


@dataclass(frozen=True, slots=True)
class SpawnWorker:
    """Start a worker process in a slot."""

    slot: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """Tell a worker to end after what it is at."""

    slot: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End a worker's process group now."""

    slot: int


@dataclass(frozen=True, slots=True)
class SendJob:
    """Give a worker a job."""

    slot: int
    job: Job


@dataclass(frozen=True, slots=True)
class ReadFolder:
    """Read a folder; the answer is a `FolderRead`."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class WalkTree:
    """Walk a dataset from each of `paths` down ("" is all of it). The answers are `WalkRead`s and a `Walked`.

    `renew`: set up the watch anew, although it seems to be as it should. `first`: nobody knows yet what is in it, so
    everything is told, and nothing is spared for others.
    """

    dataset: str
    paths: tuple[str, ...] = ("",)
    kind: WalkKind = WalkKind.FULL
    renew: bool = False
    first: bool = False
    accepts: bool = False
    """Whether any folders are right, and also none of those that were known."""


@dataclass(frozen=True, slots=True)
class LookAtRoot:
    """See which directory a dataset's root is, and try again what could not be watched. The answer is `RootSeen`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class ReapLocks:
    """Remove the locks of the dead in these directories of a dataset. The answer is a `LocksSeen`.

    `root_too`: the dataset is itself a track folder, whose lock lies beside it.
    """

    dataset: str
    parents: frozenset[str]
    root_too: bool = False


@dataclass(frozen=True, slots=True)
class CountMisses:
    """Count what is passed over in a dataset. The answer is a `MissesCounted`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep in the catalog what is known of a folder's files, and as long as they have `signature` of the folder.

    `verdict`: why the folder as a whole is given up. `charges` and `suspicions` are what counts towards that.
    """

    key: FolderKey
    memory: dict[str, FileMemory]
    signature: str = ""
    verdict: str = ""
    charges: int = 0
    suspicions: int = 0
    by_memory: bool = False
    """The verdict holds as long as a worker may have no other amount of memory."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Remember nothing more of these folders of a dataset: they are gone. `accepted`: no reading has said so."""

    dataset: str
    paths: tuple[str, ...]
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class KeepAttempt:
    """Keep in the catalog how a job came to no good end."""

    key: FolderKey
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Probe:
    """Look again, in a folder where it happened, whether `cause` still stands in the way. The answer is a `Probed`.

    `other` is a healthy folder: where only the first one is in trouble, the trouble is its own. For HANG a process of
    its own looks, which can be given up; with `briefly` it asks the dataset's root alone, and leaves nothing behind.
    """

    key: FolderKey
    cause: Cause
    other: FolderKey | None = None
    briefly: bool = False


@dataclass(frozen=True, slots=True)
class NoteRoot:
    """Remember which directory a dataset's root is, as device and inode: a walk of it was believed."""

    dataset: str
    root: tuple[int, int]
    place: str = ""
    """Its path without links."""


@dataclass(frozen=True, slots=True)
class KeepPause:
    """Remember over a restart that somebody paused a dataset: for so many seconds from now, or for ever, or no more."""

    dataset: str
    paused: bool
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tidy:
    """Remove what a killed worker left in and beside a folder."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class Report:
    """Tell people: the constant name of an event and its fields."""

    event: str
    fields: dict[str, Field] = field(default_factory=dict)
    key: FolderKey | None = None


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """The service has started: its first walks are queued."""


@dataclass(frozen=True, slots=True)
class AnnounceStopping:
    """The service begins to end."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything has ended: leave with this exit code."""

    code: int


Action = (
    SpawnWorker
    | StopWorker
    | KillWorker
    | SendJob
    | ReadFolder
    | WalkTree
    | LookAtRoot
    | ReapLocks
    | CountMisses
    | Remember
    | Forget
    | KeepAttempt
    | Probe
    | KeepPause
    | NoteRoot
    | Tidy
    | Report
    | AnnounceReady
    | AnnounceStopping
    | Finish
)
