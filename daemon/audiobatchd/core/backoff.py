"""Waits between tries, each twice as long as the one before: the one rule for folders, workers and held datasets."""

from __future__ import annotations

from dataclasses import dataclass

_DOUBLINGS = 30
"""More of them would overflow a float one day, and change nothing: the longest wait is reached long before."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from the first to the longest, in seconds."""

    first: float
    """The wait after the first try."""
    longest: float
    """The wait that no other one exceeds."""

    def wait(self, before: int) -> float:
        """Seconds until the next try, where `before` tries were waited out already."""
        return min(self.longest, self.first * 2.0 ** min(before, _DOUBLINGS))
