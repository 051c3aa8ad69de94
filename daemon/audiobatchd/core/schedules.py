"""The schedules of all datasets, kept as holds on them: they are held against the machine with every look at it."""

from __future__ import annotations

from collections.abc import Mapping

from audiobatchd.core import actions as do
from audiobatchd.core import events as on
from audiobatchd.core.parts import Parts
from audiobatchd.core.schedule import MachineFacts, Schedule, rests
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.states import Cause


class Schedules:
    """The schedules, by dataset; one without conditions has none."""

    def __init__(self, parts: Parts, now: float) -> None:
        self._parts = parts
        self._by_dataset: dict[str, Schedule] = {}
        self._seen: MachineFacts | None = None
        self.replan(now)  # so that nothing is begun before the first look

    @property
    def by_dataset(self) -> Mapping[str, Schedule]:
        """The schedules, by dataset; not to be changed."""
        return self._by_dataset

    @property
    def load(self) -> float | None:
        """Load of other processes than the service's, as last seen; None where no schedule asks for it."""
        return self._seen.load if self._seen is not None and self._by_dataset else None

    def in_words(self, path: str, now: float) -> str:
        """Say of a dataset what its schedule holds back, or what is overridden of it; empty where there is nothing."""
        schedule = self._by_dataset.get(path)
        return (schedule.remark or schedule.override_in_words(now)) if schedule is not None else ""

    def replan(self, now: float) -> list[do.Action]:
        """Go by another configuration; what is overridden stays so."""
        wanted = {path: terms for path, terms in self._parts.plan.schedules.items() if terms}
        dropped = [path for path in self._by_dataset if path not in wanted]
        for path in dropped:
            del self._by_dataset[path]
        for path, conditions in wanted.items():
            self._by_dataset.setdefault(path, Schedule(conditions)).replan(conditions)
        actions = [action for path in dropped for action in self._go_on(path)]
        return actions + self._look(now)

    def seen(self, event: on.MachineSeen, now: float) -> list[do.Action]:
        """Take in a look at the machine."""
        self._seen = event.facts
        return self._look(now)

    def override(self, event: on.ResumeAsked, now: float) -> list[do.Action]:
        """Have jobs given out in a dataset whatever its schedule says, as an operator wishes."""
        schedule = self._by_dataset.get(event.dataset)
        if schedule is None or not event.override or not schedule.override(event.seconds, now):
            return []
        words = schedule.override_in_words(now)
        self._parts.datasets[event.dataset].holds.release(Cause.SCHEDULE)
        schedule.held_since, schedule.is_told = None, False
        return [do.Report(LogEvent.SCHEDULE_OVERRIDDEN, {"dataset": event.dataset, "reason": words})]

    def rests(self, now: float) -> bool:
        """Tell whether no dataset is worked on, by their schedules, and will not be at any moment."""
        known = list(self._by_dataset.values())
        return bool(known) and len(known) == len(self._parts.datasets) and rests(known, now)

    def _look(self, now: float) -> list[do.Action]:
        if (seen := self._seen) is not None:
            for schedule in self._by_dataset.values():
                schedule.look(seen, now)
        return [action for path in self._by_dataset for action in self._hold(path, now)]

    def _hold(self, path: str, now: float) -> list[do.Action]:
        """Hold jobs back in a dataset, or let them go on, and tell of it once."""
        schedule = self._by_dataset[path]
        if not (remark := schedule.remark):
            schedule.held_since = None
            return self._go_on(path, told=schedule)
        self._parts.datasets[path].holds.schedule(remark)
        schedule.held_since = now if schedule.held_since is None else schedule.held_since
        if schedule.is_told or not schedule.is_looked_at:
            return []
        schedule.is_told = True
        return [do.Report(LogEvent.SCHEDULE_HOLDS, {"dataset": path, "reason": remark})]

    def _go_on(self, path: str, told: Schedule | None = None) -> list[do.Action]:
        dataset = self._parts.datasets.get(path)
        if dataset is None or not dataset.holds.release(Cause.SCHEDULE) or (told is not None and not told.is_told):
            return []
        if told is not None:
            told.is_told = False
        return [do.Report(LogEvent.SCHEDULE_GOES_ON, {"dataset": path})]
