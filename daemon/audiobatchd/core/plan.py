"""The configuration, as far as the core needs it. Times are seconds, sizes bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.backoff import Backoff
from audiobatchd.core.schedule import Conditions
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.hook_events import HookEvent
from audiobatchd.vocabulary.shard import Shard

_AFTER_ERRORS = Backoff(5.0, 300.0)


@dataclass(frozen=True)
class Limits:
    """The bounds by which folders wait and are given up."""

    settle: dict[str, float]
    """Seconds for which files have to stay the same, by dataset."""
    max_deaths: int = 3
    """Number of charges that make a folder failed."""
    max_suspect: int = 5
    """Number of services or machines in a row that die over a folder before it is failed."""
    backoff: Backoff = _AFTER_ERRORS
    """The waits after errors."""
    once: bool = False
    """True for one pass, in which nothing is waited for that may never come."""


@dataclass(frozen=True)
class Plan:
    """The configuration as the core goes by it. Times are in seconds."""

    datasets: dict[str, float]
    """Time between two full walks, by dataset."""
    limits: Limits
    policies: dict[str, Policy]
    """Terms by which completeness is judged, by dataset."""
    workers: int
    """Number of worker processes on this machine."""
    workers_why: str = ""
    """Reason why they are so many, in words for people."""
    remote: bool = False
    """True where the workers are on other machines, which come and go: there are as many as these have places."""
    reap: float = 60.0
    """The time between two looks for locks that the dead left."""
    boot_timeout: float = 120.0
    """Time that a worker has to load its analyzers."""
    job_timeout: float = 600.0
    """Time that a job has without a sign of progress."""
    job_timeout_factor: float = 4.0
    """Multiple of the audio's length that analysis has on top."""
    worker_memory: int = 6 << 30
    """The bytes of memory beyond which a worker is killed."""
    recycle_jobs: int = 500
    """Number of jobs after which a worker is replaced by another."""
    stop_grace: float = 30.0
    """Time that running jobs have to finish when the service ends."""
    lost_after: float = 10.0
    """Time after SIGKILL when a process that is still there is lost."""
    asleep: float = 3.0
    """Time of sleep over a dataset that puts its disk under suspicion."""
    fresh: float = math.inf
    """Time without an answer after which a disk is asked before anything is begun there."""
    features: tuple[str, ...] = ()
    """The features that the command line asks for; empty: all."""
    left_out: tuple[str, ...] = ()
    """Names of analyzers that are installed and that the configuration leaves out."""
    schedules: dict[str, Conditions] = field(default_factory=dict)
    """Conditions under which jobs are given out, by dataset; one that is not there has none."""
    once: bool = False
    """True where the service works through what there is, and ends."""
    dry_run: bool = False
    """True where it finds out what is due, and measures nothing."""
    hooks: frozenset[HookEvent] = frozenset()
    """The events that any hook is told of."""
    shard: Shard | None = None
    """The part of each dataset that one pass works through; None: all of it."""


@dataclass(frozen=True)
class Memory:
    """Memory of what was known when the service ended last."""

    offers: tuple[Offer, ...] | None = None
    """Offers of the analyzers; None where they are not known."""
    datasets: dict[str, tuple[int, FileId | None]] = field(default_factory=dict)
    """Number of folders of each dataset, and the directory that its root was."""
    pauses: dict[str, float | None] = field(default_factory=dict)
    """The datasets that an operator paused, with the seconds that are left of it; None: until it is resumed."""
    pace: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Cost of jobs on this machine, as `renewals.Pace.spent`."""
    rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Cost of audio on this machine, as `renewals.Pace.rates`."""
    places: dict[str, str] = field(default_factory=dict)
    """Target of each dataset's path, without links."""
    begun: frozenset[FolderKey] = frozenset()
    """Folders that a job had begun and of whose end no hook was told."""
    unfinished: frozenset[str] = frozenset()
    """Datasets in which jobs were begun since hooks were last told that nothing is left to do."""


NO_MEMORY = Memory()
