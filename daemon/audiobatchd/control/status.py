"""Reports of the service: the bodies of `GET /v1/status`, of `/v1/failures` and of `/v1/folder`.

Data only. Names in it are as `names.shown` gives them. Times are seconds; `at` and `started` are ISO 8601 in UTC.
"""

from __future__ import annotations

from msgspec import Struct

from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.states import Attempt, DatasetState, FolderState, HookState, InboxState


class WorkerStatus(Struct, frozen=True):
    """A slot with its worker."""

    slot: int
    state: str
    """One of `down booting idle busy ending`."""
    pid: int
    dataset: str
    folder: str
    doing: str
    """Work that it does with the folder."""
    seconds: float
    """Seconds since it began that."""
    resident: int
    """The memory of its process and of that one's children, in bytes."""
    jobs: int
    """Number of jobs that this process has been given."""
    host: str = ""
    """Name of the other machine where it works; empty for this one."""


class LostWorker(Struct, frozen=True):
    """A worker that was killed and does not end: it waits for the disk of what it was doing."""

    pid: int
    dataset: str
    folder: str
    doing: str
    """Work that it did when it was killed."""
    seconds: float
    """Seconds since then."""


class DatasetStatus(Struct, frozen=True):
    """A dataset."""

    path: str
    state: DatasetState
    remark: str
    """Reason why it is not as it should be; empty where it is."""
    folders: dict[FolderState, int]
    """The number of folders in each state; every state is a key."""
    total: int
    """The sum of `folders`."""
    unavailable: int
    """Features that complete folders lack because this machine cannot measure them."""
    warnings: list[str]
    """A few folders that need a look, and why."""
    more_warnings: int
    """Number of those that are left out of `warnings`."""
    walk: str
    """Progress of the walk that is under way; empty where none is."""
    last_walk: str
    """End of the last full walk, and below of the last pass over the directories' times; empty before the first."""
    last_pass: str
    watch: str
    """Way in which changes are found."""
    locks: str
    """Worth of the locks of its file system."""
    overdue: dict[str, str]
    """The lock files that are held for too long, and by which process."""
    near_misses: list[NearMiss] = []
    """Names that are passed over and look as if they were meant."""
    target: str = ""
    """Target of the path, where it leads through links; empty where it does not, or before the first look."""
    schedule: str = ""
    """Conditions of its schedule that hold jobs back, or what an operator overrides of it; empty where there is none of
    both."""


class AnalyzerStatus(Struct, frozen=True):
    """An analyzer, as the workers have it."""

    available: bool
    """True where it works here."""
    reason: str
    """Reason why it does not."""
    version: int
    models: dict[str, str]
    """Digest of each model that serves, and options that alter values: what its values depend on."""
    remark: str = ""
    """Words for people on how it works here: which engine runs its models."""


class LeftFile(Struct, frozen=True):
    """A file that stays in an inbox, or a directory with files that are no music."""

    path: str
    """Below the inbox."""
    why: str
    """Reason why it stays."""


class InboxStatus(Struct, frozen=True):
    """An inbox."""

    path: str
    """Its directory, as it is configured."""
    dataset: str
    """The dataset that files are moved into."""
    state: InboxState
    """What it is at; see `InboxState`."""
    remark: str
    """What is waited for, or stands in the way; empty where nothing does."""
    waiting: int
    """Files that have not settled, or may not be moved yet."""
    moved: int
    """Tracks that were moved since the service started."""
    left: list[LeftFile]
    """The first 20 that stay."""
    more_left: int
    """Number of those beyond."""


class HookStatus(Struct, frozen=True):
    """A hook."""

    name: str
    """Its name, or its number in the configuration."""
    kind: str
    """`command` or `url`."""
    target: str
    """The program; of a URL the scheme, the host and the port alone."""
    on: list[str]
    """The events that it is told of."""
    datasets: list[str]
    """The datasets that it is told of; none: all."""
    state: HookState
    """What it is at; see `HookState`."""
    remark: str
    """Reason why the last message was not taken; empty where it was."""
    waiting: int
    """Messages that it has not taken."""
    waiting_bytes: int
    """Their size."""
    next_in: float | None
    """Seconds until one is sent again; null where none waits for that."""
    delivered: int
    """Messages that it has taken since the service started, as are the next two counted."""
    failures: int
    """Tries in vain."""
    dropped: int
    """Messages that are lost: given up, or dropped because too many waited."""


class Trouble(Struct, frozen=True):
    """A folder that failed or is blocked."""

    dataset: str
    folder: str
    state: FolderState
    reason: str
    at: str


class FolderReport(Struct, frozen=True):
    """A folder explained: where it stands, what comes next, and why."""

    dataset: str
    folder: str
    state: FolderState
    reason: str
    since: str
    next: str
    """Next thing that the service does with it."""
    next_in: float | None
    """In how many seconds; null where that is not known."""
    due: list[str]
    """Features to be measured, by source file."""
    unavailable: int
    """Features that it lacks because this machine cannot measure them."""
    warnings: list[str]
    charges: int
    """Number of crashes that it was charged with."""
    suspicions: int
    """Deaths of services and machines over it, in a row."""
    max_deaths: int
    """The `charges` that make it failed."""
    worker: int | None
    """The slot that is at it; null where none is."""
    doing: str
    """Work that this worker does with it."""
    holder: str
    """The process whose lock lies beside it."""
    attempts: list[Attempt]
    """The last ten jobs that came to no good end, the latest first."""
    unmeasurable: dict[str, str] = {}
    """The features without a value, with the reason of each."""
    target: str = ""
    """Target of the dataset's path, where it leads through links; empty where it does not."""
    measured: dict[str, dict[str, str]] = {}
    """Times when analyzers measured it, as its record tells them, by analyzer and source file."""


class Status(Struct, frozen=True):
    """The whole service."""

    version: str
    pid: int
    state: str
    remark: str
    """Hindrance that keeps the service as a whole from working, or from remembering; empty where there is none."""
    started: str
    uptime: float
    datasets: list[DatasetStatus]
    workers: list[WorkerStatus]
    analyzers: dict[str, AnalyzerStatus]
    done: int
    """Folders completed since the start."""
    audio_seconds: float
    """Seconds of audio that were decoded for them."""
    audio_seconds_per_second: float
    """The rate over the last five minutes, as is the next."""
    folders_per_hour: float
    time_left: float | None
    """Null while it cannot be told."""
    troubles: list[Trouble]
    """The latest 20 folders that failed or are blocked."""
    lost: list[LostWorker] = []
    """Workers that have no slot any more and do not end."""
    costs: dict[str, float] = {}
    """Seconds of processor time that a minute of audio costs on this machine, by analyzer and for `decoding`: of jobs
    that have ended, in this run and those before."""
    inboxes: list[InboxStatus] = []
    workers_why: str = ""
    """Reason why there are so many workers."""
    load_of_others: float | None = None
    """Load of the machine that other processes make, over a minute; null where no schedule asks for it."""
    hooks: list[HookStatus] = []
