"""Hours of the week as people write them, "22:00-07:00", "sat", "mon-fri 22:00-07:00": read, looked up, said.

The clock on the wall decides. An hour that it shows twice, at the end of summer time, counts both times; one that it
leaves out, at the beginning, does not come.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY, _WEEK = 24 * 60, 7 * 24 * 60
_AHEAD = 16
"""Days in which whatever a week has comes by, also where a change of the clock leaves it out in one of two weeks."""
_ENTRY = re.compile(
    r"(?:(?P<first>[a-z]+)(?:-(?P<last>[a-z]+))?)?(?:(?:^| +)(?P<begin>\d{1,2}:\d\d)-(?P<end>\d{1,2}:\d\d))?", re.ASCII
)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_EXPECTED = 'expected hours like "22:00-07:00", "sat" or "mon-fri 22:00-07:00"'


@dataclass(frozen=True)
class Hours:
    """Hours of a week."""

    spans: tuple[tuple[int, int], ...]
    """Minutes from Monday 00:00 on, from the first of each span to that behind its last; in order, apart."""

    def include(self, local: datetime) -> bool:
        """Tell whether this is one of them, by what the clock on the wall shows."""
        minute = local.weekday() * _DAY + local.hour * 60 + local.minute
        found = bisect_right(self.spans, (minute, _WEEK)) - 1
        return found >= 0 and minute < self.spans[found][1]

    def next_change(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """Find when they end that are now, or begin: in UTC, as `moment`; None where they are always, or never."""
        now = self.include(moment.astimezone(zone))
        return next((each for each in self._edges(moment, zone) if self.include(each.astimezone(zone)) != now), None)

    def _edges(self, moment: datetime, zone: tzinfo) -> list[datetime]:
        """List the moments from `moment` on at which anything may change, in their order; more than do change."""
        today = moment.astimezone(zone).date()
        found = set(_changes_of_clock(moment, zone))
        minutes = {minute for span in self.spans for minute in span}
        for each in (today + timedelta(days) for days in range(-1, _AHEAD)):
            start = each.weekday() * _DAY
            for minute in minutes:
                if start <= minute <= start + _DAY:
                    local = datetime.combine(each, time()) + timedelta(minutes=minute - start)
                    found |= {local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        return sorted(each for each in found if each > moment)


def _changes_of_clock(moment: datetime, zone: tzinfo) -> Iterator[datetime]:
    """Find when the clock is changed in the days to come, to the second; once a day at most."""
    for days in range(_AHEAD):
        before, after = moment + timedelta(days), moment + timedelta(days + 1)
        offset = before.astimezone(zone).utcoffset()
        if after.astimezone(zone).utcoffset() == offset:
            continue
        while after - before > timedelta(seconds=1):
            middle = before + (after - before) / 2
            if middle.astimezone(zone).utcoffset() == offset:
                before = middle
            else:
                after = middle
        yield after.replace(microsecond=0)


def hours_in(entries: Iterable[str]) -> Hours:
    """Read hours, several entries of which add up. Raises ValueError, with a text for a user, at one that is none."""
    minutes = sorted(span for entry in entries for span in _spans(entry))
    merged: list[tuple[int, int]] = []
    for begin, end in minutes:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return Hours(tuple(merged))


def _spans(entry: str) -> Iterator[tuple[int, int]]:
    """Read one entry. A night belongs to the day on which it begins; what passes Sunday's end goes on on Monday."""
    text = entry.strip().lower()
    found = _ENTRY.fullmatch(text)
    if not text or found is None:
        message = f"{_EXPECTED}, got {entry!r}"
        raise ValueError(message)
    begin, length = 0, _DAY
    if found["begin"]:
        begin, end = _minutes(found["begin"], entry), _minutes(found["end"], entry, is_end=True)
        if begin == end:
            message = f"{entry!r} begins when it ends: write 00:00-24:00, or the days alone, for whole days"
            raise ValueError(message)
        length = end - begin if begin < end else end + _DAY - begin
    first = _day(found["first"], entry) if found["first"] else 0
    last = _day(found["last"], entry) if found["last"] else first if found["first"] else len(DAYS) - 1
    for day in range(first, last + 1 if first <= last else last + 1 + len(DAYS)):
        start = (day * _DAY + begin) % _WEEK
        yield start, min(start + length, _WEEK)
        if start + length > _WEEK:
            yield 0, start + length - _WEEK


def _minutes(text: str, entry: str, *, is_end: bool = False) -> int:
    found = _TIME.fullmatch(text)
    if found is None and not (is_end and text == "24:00"):
        message = f"{text} in {entry!r} is no time of day: expected 00:00 to {'24:00' if is_end else '23:59'}"
        raise ValueError(message)
    return int(found[1]) * 60 + int(found[2]) if found else _DAY


def _day(name: str, entry: str) -> int:
    for days in (DAYS, _LONG):
        if name in days:
            return days.index(name)
    message = f"{name} in {entry!r} is no day: expected one of {', '.join(DAYS)}"
    raise ValueError(message)


def until_in_words(change: datetime, moment: datetime, zone: tzinfo) -> str:
    """Say when hours begin, "until 22:00", with the day where that is a day ahead or more: "until Sat 00:00"."""
    local = change.astimezone(zone)
    day = f"{DAYS[local.weekday()].capitalize()} " if change - moment >= timedelta(days=1) else ""
    return f"until {day}{local:%H:%M}"
