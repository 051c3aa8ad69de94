"""The configuration, as far as the core needs it. Times are seconds, sizes bytes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from audiobatchd.core.assessment import Offer, Policy


@dataclass(frozen=True)
class Limits:
    """What the ledger goes by. `once`: one pass, in which nothing is waited for that may never come.

    `settle` is by dataset; `backoff` the first and the longest wait after an error.
    """

    settle: dict[str, float]
    max_deaths: int = 3
    max_suspect: int = 5
    backoff: tuple[float, float] = (5.0, 300.0)
    once: bool = False


@dataclass(frozen=True)
class Plan:
    """The whole. `datasets` has each one's `rescan`; `features` are those that somebody asked for.

    A process that is still there `lost_after` its SIGKILL is lost. What has slept for `asleep` over a dataset puts its
    disk under suspicion; before anything is begun in one whose disk has not answered for `fresh`, the disk is asked.
    """

    datasets: dict[str, float]
    limits: Limits
    policies: dict[str, Policy]
    workers: int
    reap: float = 60.0
    boot_timeout: float = 120.0
    job_timeout: float = 600.0
    job_timeout_factor: float = 4.0
    worker_memory: int = 6 << 30
    recycle_jobs: int = 500
    stop_grace: float = 30.0
    lost_after: float = 10.0
    asleep: float = 3.0
    fresh: float = math.inf
    features: tuple[str, ...] = ()
    once: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Memory:
    """What was known when the daemon ended last: what the analyzers gave, and of each dataset how many folders it had.

    And which directory its root was, as device and inode. `pauses` are the datasets that somebody paused, with the
    seconds that are left of it.
    """

    offers: tuple[Offer, ...] | None = None
    datasets: dict[str, tuple[int, tuple[int, int] | None]] = field(default_factory=dict)
    pauses: dict[str, float | None] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """Where each dataset's path led to, without links."""


NO_MEMORY = Memory()
