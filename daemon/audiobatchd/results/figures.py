"""Columns in short: counts, quartiles, the most frequent labels, and numbers in bins, as pictures take them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import msgspec

from audiobatchd.control.results import Cell, Column, Histogram, Label, Scatter, Summary
from audiobatchd.results.query import Rows
from audiobatchd.scan.values import OWN, Kind

BINS, SCATTER_BINS = 32, 64
"""Number of bins where none is told: of a histogram, and in each direction of a scatter."""
_FREQUENT = 10
"""Number of labels that are told."""
_LABEL = "CASE {0} WHEN x'30' THEN 'false' WHEN x'31' THEN 'true' ELSE CAST({0} AS TEXT) END"
"""Makes the label of a text, a flag, or a number among them."""


class Results(Rows):
    """The values of one dataset: rows, and columns in short."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def histogram(self, feature: str, bins: int = BINS, where: str = "") -> Histogram:
        """Count the numbers of a column in `bins` of one width. Raises UsageError for what cannot be asked."""
        self.chosen((feature,))
        sql, of = self._begun(where)
        numbers = self._ask_numbers(f"SELECT {self._raw[feature]} {of} WHERE ({sql}) AND {self._is_number(feature)}")
        return _binned(numbers, bins, self._count(sql, of))

    def scatter(self, x: str, y: str, bins: int = SCATTER_BINS, where: str = "") -> Scatter:
        """Count folders by two numbers, in `bins` by `bins` rectangles. Raises UsageError for what cannot be asked."""
        self.chosen((x, y))
        sql, of = self._begun(where)
        first, second = self._raw[x], self._raw[y]
        total = self._count(sql, of)
        rest = f"{of} WHERE ({sql}) AND {self._is_number(x)} AND {self._is_number(y)}"
        found = self._ask(f"SELECT count(*), min({first}), max({first}), min({second}), max({second}) {rest}")
        if not found or not found[0][0]:
            return Scatter((), (), (), 0, total)
        count, left, right, low, high = found[0]
        x_edges, y_edges = _edges(left, right, bins), _edges(low, high, bins)
        places = f"{_place_in(first, x_edges)} AS c, {_place_in(second, y_edges)} AS r"
        cells = self._ask(f"SELECT {places}, count(*) {rest} GROUP BY c, r ORDER BY c, r")
        return Scatter(x_edges, y_edges, tuple(Cell(*cell) for cell in cells), count, total - count)

    def summary(self, features: Iterable[str] | None = None, where: str = "") -> Iterator[Summary]:
        """Tell columns in short, one by one; of None all keys of records. Raises UsageError."""
        for column in self.chosen(features):
            if features is not None or column.name not in OWN:
                yield self._in_short(column, where)

    def _in_short(self, column: Column, where: str) -> Summary:
        sql, of = self._begun(where)
        raw = self._raw[column.name]
        total, count = self._count(sql, of), self._count(f"({sql}) AND {raw} IS NOT NULL", of)
        short = Summary(column, count, total - count)
        rest = f"{of} WHERE ({sql}) AND {self._is_number(column.name)} ORDER BY {raw}"
        if numbers := self._ask_numbers(f"SELECT {raw} {rest}"):
            last = len(numbers) - 1
            short = msgspec.structs.replace(
                short,
                minimum=numbers[0],
                quartiles=tuple(numbers[last * quarter // 4] for quarter in (1, 2, 3)),
                maximum=numbers[-1],
                mean=sum(number / len(numbers) for number in numbers),  # the sum alone may be beyond all numbers
                histogram=_binned(numbers, BINS, total),
            )
        if column.kind != "number":
            frequent, distinct = self._labels(column, where)
            short = msgspec.structs.replace(short, frequent=frequent, distinct=distinct)
        return short

    def _count(self, sql: str, of: str) -> int:
        """Count the folders that meet a condition."""
        found = self._ask(f"SELECT count(*) {of} WHERE ({sql})")
        return int(found[0][0]) if found else 0

    def _labels(self, column: Column, where: str) -> tuple[tuple[Label, ...], int]:
        """Count texts, flags, or the labels of mappings: the most frequent ones, and how many different ones there are.

        SQLite counts, which takes the temporary disk for what is beyond its memory.
        """
        sql, of = self._scope(where)
        raw = self._raw[column.name]
        label = raw if column.name in OWN else _LABEL.format(raw)
        if column.kind == "mapping":
            label, of = "m.key", f"{of}, json_each(CAST({raw} AS TEXT)) AS m"
        what = f"{label} AS label, count(*), count(*) OVER () {of}"  # the latter is the number of groups
        most = f"GROUP BY label ORDER BY count(*) DESC, label LIMIT {_FREQUENT}"
        found = self._ask(f"SELECT {what} WHERE ({sql}) AND {raw} IS NOT NULL {most}")
        return tuple(Label(label, times) for label, times, _ in found), found[0][2] if found else 0

    def _is_number(self, feature: str) -> str:
        """Give the condition that a column has a number."""
        raw = self._raw[feature]
        key = self._keys.get(feature)
        return f"{raw} IS NOT NULL" if key and key.kinds == Kind.NUMBER else f"typeof({raw}) IN ('integer', 'real')"


def _binned(numbers: Sequence[float], bins: int, total: int) -> Histogram:
    """Count numbers in bins of one width; halved, so that no difference is beyond all numbers."""
    if not numbers:
        return Histogram((), (), total)
    edges = _edges(min(numbers), max(numbers), bins)
    low, width = edges[0] / 2, (edges[-1] / 2 - edges[0] / 2) or 1.0
    counted = Counter([int((number / 2 - low) / width * bins) for number in numbers])
    counts = [counted[place] for place in range(bins)]
    counts[-1] += sum(counted[place] for place in counted if place >= bins)
    return Histogram(edges, tuple(counts), total - len(numbers))


def _edges(low: float, high: float, bins: int) -> tuple[float, ...]:
    """Give the bounds of `bins` of one width between two numbers, which may be the same, or the largest there are."""
    if low == high:
        low, high = low - 0.5, high + 0.5
    return tuple(low * (1 - place / bins) + high * (place / bins) for place in range(bins + 1))


def _place_in(raw: str, edges: tuple[float, ...]) -> str:
    """Give the SQL that finds in which bin a number lies, as `_binned` does."""
    low, high, bins = edges[0] / 2, edges[-1] / 2, len(edges) - 1
    share = f"({raw} / 2.0 - {low!r}) / ({high - low!r})"
    return f"max(0, min({bins - 1}, coalesce(CAST({share} * {bins} AS INTEGER), 0)))"
