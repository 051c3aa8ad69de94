"""Parts that the deciding modules of the core share: all that is known of datasets, folders and workers."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.core import actions as do
from audiobatchd.core.agenda import Agenda
from audiobatchd.core.assessment import Offer
from audiobatchd.core.belief import Belief
from audiobatchd.core.crew import Crew
from audiobatchd.core.dataset import Dataset
from audiobatchd.core.ledger import Ledger
from audiobatchd.core.lifecycle import Lifecycle
from audiobatchd.core.plan import Memory, Plan
from audiobatchd.core.renewals import Pace
from audiobatchd.core.reports import News
from audiobatchd.core.shortage import Shortage
from audiobatchd.core.tally import Tally
from audiobatchd.core.transitions import Transitions
from audiobatchd.core.walk_schedule import WalkSchedule


@dataclass(slots=True)
class Parts:
    """The parts of one core."""

    plan: Plan
    datasets: dict[str, Dataset]
    transitions: Transitions
    crew: Crew
    life: Lifecycle
    tally: Tally
    news: News
    shortage: Shortage
    pace: Pace
    offers: tuple[Offer, ...] | None
    """Offers of the workers; None as long as none has said what it can do."""

    @property
    def ledger(self) -> Ledger:
        """The states of all folders."""
        return self.transitions.ledger

    @property
    def agenda(self) -> Agenda:
        """The looks at folders that are to come."""
        return self.transitions.agenda

    def tell_renewals(self, path: str) -> list[do.Action]:
        """Say how many folders are due again, if that is known by now and has not been said."""
        dataset = self.datasets[path]
        return [] if dataset.is_counting else dataset.renewals.tell(path, self.pace, self.offers or ())

    @classmethod
    def made(cls, plan: Plan, now: float, memory: Memory) -> Parts:
        """The parts of a core that begins now, with what is remembered of the last one."""
        return cls(
            plan=plan,
            datasets={path: _remembered(path, rescan, memory, now) for path, rescan in plan.datasets.items()},
            transitions=Transitions(plan.limits),
            crew=Crew(plan),
            life=Lifecycle(plan.stop_grace),
            tally=Tally(now),
            news=News(),
            shortage=Shortage(),
            pace=Pace(dict(memory.pace), dict(memory.rates)),
            offers=None if plan.once else memory.offers,
        )


def _remembered(path: str, rescan: float, memory: Memory, now: float) -> Dataset:
    """A dataset as it was when the service ended last."""
    known, root = memory.datasets.get(path, (0, None))
    dataset = Dataset(path, WalkSchedule(rescan), Belief(known, root, memory.places.get(path, "")))
    if path in memory.pauses:
        seconds = memory.pauses[path]
        dataset.holds.pause(None if seconds is None else now + seconds)
    return dataset
