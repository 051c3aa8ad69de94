"""Schedules: the hours of a dataset, and what else of the machine has to be so that jobs are given out in it.

What holds jobs back is found out anew with every look at the machine. What an operator overrides is what holds at that
moment, until that is over by itself, or everything for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from audiobatchd.vocabulary.hours import Hours, until_in_words
from audiobatchd.vocabulary.quantities import duration, exact_size, sized

NOT_LOOKED = "the machine has not been looked at yet"
"""The remark on a dataset with a schedule before the first look."""

_WELL_BELOW, _WELL_ABOVE = 0.75, 1.25
"""Shares of what is configured beyond which load and memory are well again: not at each small change."""
_CALM = 30.0
"""Seconds for which they have to be well: jobs that end, and pauses of what others do, change both for a moment."""
_REST_AFTER = 60.0
"""Seconds of a hold on every dataset after which all workers but one end: their memory is others' meanwhile."""
_ASKED_AGAIN = timedelta(days=1)
"""Time after which hours that never come are looked for again."""


class Reason(StrEnum):
    """Condition of a schedule that is not met."""

    UNKNOWN = "unknown"
    """Something that it is about has not been read."""
    HOURS = "hours"
    LOAD = "load"
    MEMORY = "memory"
    BATTERY = "battery"


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """Findings of a look at the machine; what has not been read is None."""

    moment: datetime
    """The time in UTC."""
    zone: tzinfo
    """The zone whose clock counts: the same object for as long as it is the same zone."""
    load: float | None = None
    """Load of other processes than the service's."""
    free_memory: int | None = None
    """Bytes of memory that are free, or can be made so without swapping."""
    on_battery: bool | None = None
    """True where the machine runs on a battery."""
    memory: int | None = None
    """Bytes of memory that there are."""


@dataclass(frozen=True)
class Conditions:
    """The conditions under which jobs are given out in a dataset; without any, always."""

    hours: Hours | None = None
    """Hours of the week; None: all."""
    max_load: float | None = None
    """Load of other processes beyond which none is given out; None: any."""
    min_free_memory: int | None = None
    """Bytes of free memory below which none is given out; None: any."""
    on_battery: bool = True
    """False where none is given out while the machine runs on a battery."""

    def __bool__(self) -> bool:
        return self != Conditions()


