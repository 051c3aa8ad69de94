"""Columns in short: counts, quartiles, the most frequent labels, and numbers in bins, as pictures take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

import msgspec

from audiobatchd.control.results import Cell, Column, Histogram, Label, Query, Scatter, Summary
from audiobatchd.results.query import Rows
from audiobatchd.scan.values import OWN

BINS, SCATTER_BINS = 32, 64
"""Number of bins where none is told: of a histogram, and in each direction of a scatter."""
_FREQUENT = 10
"""Number of labels that are told."""
_MOST_LABELS = 100_000
"""Number of different labels of one column that are counted; further ones are left out."""


class Results(Rows):
    """The values of one dataset: rows, and columns in short."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def histogram(self, feature: str, bins: int = BINS, where: str = "") -> Histogram:
        """Count the numbers of a column in `bins` of one width. Raises UsageError for what cannot be asked."""
        self.chosen((feature,))
        total = self._count(where)
        count, low, high, _ = self._bounds(feature, where)
        return self._binned(feature, bins, where, (low, high), total - count) if count else Histogram((), (), total)

    def scatter(self, x: str, y: str, bins: int = SCATTER_BINS, where: str = "") -> Scatter:
        """Count folders by two numbers, in `bins` by `bins` rectangles. Raises UsageError for what cannot be asked."""
        self.chosen((x, y))
        total = self._count(where)
        rest = self._rest(where, x, y)
        first, second = self._raw[x], self._raw[y]
        what = f"count(*), min({first}), max({first}), min({second}), max({second})"
        found = self._ask(f"SELECT {what} {rest}")
        if not found or not found[0][0]:
            return Scatter((), (), (), 0, total)
        count, left, right, low, high = found[0]
        x_edges, y_edges = _edges(left, right, bins), _edges(low, high, bins)
        places = f"{_place_in(first, x_edges)} AS c, {_place_in(second, y_edges)} AS r"
        cells = self._ask(f"SELECT {places}, count(*) {rest} GROUP BY c, r ORDER BY c, r")
        return Scatter(x_edges, y_edges, tuple(Cell(*cell) for cell in cells), count, total - count)

    def summary(self, features: Iterable[str] | None = None, where: str = "") -> Iterator[Summary]:
        """Tell columns in short, one by one; of None all keys of records. Raises UsageError."""
        columns = self.chosen(features)
        total = self._count(where)
        for column in columns:
            if features is not None or column.name not in OWN:
                yield self._in_short(column, where, total)

    def _in_short(self, column: Column, where: str, total: int) -> Summary:
        sql, of = self._scope(where, column.name)
        found = self._ask(f"SELECT count({self._raw[column.name]}) {of} WHERE ({sql})")
        count = found[0][0] if found else 0
        short = Summary(column, count, total - count)
        numbers, low, high, mean = self._bounds(column.name, where)
        if numbers:
            short = msgspec.structs.replace(
                short,
                minimum=low,
                quartiles=self._quartiles(column.name, where, numbers),
                maximum=high,
                mean=mean,
                histogram=self._binned(column.name, BINS, where, (low, high), total - numbers),
            )
        if column.kind != "number":
            labels = self._labels(column, where)
            frequent = sorted(labels.items(), key=lambda each: (-each[1], each[0]))[:_FREQUENT]
            short = msgspec.structs.replace(
                short, frequent=tuple(Label(*each) for each in frequent), distinct=len(labels)
            )
        return short

    def _count(self, where: str) -> int:
        """Count the folders that meet a condition."""
        sql, of = self._scope(where)
        found = self._ask(f"SELECT count(*) {of} WHERE ({sql})")
        return int(found[0][0]) if found else 0

    def _bounds(self, feature: str, where: str) -> tuple[int, float, float, float]:
        """Count the numbers of a column; with the least, the largest, and the mean of them."""
        raw = self._raw[feature]
        found = self._ask(f"SELECT count(*), min({raw}), max({raw}), avg({raw}) {self._rest(where, feature)}")
        count, low, high, mean = found[0] if found else (0, 0.0, 0.0, 0.0)
        return (count, low, high, mean) if count else (0, 0.0, 0.0, 0.0)

    def _binned(self, feature: str, bins: int, where: str, bounds: tuple[float, float], missing: int) -> Histogram:
        edges = _edges(*bounds, bins)
        place = _place_in(self._raw[feature], edges)
        counts: Mapping[int, int] = dict(
            self._ask(f"SELECT {place} AS place, count(*) {self._rest(where, feature)} GROUP BY place")
        )
        return Histogram(edges, tuple(counts.get(each, 0) for each in range(bins)), missing)

    def _quartiles(self, feature: str, where: str, count: int) -> tuple[float, float, float]:
        raw = self._raw[feature]
        statement = f"SELECT {raw} {self._rest(where, feature)} ORDER BY {raw} LIMIT 1 OFFSET ?"
        one, two, three = (self._ask(statement, ((count - 1) * quarter // 4,))[0][0] for quarter in (1, 2, 3))
        return one, two, three

    def _labels(self, column: Column, where: str) -> Counter[str]:
        """Count how often each text, flag, or label of a mapping is there."""
        counted: Counter[str] = Counter()
        if column.kind == "mapping":
            for (labels,) in self.rows(Query((column.name,), where)):
                if isinstance(labels, dict) and len(counted) < _MOST_LABELS:
                    counted.update(labels.keys())
            return counted
        sql, of = self._scope(where, column.name)
        what = f"{self._raw[column.name]} AS label, count(*)"
        for label, times in self._ask(
            f"SELECT {what} {of} WHERE ({sql}) AND label IS NOT NULL GROUP BY label LIMIT ?", (_MOST_LABELS,)
        ):
            counted[_label(label)] += times
        return counted

    def _rest(self, where: str, *features: str) -> str:
        """Give the rest of a statement over the folders that meet a condition and have numbers in these columns."""
        sql, of = self._scope(where, *features)
        numbers = "".join(f" AND typeof({self._raw[feature]}) IN ('integer', 'real')" for feature in features)
        return f"{of} WHERE ({sql}){numbers}"


def _label(stored: object) -> str:
    match stored:
        case b"0" | b"1":
            return "true" if stored == b"1" else "false"
        case bytes():
            return stored.decode()
    return str(stored)


def _edges(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Give the bounds of `bins` of one width between two numbers, which may be the same, or the largest there are."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    return tuple(low * (1 - place / bins) + high * (place / bins) for place in range(bins + 1))


def _place_in(raw: str, edges: tuple[float, ...]) -> str:
    """Give the SQL that finds in which bin a number lies; halved, so that no difference is beyond all numbers."""
    low, high, bins = edges[0] / 2, edges[-1] / 2, len(edges) - 1
    share = f"({raw} / 2.0 - {low!r}) / ({high - low!r})"
    return f"max(0, min({bins - 1}, coalesce(CAST({share} * {bins} AS INTEGER), 0)))"
