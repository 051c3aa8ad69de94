"""Counts of what was done since the start, the rate, and the time left that follows from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from audiobatchd.vocabulary.states import Outcome

_WINDOW = 300.0


@dataclass
class Tally:
    """Counts of ended jobs."""

    started: float
    """The moment from which all is counted."""
    success: int = 0
    """Number of folders that were completed."""
    audio_seconds: float = 0.0
    """Length of the audio that was decoded for these."""
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    """Number of jobs by outcome."""
    costs: Counter[str] = field(default_factory=Counter)
    """Seconds of processor time, by analyzer and for decoding."""
    hosts: Counter[str] = field(default_factory=Counter)
    """Number of folders that were completed on each other machine, by its name."""
    _recent: deque[tuple[float, float]] = field(default_factory=deque)
    """The folders of the last minutes: when each was completed, and how long its audio is."""

    def ended(self, outcome: Outcome, costs: Mapping[str, float]) -> None:
        """Count a job by its outcome; `costs` are seconds of processor time by what they went to."""
        self.outcomes[outcome] += 1
        for what, seconds in costs.items():
            self.costs[what] += seconds  # type: ignore[assignment]  # a Counter's values may be floats

    def add(self, now: float, audio_seconds: float) -> None:
        """Count a folder that a job completed."""
        self.success += 1
        self.audio_seconds += audio_seconds
        self._recent.append((now, audio_seconds))

    def rates(self, now: float) -> tuple[float, float]:
        """The rates over the last five minutes: seconds of audio, and folders, per second."""
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        span = min(now - self.started, _WINDOW)
        if span <= 0 or not self._recent:
            return 0.0, 0.0
        return sum(seconds for _, seconds in self._recent) / span, len(self._recent) / span

    def time_left(self, folders: int, now: float) -> float | None:
        """Seconds until `folders` more are done at this rate; None where there is no rate."""
        _, rate = self.rates(now)
        if not folders:
            return 0.0
        return folders / rate if rate else None
