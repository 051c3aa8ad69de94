"""History in the catalog: what jobs came to and what they took, by hour and later by day, in a bounded number of rows.

Counts are collected in memory, and added to the table by `flush`. All but `count` is called in threads only.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from audiobatchd.core.actions import CountJob
from audiobatchd.scan.catalog.database import BEFORE_ALL, About, Batch, Database, Write
from audiobatchd.vocabulary.causes import alike
from audiobatchd.vocabulary.names import shown

SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    dataset BLOB NOT NULL,
    span INTEGER NOT NULL,
    start INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    number REAL NOT NULL,
    PRIMARY KEY (dataset, span, start, kind, name)
) WITHOUT ROWID;
"""
HOUR, DAY = 3600, 86400
HOURS_KEPT, DAYS_KEPT = 90 * DAY, 5 * 366 * DAY
"""Seconds for which hours are kept before they are summed into days, and for which these are."""
MOST_ROWS = 500_000
"""Rows that `prune` leaves at most, of all datasets."""
OUTCOME, AUDIO, BUSY, COST, CAUSE = "outcome", "audio", "busy", "cost", "cause"
"""Kinds of counts."""
MOST_NAMES: Mapping[str, int] = {OUTCOME: 12, AUDIO: 1, BUSY: 1, COST: 100, CAUSE: 20}
"""Names of one kind in one hour or day of a dataset; what is beyond is counted as `OTHERS`."""
OTHERS = "others"
_MOST_PENDING = 10_000
"""Hours of datasets that are kept in memory while nothing can be written; the oldest go first."""
_ALL = b""
"""Stands for all datasets where it is no sum of them: they may be busy at the same time."""
_STEP = 1000
_HALVINGS = 12

_ADD = """
INSERT INTO history VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number
"""
_NAMES = "SELECT kind, name FROM history WHERE dataset = ? AND span = ? AND start = ?"
_SINCE = "SELECT start, kind, name, number FROM history WHERE dataset = ? AND span = ? AND start > ?"
_OLDEST = "SELECT start FROM history WHERE dataset = ? AND span = 3600 AND start < ? ORDER BY start LIMIT 1"
_OF_DAY = """
SELECT kind, name, number FROM history
    WHERE dataset = ? AND ((span = 3600 AND start >= ? AND start < ?) OR (span = 86400 AND start = ?))
"""
_DROP_HOURS = "DELETE FROM history WHERE dataset = ? AND span = 3600 AND start >= ? AND start < ?"
_DROP_DAY = "DELETE FROM history WHERE dataset = ? AND span = 86400 AND start = ?"
_PUT = "INSERT INTO history VALUES (?, ?, ?, ?, ?, ?)"
_ANY = "SELECT 1 FROM history WHERE dataset = ? AND span = ? AND start >= ? AND start < ? LIMIT 1"
_DROP_SOME = """
DELETE FROM history WHERE (dataset, span, start, kind, name) IN (
    SELECT dataset, span, start, kind, name FROM history
        WHERE dataset = ? AND span = ? AND start >= ? AND start < ? LIMIT ?
)
"""
_NEXT = "SELECT dataset FROM history WHERE dataset > ? ORDER BY dataset LIMIT 1"
_FIRST_OF_ALL, _BEYOND_ALL = 0, 1 << 60

Key = tuple[str, str]
"""A kind, and a name of that kind."""
Counts = dict[Key, float]


class Period(NamedTuple):
    """An hour or a day."""

    start: int
    """Moment when it begins, in seconds since 1970, UTC."""
    span: int
    """Its length in seconds."""


