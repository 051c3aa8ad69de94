"""The order of work: what just arrived, what a walk found, and last what has to run alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from audiobatchd.vocabulary.files import FolderKey


class Lane(StrEnum):
    """A row of folders that wait. The rows are in the order of work."""

    BUMPED = "bumped"
    """An operator asked for them."""
    FRESH = "fresh"
    """A hint told of them."""
    BACKFILL = "backfill"
    """A walk found them."""
    RENEWAL = "renewal"
    """They were complete until an analyzer came along."""
    SUSPECT = "suspect"
    """A process died over them: they run alone."""


@dataclass(slots=True)
class _Lanes:
    lanes: dict[Lane, deque[FolderKey]] = field(default_factory=lambda: {lane: deque() for lane in Lane})


class Queue:
    """Folders in the order in which they are to be measured; its user skips those whose states are others by then."""

    def __init__(self) -> None:
        self._datasets: dict[str, _Lanes] = {}
        self._turn: deque[str] = deque()

    def push(self, key: FolderKey, lane: Lane) -> None:
        """Append a folder."""
        if key.dataset not in self._datasets:
            self._datasets[key.dataset] = _Lanes()
            self._turn.append(key.dataset)
        self._datasets[key.dataset].lanes[lane].append(key)

    def pop(self, *lanes: Lane, without: Container[str] = ()) -> tuple[FolderKey, Lane] | None:
        """Take the next folder of these lanes, fair between datasets and none `without`; None where there is none."""
        for lane in lanes:
            for _ in range(len(self._turn)):
                dataset = self._turn[0]
                self._turn.rotate(-1)
                waiting = self._datasets[dataset].lanes[lane]
                if waiting and dataset not in without:
                    return waiting.popleft(), lane
        return None

    def waiting(self, dataset: str) -> Iterator[FolderKey]:
        """The folders that wait in this dataset, in its order; the stale too."""
        lanes = self._datasets.get(dataset)
        return (key for lane in Lane for key in lanes.lanes[lane]) if lanes else iter(())

    def in_lane(self, lane: Lane) -> Iterator[FolderKey]:
        """The folders that wait in one lane, in any dataset; the stale too."""
        return (key for lanes in self._datasets.values() for key in lanes.lanes[lane])

    def forget(self, dataset: str) -> None:
        """Take all folders of this dataset out."""
        if self._datasets.pop(dataset, None) is not None:
            self._turn.remove(dataset)
