"""Folders that were complete until an analyzer came along: what is said of them before they are measured again.

New folders go first. How long the others will take is told by what this machine's jobs have cost, in this run and those
before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Offer
from audiobatchd.plugin_api import Cost
from audiobatchd.vocabulary.log_events import LogEvent

DECODING = "decoding"
"""Under which name jobs tell what decoding cost."""

_ENOUGH = 5
"""So many jobs tell what one costs on average."""

_MANY = 2000
"""After so many jobs, earlier ones count half: a dataset's files, or the machine, may not be what they were."""

_BETWEEN_NOTES = 20
_HOUR = 3600.0
_LEAVE_OUT = "name the wanted ones in analyzers, or use --features"

_TIMES_DECODING: dict[int, float] = {Cost.LIGHT: 0.5, Cost.MEDIUM: 8.0, Cost.HEAVY: 25.0}
"""Cost of an analyzer of each class, in terms of decoding, while no job has told: docs/benchmarks.md."""


@dataclass
class Pace:
    """Costs of jobs on this machine.

    `spent` has, by analyzer and for decoding, the seconds of processor time and in how many jobs.
    """

    spent: dict[str, tuple[float, int]] = field(default_factory=dict)
    _unnoted: int = 0

    def add(self, costs: Mapping[str, float]) -> list[do.Action]:
        """Take in what a job cost, by analyzer; give what is to be remembered, now and then."""
        for name, seconds in costs.items():
            total, jobs = self.spent.get(name, (0.0, 0))
            if jobs >= _MANY:
                total, jobs = total / 2, jobs // 2
            self.spent[name] = total + seconds, jobs + 1
        self._unnoted += bool(costs)
        is_young = self.spent.get(DECODING, (0.0, 0))[1] < _BETWEEN_NOTES
        if not self._unnoted or (self._unnoted < _BETWEEN_NOTES and not is_young):
            return []
        self._unnoted = 0
        return [do.KeepPace(dict(self.spent))]

    def hours(self, offers: Iterable[Offer], due: Mapping[str, int]) -> float | None:
        """Estimate the hours of processor time that it takes to decode and measure so many folders, by analyzer.

        None where too few jobs have ended.
        """
        decoding = self._each(DECODING)
        if decoding is None:
            return None
        costs = {offer.name: offer.cost for offer in offers}
        seconds = max(due.values(), default=0) * decoding
        for name, folders in due.items():
            times = _TIMES_DECODING.get(costs.get(name, 0), 0.0)  # a later version may have told of other classes
            own = self._each(name)
            seconds += folders * (own if own is not None else times * decoding)
        return seconds / _HOUR

    def _each(self, name: str) -> float | None:
        total, jobs = self.spent.get(name, (0.0, 0))
        return total / jobs if jobs >= _ENOUGH else None


@dataclass
class Renewals:
    """Folders of one dataset that are due again. None is begun until a walk has told how many there are."""

    due: Counter[str] = field(default_factory=Counter)
    """Number of folders due again, by analyzer, as far as the walk under way, or the last one, has come by them."""
    folders: int = 0
    """Number of these folders together."""
    is_told: bool = False
    """True where that was told since the analyzers last changed."""
    is_priced: bool = False
    """True where it was told with what it will take."""

    def walk_begins(self) -> None:
        """Count from nothing: a walk begins."""
        if not self.is_told:
            self.due.clear()
            self.folders = 0

    def came_by(self, analyzers: tuple[str, ...]) -> None:
        """Count a folder that a walk came by, due again for these analyzers; for none: it is not due again."""
        if analyzers and not self.is_told:
            self.due.update(analyzers)
            self.folders += 1

    def change(self) -> None:
        """Have all told again, and counted: the analyzers changed."""
        self.is_told = self.is_priced = False
        self.walk_begins()

    def tell(self, dataset: str, pace: Pace, offers: tuple[Offer, ...]) -> list[do.Action]:
        """Give what is told when a walk has ended, and once more when jobs have told what they cost."""
        if not self.folders or (self.is_told and self.is_priced):
            return []  # as nearly always: it is asked at the end of every job
        hours = pace.hours(offers, self.due)
        if self.is_told and hours is None:
            return []
        self.is_told, self.is_priced = True, hours is not None
        fields: dict[str, do.Field] = {
            "dataset": dataset,
            "analyzers": " ".join(sorted(self.due)),
            "folders": self.folders,
            "cpu_hours": "not known before some are measured" if hours is None else _rounded(hours),
            "leave_out": _LEAVE_OUT,
        }
        return [do.Report(LogEvent.FOLDERS_DUE_AGAIN, fields)]


def _rounded(hours: float) -> float:
    """Round to two significant digits or whole hours, at least a hundredth."""
    return max(0.01, round(hours, 2) if hours < 1 else round(hours, 1) if hours < 10 else float(round(hours)))  # noqa: PLR2004  # digits
