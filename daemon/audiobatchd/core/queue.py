"""The order of work: what just arrived before what a walk found, and one dataset after the other."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from audiobatchd.model import FolderKey


@dataclass(slots=True)
class _Lanes:
    fresh: deque[FolderKey] = field(default_factory=deque)
    backfill: deque[FolderKey] = field(default_factory=deque)


class Queue:
    """Folders in the order in which they are to be measured.

    It does not know their states: its user skips the stale.
    """

    def __init__(self) -> None:
        self._datasets: dict[str, _Lanes] = {}
        self._turn: deque[str] = deque()

    def push(self, key: FolderKey, *, fresh: bool) -> None:
        """Append a folder; `fresh` ones go before those that a walk found."""
        if key.dataset not in self._datasets:
            self._datasets[key.dataset] = _Lanes()
            self._turn.append(key.dataset)
        lanes = self._datasets[key.dataset]
        (lanes.fresh if fresh else lanes.backfill).append(key)

    def pop(self) -> FolderKey | None:
        """The next folder, fair between datasets; None when there is none."""
        for lane in ("fresh", "backfill"):
            for _ in range(len(self._turn)):
                dataset = self._turn[0]
                self._turn.rotate(-1)
                waiting: deque[FolderKey] = getattr(self._datasets[dataset], lane)
                if waiting:
                    return waiting.popleft()
        return None
