"""The history by days of this machine's clock, and in sum: for the report, and for `audiobatchctl history`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from audiobatchd.control.history import Span

_HOUR, _DAY = 3600, 86400


class Stretch(Struct):
    """A day, an hour, or all of a history: what its spans tell together."""

    name: str
    """Its day, "2026-11-30", or its hour, "2026-11-30 14:00"; empty for all."""
    # The sums of what `Span` has under these names.
    done: int = 0
    failed: int = 0
    audio_seconds: float = 0.0
    busy_seconds: float = 0.0
    costs: dict[str, float] = {}
    causes: dict[str, int] = {}

    def add(self, span: Span) -> None:
        """Count a span in."""
        self.done += span.done
        self.failed += span.failed
        self.audio_seconds += span.audio_seconds
        self.busy_seconds += span.busy_seconds
        for name, seconds in span.costs.items():
            self.costs[name] = self.costs.get(name, 0.0) + seconds
        for cause, count in span.causes.items():
            self.causes[cause] = self.causes.get(cause, 0) + count

    @property
    def hours(self) -> float:
        """Hours of music in folders that were completed."""
        return self.audio_seconds / _HOUR

    @property
    def per_hour(self) -> float:
        """Folders that were completed in an hour of work; 0 where the work was too short to tell."""
        return self.done * _HOUR / self.busy_seconds if self.busy_seconds >= 1 else 0.0

    def costs_by_size(self) -> list[tuple[str, float]]:
        """List what took processor time, the largest first."""
        return sorted(self.costs.items(), key=lambda each: (-each[1], each[0]))

    def causes_by_size(self) -> list[tuple[str, int]]:
        """List causes, the most frequent first."""
        return sorted(self.causes.items(), key=lambda each: (-each[1], each[0]))


def total(spans: Iterable[Span]) -> Stretch:
    """Sum up all spans."""
    found = Stretch("")
    for span in spans:
        found.add(span)
    return found


def by_day(spans: Iterable[Span]) -> list[Stretch]:
    """Sum up the spans of each day in which anything ended; a day in UTC is taken for the day of the same name."""
    return _stretches((_day(span), span) for span in spans)


def by_hour(spans: Iterable[Span]) -> list[Stretch]:
    """Give each hour in which anything ended, and what is only known by days as these; of two of one name the sum."""
    return _stretches((_day(span) if span.seconds == _DAY else _hour(span), span) for span in spans)


def in_a_row(days: Sequence[Stretch], most: int) -> list[Stretch]:
    """Give every day up to the last one, so many at most, also those on which nothing ended."""
    if not days:
        return []
    known = {each.name: each for each in days}
    first, last = date.fromisoformat(days[0].name), date.fromisoformat(days[-1].name)
    count = min(most, (last - first).days + 1)
    names = [(last - timedelta(days=back)).isoformat() for back in reversed(range(count))]
    return [known.get(name) or Stretch(name) for name in names]


def _stretches(named: Iterable[tuple[str, Span]]) -> list[Stretch]:
    found: dict[str, Stretch] = {}
    for name, span in named:
        found.setdefault(name, Stretch(name)).add(span)
    return [found[name] for name in sorted(found)]


def _day(span: Span) -> str:
    if span.seconds == _DAY:
        return f"{datetime.fromtimestamp(span.start, UTC):%Y-%m-%d}"
    return f"{_local(span):%Y-%m-%d}"


def _hour(span: Span) -> str:
    return f"{_local(span):%Y-%m-%d %H:%M}"


def _local(span: Span) -> datetime:
    return datetime.fromtimestamp(span.start, UTC).astimezone()
