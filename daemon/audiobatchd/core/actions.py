"""Actions: everything that the core can want done, for the supervisor to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from audiobatchd.core.file_memory import FileMemory
from audiobatchd.core.messages import Job
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import Attempt, Cause, Outcome, WalkKind

Field = Value


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
    """Walk a dataset. The answers are `WalkRead`s and a `Walked`."""

    dataset: str
    paths: tuple[str, ...] = ("",)
    """The directories to walk from; "" is all of it."""
    kind: WalkKind = WalkKind.FULL
    renew: bool = False
    """Set up the watch again, although it seems to be as it should."""
    first: bool = False
    """Tell of everything, as fast as that goes: it is not known yet what is in it."""
    accepts: bool = False
    """Take any folders for right, and also none of those that were known."""
    shard: Shard | None = None
    """Read only the track folders of this shard, and count the others; None: read all."""
    order: int = 0
    """Order in which directories are entered, another one for each number; 0: that of their names."""


@dataclass(frozen=True, slots=True)
class LookAtRoot:
    """See which directory a dataset's root is, and try again what could not be watched. The answer is `RootSeen`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class ReapLocks:
    """Remove the locks of the dead in a dataset. The answer is a `LocksSeen`."""

    dataset: str
    parents: frozenset[str]
    """The directories to look in."""
    root_too: bool = False
    """Look beside the dataset as well: it is a track folder itself, and its lock lies there."""


@dataclass(frozen=True, slots=True)
class CountMisses:
    """Count what is passed over in a dataset. The answer is a `MissesCounted`."""

    dataset: str


@dataclass(frozen=True, slots=True)
class Remember:
    """Keep in the catalog what is known of a folder and its files."""

    key: FolderKey
    memory: dict[str, FileMemory]
    """Facts about each file, by role."""
    signature: str = ""
    """The folder's signature, for as long as which the rest holds."""
    verdict: str = ""
    """Reason why the folder as a whole is given up; empty where it is not."""
    charges: int = 0
    """Errors that count towards giving these files up."""
    suspicions: int = 0
    """Deaths over these files in a row."""
    by_memory: bool = False
    """Forget the verdict when a worker may have another amount of memory."""


@dataclass(frozen=True, slots=True)
class Disown:
    """Keep that these features of a folder, by role, are not to be taken over from other tools, and look at it then.

    The answer is a `FolderHint`.
    """

    key: FolderKey
    disowned: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Forget:
    """Remember nothing more of these folders of a dataset: they are gone."""

    dataset: str
    paths: tuple[str, ...]
    """Folders that are gone."""
    accepted: bool = False
    """True where an operator said so, and no reading."""


@dataclass(frozen=True, slots=True)
class KeepAttempt:
    """Keep in the catalog how a job came to no good end."""

    key: FolderKey
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Probe:
    """Look again whether `cause` still stands in the way. The answer is a `Probed`.

    For HANG a process of its own looks, which can be given up.
    """

    key: FolderKey
    """The folder where it happened."""
    cause: Cause
    other: FolderKey | None = None
    """A healthy folder: where only the first one is in trouble, the trouble is its own."""
    briefly: bool = False
    """Ask the dataset's root alone, and leave nothing behind."""


@dataclass(frozen=True, slots=True)
class NoteRoot:
    """Remember which directory a dataset's root is: a walk of it was believed."""

    dataset: str
    root: FileId
    """The directory."""
    place: str = ""
    """Its path without links."""


@dataclass(frozen=True, slots=True)
class KeepPause:
    """Remember over a restart that an operator paused a dataset, or that the pause is over."""

    dataset: str
    paused: bool
    seconds: float | None = None
    """Length of the pause from now on; None: until it is withdrawn."""


@dataclass(frozen=True, slots=True)
class KeepPace:
    """Remember over a restart what jobs have cost, as `renewals.Pace` has it."""

    spent: dict[str, tuple[float, int]]
    rates: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CountJob:
    """Count a job that ended in the history."""

    dataset: str
    outcome: Outcome
    reason: str = ""
    """Reason why it came to no good end; empty where it came to a good one."""
    seconds: float = 0.0
    """Seconds that it took."""
    audio_seconds: float = 0.0
    """Length of the audio of a folder that it completed."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """Seconds of processor time, by analyzer and for decoding."""


@dataclass(frozen=True, slots=True)
class Tidy:
    """Remove what a killed worker left in and beside a folder."""

    key: FolderKey


@dataclass(frozen=True, slots=True)
class Report:
    """Log an event."""

    event: LogEvent
    fields: Mapping[str, Field] = field(default_factory=dict)
    key: FolderKey | None = None
    stems: Mapping[str, str] = field(default_factory=dict)
    """The stem that a field is measured on, for those that are features of stems: their names do not tell."""


@dataclass(frozen=True, slots=True)
class AnnounceReady:
    """Announce that the service has started: its first walks are queued."""


@dataclass(frozen=True, slots=True)
class AnnounceStopping:
    """Announce that the service begins to end."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Leave with this exit code: everything has ended."""

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
    | Disown
    | Forget
    | KeepAttempt
    | Probe
    | KeepPause
    | KeepPace
    | CountJob
    | NoteRoot
    | Tidy
    | Report
    | AnnounceReady
    | AnnounceStopping
    | Finish
)
