"""What is asked of the watch on a dataset, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.model import WatchMode


@dataclass(frozen=True)
class WatchTerms:
    """How a dataset is to be watched. `ignore` are glob patterns of directories that are not entered."""

    ignore: tuple[str, ...]
    mode: WatchMode


@dataclass(frozen=True)
class WatchReport:
    """How a dataset is watched.

    `events`: whether events are heard at all; `reason`: why, or why not. `degraded`: what should be watched and is not,
    with what to do about it; empty where nothing is. `parents` are the directories that are watched for what is below
    them, `leaves` the track folders that are; `unwatched` are left to walks because the budget is used up.
    """

    events: bool
    reason: str
    degraded: str = ""
    parents: int = 0
    leaves: int = 0
    unwatched: int = 0