@dataclass(slots=True)
class Schedule:
    """The schedule of one dataset, as it stands."""

    conditions: Conditions
    reasons: dict[Reason, str] = field(default_factory=dict)
    """The conditions that are not met, in words for people, whether overridden or not."""
    overridden: frozenset[Reason] = frozenset()
    """Those of them that an operator overrides, until each is met by itself."""
    free_until: float | None = None
    """Moment until which an operator overrides all of them; None: nothing is overridden so."""
    is_looked_at: bool = False
    """True where the machine was looked at for these conditions."""
    held_since: float | None = None
    """Moment since when jobs are held back; None where they are not."""
    is_told: bool = False
    """True where the log has told that they are."""
    _well_since: dict[Reason, float] = field(default_factory=dict)
    """Moments since when what still holds jobs back has been well again."""
    _change: tuple[datetime, tzinfo, datetime | None] | None = None
    """Moment and zone for which it was found out when the hours begin, and when they do."""

    def replan(self, conditions: Conditions) -> None:
        """Go by other conditions; of those that differ, what the former looks found counts no more."""
        before, self.conditions = self.conditions, conditions
        if before.hours != conditions.hours:
            self._change = None
        if before.max_load != conditions.max_load:
            self._forget(Reason.LOAD)
        if before.min_free_memory != conditions.min_free_memory:
            self._forget(Reason.MEMORY)

    def look(self, seen: MachineFacts, now: float) -> None:
        """Go by a look at the machine."""
        on_battery = seen.on_battery and not self.conditions.on_battery
        found = {
            Reason.UNKNOWN: self._unknown(seen),
            Reason.HOURS: self._outside(seen),
            Reason.LOAD: self._too_busy(seen.load, now),
            Reason.MEMORY: self._too_full(seen, now),
            Reason.BATTERY: "on battery" if on_battery else "",
        }
        self.reasons = {reason: words for reason, words in found.items() if words}
        self.overridden &= self.reasons.keys()
        if self.free_until is not None and now >= self.free_until:
            self.free_until = None
        self.is_looked_at = True

    def override(self, seconds: float | None, now: float) -> bool:
        """Override what holds jobs back now, or everything for so many seconds; whether that changes anything."""
        if seconds is not None:
            self.free_until = now + seconds
            return True
        before, self.overridden = self.overridden, frozenset(self.reasons)
        return self.overridden != before

    @property
    def holding(self) -> dict[Reason, str]:
        """The conditions that hold jobs back, in words."""
        if self.free_until is not None:
            return {}
        return {reason: words for reason, words in self.reasons.items() if reason not in self.overridden}

    @property
    def remark(self) -> str:
        """Say what holds jobs back; empty where nothing does."""
        return "; ".join(self.holding.values()) if self.is_looked_at else NOT_LOOKED

    def override_in_words(self, now: float) -> str:
        """Say what an operator overrides, and for how long; empty where nothing is."""
        if self.free_until is not None:
            return f"overridden for {duration(self.free_until - now)} more"
        words = [self.reasons[each] for each in Reason if each in self.overridden]
        return f"overridden: {'; '.join(words)}" if words else ""

    def _unknown(self, seen: MachineFacts) -> str:
        """Name what is not known that has to be: a look may have been for other conditions, or have found nothing."""
        terms = self.conditions
        lacking = {
            "load": terms.max_load is not None and seen.load is None,
            "free memory": terms.min_free_memory is not None and seen.free_memory is None,
            "battery": not terms.on_battery and seen.on_battery is None,
        }
        names = [name for name, lacks in lacking.items() if lacks]
        return f"{', '.join(names)} not known yet" if names else ""

    def _outside(self, seen: MachineFacts) -> str:
        hours, moment, zone = self.conditions.hours, seen.moment, seen.zone
        if hours is None or hours.include(moment.astimezone(zone)):
            self._change = None
            return ""
        known = self._change
        # The clock may be set, to any time and in either direction.
        if known is None or known[1] is not zone or not known[0] <= moment < (known[2] or known[0] + _ASKED_AGAIN):
            known = self._change = moment, zone, hours.next_change(moment, zone)
        return until_in_words(known[2], moment, zone) if known[2] is not None else "its hours never come"

    def _too_busy(self, load: float | None, now: float) -> str:
        most = self.conditions.max_load
        if most is None or load is None:
            return ""
        well = most * _WELL_BELOW
        if load > most:
            self._well_since.pop(Reason.LOAD, None)
            return f"load {load:.1f} above {most:g}"
        lasts = self._lasts(Reason.LOAD, load < well, now)
        return f"load {load:.1f}, to be below {well:g} for {_CALM:.0f} s" if lasts else ""

    def _too_full(self, seen: MachineFacts, now: float) -> str:
        least, free, memory = self.conditions.min_free_memory, seen.free_memory, seen.memory
        if least is None or free is None:
            return ""
        well = least * _WELL_ABOVE if memory is None else min(least * _WELL_ABOVE, (least + memory) / 2)
        if free < least:
            self._well_since.pop(Reason.MEMORY, None)
            never = f", more than the {sized(memory)} of this machine" if memory is not None and memory < least else ""
            return f"free memory {sized(free)} below {exact_size(least)}{never}"
        lasts = self._lasts(Reason.MEMORY, free >= well, now)
        return f"free memory {sized(free)}, to be {sized(well)} for {_CALM:.0f} s" if lasts else ""

    def _forget(self, reason: Reason) -> None:
        self.reasons.pop(reason, None)
        self._well_since.pop(reason, None)

    def _lasts(self, reason: Reason, is_well: bool, now: float) -> bool:  # noqa: FBT001  # of two callers
        """Tell whether what held jobs back at the last look does so still, although it is beyond its bound no more."""
        if reason in self.reasons and is_well and now - self._well_since.setdefault(reason, now) < _CALM:
            return True
        self._well_since.pop(reason, None)
        return reason in self.reasons and not is_well


def rests(schedules: list[Schedule], now: float) -> bool:
    """Tell whether all of these have held jobs back for long enough that workers are not to wait for more."""
    return all(each.held_since is not None and now - each.held_since >= _REST_AFTER for each in schedules)