class History:
    """The table of counts, and those that are not in it yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        """Held for a moment, by the loop too."""
        self._moving = threading.Lock()
        """Held while counts go from memory to the table, so that none is told twice or not at all."""
        self._pending: dict[tuple[bytes, int], Counts] = {}
        """Counts that are not in the table, by dataset and hour."""
        self._busy_until: dict[bytes, float] = {}
        """The end of the last job of each dataset, and of all, by the monotonic clock."""

    def count(self, job: CountJob, wall: float, now: float) -> None:
        """Count a job that ended at this time of day, which is `now` by the monotonic clock."""
        dataset, hour = os.fsencode(job.dataset), int(wall) // HOUR * HOUR
        counts: Counts = {(OUTCOME, job.outcome.value): 1.0}
        if job.audio_seconds:
            counts[AUDIO, ""] = job.audio_seconds
        counts |= {(COST, shown(name)): seconds for name, seconds in job.costs.items()}
        if job.reason:
            counts[CAUSE, shown(alike(job.reason))] = 1.0
        with self._lock:
            for each, what in ((dataset, counts), (_ALL, {})):
                begun = max(now - job.seconds, self._busy_until.get(each, 0.0))
                self._busy_until[each] = now
                _merge(self._pending.setdefault((each, hour), {}), {**what, (BUSY, ""): max(0.0, now - begun)})
            while len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]

    @property
    def has_news(self) -> bool:
        """Tell whether anything is not in the table yet."""
        return bool(self._pending)

    def flush(self) -> None:
        """Add what was counted to the table, in one transaction; while nothing can be written it stays in memory."""
        with self._moving:
            if self._database.trouble:
                return
            with self._lock:
                taken, self._pending = self._pending, {}
            writes: dict[About, Write] = {}
            for (dataset, hour), counts in taken.items():
                known = dict.fromkeys(self._database.ask(_NAMES, (dataset, HOUR, hour)), 0.0)
                _merge(known, counts)
                rows = [(_ADD, row) for row in _rows(dataset, Period(hour, HOUR), known) if row[-1]]
                writes["history", dataset, hour, object()] = Write(rows, (dataset, hour, counts))
            if writes:
                self._database.keep(writes)

    def since(self, datasets: Iterable[str], moment: float) -> dict[Period, Counts]:
        """Sum up datasets, from the hour on that this moment lies in; the oldest period comes first."""
        asked = [os.fsencode(each) for each in datasets]
        is_one = len(asked) == 1
        found: defaultdict[Period, Counts] = defaultdict(dict)

        def add(dataset: bytes, period: Period, key: Key, number: float) -> None:
            if is_one or (key[0] == BUSY) is (dataset == _ALL):
                found[period][key] = found[period].get(key, 0.0) + number

        with self._moving:
            with self._lock:
                pending = [(*about, dict(counts)) for about, counts in self._pending.items()]
            pending += [write.value for _, write in self._database.all_kept("history")]
            for dataset in asked if is_one else [_ALL, *asked]:
                for span in (DAY, HOUR):
                    for start, kind, name, number in self._database.ask(_SINCE, (dataset, span, moment - span)):
                        add(dataset, Period(start, span), (kind, name), number)
                for other, hour, counts in pending:
                    if other == dataset and hour > moment - HOUR:
                        for key, number in counts.items():
                            add(dataset, Period(hour, HOUR), key, number)
        return {period: found[period] for period in sorted(found)}

    def drop(self, dataset: bytes) -> Iterator[None]:
        """Remove a dataset's history, a bounded part at every step."""
        for span in (HOUR, DAY):
            yield from self._drop(dataset, span, _FIRST_OF_ALL, _BEYOND_ALL)

    def prune(self, wall: float) -> Iterator[None]:
        """Sum old hours into days and remove old days, by this time of day, a bounded part at every step.

        What lies ahead was written while the clock was wrong, and goes. Where there are too many rows all the same, all
        is kept for half the time, and so on.
        """
        for halvings in range(_HALVINGS):
            for dataset in (_ALL, *self._datasets()):
                yield from self._fold(dataset, _day_of(wall - HOURS_KEPT / 2**halvings))
                for span in (HOUR, DAY):
                    yield from self._drop(dataset, span, int(wall) + DAY, _BEYOND_ALL)
                yield from self._drop(dataset, DAY, _FIRST_OF_ALL, _day_of(wall - DAYS_KEPT / 2**halvings))
            if self.rows() <= MOST_ROWS:
                return

    def rows(self) -> int:
        """Count the rows of the table."""
        return sum(row[0] for row in self._database.ask("SELECT count(*) FROM history", ()))

    def _fold(self, dataset: bytes, limit: int) -> Iterator[None]:
        """Sum the hours before `limit` into days, a day at every step."""
        before = BEFORE_ALL
        while (oldest := self._database.ask(_OLDEST, (dataset, limit))) and oldest[0][0] // DAY != before:
            before = oldest[0][0] // DAY
            day = before * DAY
            counts: Counts = {}
            with self._moving:
                for kind, name, number in self._database.ask(_OF_DAY, (dataset, day, day + DAY, day)):
                    counts[kind, name] = counts.get((kind, name), 0.0) + number
                batches: list[Batch] = [
                    (_DROP_HOURS, [(dataset, day, day + DAY)]),
                    (_DROP_DAY, [(dataset, day)]),
                    (_PUT, _rows(dataset, Period(day, DAY), largest(counts))),
                ]
                self._database.write(*batches)
            yield

    def _drop(self, dataset: bytes, span: int, first: int, end: int) -> Iterator[None]:
        place = (dataset, span, first, end)
        while self._database.ask(_ANY, place) and not self._database.trouble:
            self._database.write((_DROP_SOME, [(*place, _STEP)]))
            yield

    def _datasets(self) -> Iterator[bytes]:
        """Find the datasets that have rows, one by one; `_ALL` is none of them."""
        latest = _ALL
        while rows := self._database.ask(_NEXT, (latest,)):
            latest = rows[0][0]
            yield latest


def largest(counts: Counts) -> Counts:
    """Keep the largest counts of each kind by their names; the rest are one count."""
    kept: Counts = {}
    for (kind, name), number in sorted(counts.items(), key=lambda each: (each[0][1] != OTHERS, -each[1], each[0])):
        _merge(kept, {(kind, name): number})
    return kept


def _merge(known: Counts, more: Counts) -> None:
    """Add `more`; names of a kind that has enough are counted as others."""
    kinds = Counter(kind for kind, name in known if name != OTHERS)
    for (kind, name), number in more.items():
        key = (kind, name)
        if key not in known and name != OTHERS:
            if kinds[kind] >= MOST_NAMES[kind]:
                key = (kind, OTHERS)
            else:
                kinds[kind] += 1
        known[key] = known.get(key, 0.0) + number


def _rows(dataset: bytes, period: Period, counts: Counts) -> list[tuple[object, ...]]:
    return [(dataset, period.span, period.start, kind, name, number) for (kind, name), number in counts.items()]


def _day_of(moment: float) -> int:
    return int(moment // DAY) * DAY
