"""Reports of the service: the bodies of `GET /v1/status`, of `/v1/failures` and of `/v1/folder`.

Data only. Names in it are as `names.shown` gives them. Times are seconds; `at` and `started` are ISO 8601 in UTC.
"""

from __future__ import annotations

from msgspec import Struct

from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.states import Attempt, DatasetState, FolderState


class WorkerStatus(Struct, frozen=True):
    """A slot with its worker."""

    slot: int
    state: str
    """One of `down booting idle busy ending`."""
    pid: int
    dataset: str
    folder: str
    doing: str
    """What it does with the folder."""
    seconds: float
    """How long it has been doing that."""
    resident: int
    """The memory of its process and of that one's children, in bytes."""
    jobs: int
    """How many jobs that process has been given."""


class LostWorker(Struct, frozen=True):
    """A worker that was killed and does not end: it waits for the disk of what it was doing."""

    pid: int
    dataset: str
    folder: str
    doing: str
    """What it did when it was killed."""
    seconds: float
    """How long ago that was."""


class DatasetStatus(Struct, frozen=True):
    """A dataset."""

    path: str
    state: DatasetState
    remark: str
    """Why it is not as it should be; empty where it is."""
    folders: dict[FolderState, int]
    """The number of folders in each state; every state is a key."""
    total: int
    """The sum of `folders`."""
    unavailable: int
    """Features that complete folders lack because this machine cannot measure them."""
    warnings: list[str]
    """A few folders that need a look, and why."""
    more_warnings: int
    """How many are left out of `warnings`."""
    walk: str
    """How far the walk is that is under way; empty where none is."""
    last_walk: str
    """When the last full walk ended, and below the last pass over the directories' times; empty before the first."""
    last_pass: str
    watch: str
    """How changes are found."""
    locks: str
    """What the locks of its file system are worth."""
    overdue: dict[str, str]
    """The lock files that are held for too long, and by which process."""
    near_misses: list[NearMiss] = []
    """What is passed over and looks as if it were meant."""
    target: str = ""
    """Where the path leads to, where that is through links; empty where it is not, or before the first look."""


class AnalyzerStatus(Struct, frozen=True):
    """An analyzer, as the workers have it."""

    available: bool
    """Whether it works here."""
    reason: str
    """Why it does not."""
    version: int
    models: dict[str, str]
    """What its values depend on: the digest of each model that serves, and options that alter values."""


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
    """What the service does next with it."""
    next_in: float | None
    """In how many seconds; null where that is not known."""
    due: list[str]
    """What is to be measured, by source file."""
    unavailable: int
    """Features that it lacks because this machine cannot measure them."""
    warnings: list[str]
    charges: int
    """How often it was charged with a crash."""
    suspicions: int
    """Deaths of services and machines over it, in a row."""
    max_deaths: int
    """The `charges` that make it failed."""
    worker: int | None
    """The slot that is at it; null where none is."""
    doing: str
    """What that worker does with it."""
    holder: str
    """The process whose lock lies beside it."""
    attempts: list[Attempt]
    """The last ten jobs that came to no good end, the latest first."""
    unmeasurable: dict[str, str] = {}
    """The features without a value, with the reason of each."""
    target: str = ""
    """Where the dataset's path leads to, where that is through links; empty where it is not."""


class Status(Struct, frozen=True):
    """The whole service."""

    version: str
    pid: int
    state: str
    remark: str
    """What keeps the service as a whole from working, or from remembering; empty where nothing does."""
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
