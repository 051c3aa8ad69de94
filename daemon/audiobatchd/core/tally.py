"""What has been done since the start: the counts of a summary, the rate, and the time left that follows from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from audiobatchd.vocabulary.states import Outcome

_WINDOW = 300.0


@dataclass
class Tally:
    """Counts of ended jobs.

    `success` are folders whose record was completed, `audio_seconds` what was decoded for them; `outcomes` are those of
    all jobs, and `costs` the processor time that they took, by analyzer and for decoding.
    """

    started: float
    success: int = 0
    audio_seconds: float = 0.0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    costs: Counter[str] = field(default_factory=Counter)
    _recent: deque[tuple[float, float]] = field(default_factory=deque)

    def ended(self, outcome: Outcome, costs: Mapping[str, float]) -> None:
        """A job ended so; `costs` are seconds of processor time by what they went to."""
        self.outcomes[outcome] += 1
        for what, seconds in costs.items():
            self.costs[what] += seconds  # type: ignore[assignment]  # a Counter's values may be floats

    def add(self, now: float, audio_seconds: float) -> None:
        """A job measured something."""
        self.success += 1
        self.audio_seconds += audio_seconds
        self._recent.append((now, audio_seconds))

    def rates(self, now: float) -> tuple[float, float]:
        """(seconds of audio per second, folders per second) over the last five minutes."""
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        span = min(now - self.started, _WINDOW)
        if span <= 0 or not self._recent:
            return 0.0, 0.0
        return sum(seconds for _, seconds in self._recent) / span, len(self._recent) / span

    def time_left(self, folders: int, now: float) -> float | None:
        """Seconds until `folders` more are done at this rate; None while nobody can tell."""
        _, rate = self.rates(now)
        if not folders:
            return 0.0
        return folders / rate if rate else None
