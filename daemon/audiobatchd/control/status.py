"""What the daemon tells of itself: the body of `GET /v1/status`, for every client and for its own terminal.

Data only. Names in it are as `names.shown` gives them. Times are seconds; `at` and `started` are ISO 8601 in UTC.
"""

from __future__ import annotations

from msgspec import Struct

from audiobatchd.vocabulary.files import NearMiss
from audiobatchd.vocabulary.states import Attempt, DatasetState, FolderState


class WorkerStatus(Struct, frozen=True):
    """One slot: its state (`down booting idle busy ending`), what it is at, and for how long.

    `resident` is its process's memory in bytes, `jobs` how many that has been given.
    """

    slot: int
    state: str
    pid: int
    dataset: str
    folder: str
    doing: str
    seconds: float
    resident: int
    jobs: int


class LostWorker(Struct, frozen=True):
    """A worker that was killed `seconds` ago and does not end, with what it was at: it waits for that disk."""

    pid: int
    dataset: str
    folder: str
    doing: str
    seconds: float


class DatasetStatus(Struct, frozen=True):
    """One dataset. `folders` has every state as a key; `total` is their sum.

    `unavailable` counts the features that complete folders lack because this machine cannot measure them; `warnings`
    are a few folders that need somebody's eye, with `more_warnings` left out. `walk` is how far the one under way is;
    `watch` how changes are found. `locks` is what the locks of its file
    system are worth; `overdue` are the lock files that are held for too long, and by whom. `near_misses` are what is
    passed over and looks as if it were meant.
    """

    path: str
    state: DatasetState
    remark: str
    folders: dict[FolderState, int]
    total: int
    unavailable: int
    warnings: list[str]
    more_warnings: int
    walk: str
    last_walk: str
    last_pass: str
    watch: str
    locks: str
    overdue: dict[str, str]
    near_misses: list[NearMiss] = []
    target: str = ""
    """Where the path leads to, where that is through links; empty where it is not, or before the first look."""


class AnalyzerStatus(Struct, frozen=True):
    """One analyzer: whether it works here, with the reason where it does not, and what its values depend on.

    `models` has the digest of each model that serves, and options that alter values.
    """

    available: bool
    reason: str
    version: int
    models: dict[str, str]


class Trouble(Struct, frozen=True):
    """A folder that failed or is blocked, with the reason."""

    dataset: str
    folder: str
    state: FolderState
    reason: str
    at: str


class FolderReport(Struct, frozen=True):
    """One folder explained: where it stands, what comes `next`, in how many seconds where that is known, and why.

    `due` is what is to be measured, by source file. `charges` of `max_deaths` count towards giving it up, `suspicions`
    are the deaths of daemons and machines over it, in a row. `holder` is whoever's lock lies beside it. `attempts` are
    the last jobs that came to no good end, the latest first. `unmeasurable` are the features without a value, with the
    reason of each.
    """

    dataset: str
    folder: str
    state: FolderState
    reason: str
    since: str
    next: str
    next_in: float | None
    due: list[str]
    unavailable: int
    warnings: list[str]
    charges: int
    suspicions: int
    max_deaths: int
    worker: int | None
    doing: str
    holder: str
    attempts: list[Attempt]
    unmeasurable: dict[str, str] = {}
    target: str = ""
    """Where the dataset's path leads to, where that is through links; empty where it is not."""


class Status(Struct, frozen=True):
    """The whole. `time_left` is null while nobody can tell; `done` counts folders completed since the start.

    `remark` is what keeps the service as a whole from working, or from remembering; empty where nothing does. `lost`
    are workers that have no slot any more and do not end.
    """

    version: str
    pid: int
    state: str
    remark: str
    started: str
    uptime: float
    datasets: list[DatasetStatus]
    workers: list[WorkerStatus]
    analyzers: dict[str, AnalyzerStatus]
    done: int
    audio_seconds: float
    audio_seconds_per_second: float
    folders_per_hour: float
    time_left: float | None
    troubles: list[Trouble]
    lost: list[LostWorker] = []
