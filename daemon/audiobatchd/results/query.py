"""Questions about the values of a dataset: rows by columns, a condition and an order; and columns in short or in bins.

Rows come in a fixed order and in parts of some hundred, so that memory stays bounded and no transaction lasts longer
than a part: what changes meanwhile may be seen or not.
"""

from __future__ import annotations

import re
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from audiobatchd.control.results import Column, Kind, Query, Row, Value
from audiobatchd.errors import UsageError
from audiobatchd.results import condition, states
from audiobatchd.results.condition import Guard
from audiobatchd.results.states import States
from audiobatchd.scan import values
from audiobatchd.scan.values import FOLDER, STATE, WHY, Key
from audiobatchd.vocabulary.meanings import meaning_of

_PART = 400
"""Number of rows that are fetched at once, at most."""
_ROOM = 64 << 20
"""Bytes that the texts and mappings of these may have together."""
_ROOM_OF_PAGE = 4 << 20
"""The same of one page, which is encoded as a whole; a single row has less."""
_MENTIONS_STATE = re.compile(rf"\b({STATE}|{WHY})\b", re.IGNORECASE)
_OWN: tuple[Column, ...] = (
    Column(FOLDER, "text", "", "the track folder, below the dataset"),
    Column(STATE, "text", "", "as the service has it; without a service: complete, incomplete, or blocked"),
    Column(WHY, "text", "", "why it failed, is blocked, or waits"),
)
_ID, _PATH = "t.id", "t.path"
_FOUND = "t.state", "t.why"
"""The state of a folder, and why, as the last look has found them."""
_NOW = f"coalesce({states.STATE_NOW}(t.path), t.state)", f"{states.WHY_NOW}(t.path)"
"""The same as the service has them at this moment; a folder that it has just forgotten is told as it was found."""
_PLAIN = (
    "CASE typeof({0}) WHEN 'blob' THEN CASE {0} WHEN x'30' THEN 0 WHEN x'31' THEN 1 ELSE CAST({0} AS TEXT) END "
    "ELSE {0} END"
)
"""Makes a number of a flag, and text of a mapping, for conditions."""
_decode = msgspec.json.Decoder().decode


def mentions_state(words: Iterable[str]) -> bool:
    """Tell whether names of columns or a condition may ask for the state of folders, which records do not have."""
    return any(_MENTIONS_STATE.search(word) for word in words)


class Rows:
    """The rows of one dataset in an open database, which nothing else may use; closed by `close`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        dataset: str,
        *,
        live: States | None = None,
    ) -> None:
        """`live` are the states of folders as a service has them; None: as they were found. Raises sqlite3.Error."""
        self._connection = connection
        self._number = values.number_of(connection, dataset)
        self._keys: dict[str, Key] = {}
        """The keys that have a column, by name, in the order of names."""
        if self._number is not None:
            self._keys = {key.name: key for key in sorted(values.keys_in(connection, self._number))}
        self._table = states.install(connection, live, self._number) if live else f"values_{self._number}"
        """The table of all folders, or the subquery that has them."""
        state, why = _NOW if live else _FOUND
        self._raw = {FOLDER: "coalesce(t.shown, CAST(t.path AS TEXT))", STATE: state, WHY: why}
        """SQL that stands for each column, as its values are stored."""
        self._raw |= {key.name: f"t.{key.column}" for key in self._keys.values()}
        self._plain = {
            name: f"({_PLAIN.format(raw) if self._is_odd(name) else raw})" for name, raw in self._raw.items()
        }
        """SQL that stands for each column in conditions, by its name, and by that in lower case where no other column
        has it: the first of those alike."""
        for name, plain in list(self._plain.items()):
            self._plain.setdefault(name.lower(), plain)
        connection.execute("SELECT 1 FROM json_each('[]')")  # SQLite sets it up at its first use: not under the guard
        self._guard = Guard(connection, {f"values_{self._number}", states.UNLISTED, "json_each"})
        self._asked = ""
        """The condition that is asked for."""
        self._columns: tuple[Column, ...] | None = None

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def columns(self) -> tuple[Column, ...]:
        """List `folder`, `state`, `why`, and the keys that any record has, by name. Raises UsageError."""
        if self._columns is None:
            kinds = ((key, self._kind(key)) for key in self._keys.values())
            keys = (Column(key.name, kind, *meaning_of(key.name)) for key, kind in kinds if kind)
            self._columns = (*_OWN, *keys)
        return self._columns

    def chosen(self, names: Iterable[str] | None) -> tuple[Column, ...]:
        """List the columns of these names; of None all but `state` and `why`. Raises UsageError for an unknown one."""
        there = {column.name: column for column in self.columns()}
        if names is None:
            return tuple(column for name, column in there.items() if name not in (STATE, WHY))
        chosen = []
        for name in names:
            if name not in there:
                raise UsageError(condition.no_column(name, there))
            chosen.append(there[name])
        return tuple(chosen)

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield a row for each folder that meets the condition. Raises UsageError for what cannot be asked."""
        for part in self.parts(query, value_of):
            yield from part

    def parts(self, query: Query, made: Callable[[bytes], Any]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows, some at once; of a flag or a mapping, as it is stored, what `made` makes of it."""
        columns = self.chosen(query.columns)
        order = self._order(query.sort)
        where, of = self._begun(query.where)
        raw = [self._raw[column.name] for column in columns]
        odd = [place for place, column in enumerate(columns) if self._is_odd(column.name)]
        length = self._length_of_part(columns)
        parts = self._sorted(raw, where, of, order, length) if order else self._by_folder(raw, where, of, length)
        for part in _limited(parts, query.limit):
            yield [_changed(row, odd, made) for row in part] if odd else part

    def page(self, query: Query, search: str, offset: int) -> tuple[list[Row], int]:
        """Give the rows behind the first `offset` ones, and the number of all whose folder's name contains `search`.

        Raises UsageError for what cannot be asked, and where these rows are too large for one page.
        """
        columns = self.chosen(query.columns)
        order = self._order(query.sort) or _PATH
        where, of = self._begun(query.where)
        # Not LIKE, whose wildcards stand in names as well.
        rest = f"{of} WHERE ({where}) AND (?1 = '' OR instr(lower({self._raw[FOLDER]}), lower(?1)))"
        counted = self._ask(f"SELECT count(*) {rest}", (search,))
        what = ", ".join(self._raw[column.name] for column in columns)
        bound = search, -1 if query.limit is None else query.limit, offset
        rows = self._ask(f"SELECT {what} {rest} ORDER BY {order} LIMIT ?2 OFFSET ?3", bound, _ROOM_OF_PAGE)
        odd = [place for place, column in enumerate(columns) if self._is_odd(column.name)]
        return [_changed(row, odd, value_of) for row in rows], counted[0][0] if counted else 0

    def _length_of_part(self, columns: Iterable[Column]) -> int:
        """Give the number of rows of these columns that may be fetched at once: records may have very long values."""
        wide = values.Kind.TEXT | values.Kind.MAPPING
        keys = (self._keys[column.name] for column in columns if column.name in self._keys)
        longest = values.LARGEST_VALUE * sum(bool(key.kinds & wide) for key in keys)
        return max(1, min(_PART, _ROOM // longest)) if longest else _PART

    def _by_folder(self, raw: list[str], where: str, of: str, length: int) -> Iterator[list[tuple[Any, ...]]]:
        latest: object = -1  # less than every path: SQLite orders numbers before bytes
        what = ", ".join((_PATH, *raw))
        statement = f"SELECT {what} {of} WHERE t.path > ? AND ({where}) ORDER BY t.path LIMIT {length}"
        while rows := self._ask(statement, (latest,)):
            latest = rows[-1][0]
            yield [row[1:] for row in rows]

    def _sorted(self, raw: list[str], where: str, of: str, order: str, length: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield rows in another order than that of folders: the order is found at once, the rows part by part."""
        numbers = self._ask_numbers(f"SELECT t.id {of} WHERE ({where}) ORDER BY {order}", "q")
        what = ", ".join((_ID, *raw))
        for start in range(0, len(numbers), length):
            part = numbers[start : start + length]
            marks = ",".join("?" * len(part))
            rows = self._ask(f"SELECT {what} {of} WHERE t.id IN ({marks})", tuple(part))
            by_number = {row[0]: row[1:] for row in rows}
            yield [by_number[each] for each in part if each in by_number]

    def _scope(self, where: str) -> tuple[str, str]:
        """Make SQL of a condition, and of the table that it is about. Raises UsageError."""
        self._asked = where
        made = condition.parsed(where, self._plain) if where.strip() else condition.ALWAYS
        return made.sql, f"FROM {self._table} AS t"

    def _begun(self, where: str) -> tuple[str, str]:
        """Begin a question, which has all of the time that questions have; see `_scope`."""
        self._guard.begin()
        return self._scope(where)

    def _order(self, sort: Iterable[str]) -> str:
        order = []
        for each in sort:
            name = each if each in self._raw else each.removeprefix("-")
            if name not in self._raw:
                raise UsageError(condition.no_column(name, self._raw))
            raw = self._raw[name]
            order.append(f"{raw} {'DESC' if each != name else 'ASC'} NULLS LAST")
        return ", ".join([*order, _PATH]) if order else ""

    def _ask(self, statement: str, bound: tuple[object, ...] = (), room: int | None = None) -> list[tuple[Any, ...]]:
        """Execute a statement, see `Guard.rows`; no rows where the dataset has none. Raises UsageError."""
        if self._number is None:
            return []
        try:
            return self._guard.rows(statement, bound, room)
        except sqlite3.Error as error:
            raise condition.in_words(error, self._asked) from error

    def _ask_numbers(self, statement: str, kind: str = "d") -> array[Any]:
        """Execute a statement with one number in each row, see `Guard.numbers`. Raises UsageError."""
        if self._number is None:
            return array(kind)
        try:
            return self._guard.numbers(statement, kind)
        except sqlite3.Error as error:
            raise condition.in_words(error, self._asked) from error

    def _is_odd(self, name: str) -> bool:
        """Tell whether a column may have values that are stored otherwise than they are told."""
        return name in self._keys and bool(self._keys[name].kinds & (values.Kind.FLAG | values.Kind.MAPPING))

    def _kind(self, key: Key) -> Kind | None:
        """Tell what kind of values a key has now; None where it has none any more.

        Kinds that were met once may be gone, so where there are several each is looked for.
        """
        self._asked = ""
        column = f"t.{key.column}"
        kinds = [kind for kind in values.Kind if kind & key.kinds]
        there = [kind for kind in kinds if self._ask(_ANY.format(self._number, _IS[kind].format(column)))]
        match there:
            case []:
                return None
            case [kind]:
                return _NAMES[kind]
        return "number" if values.Kind.TEXT not in there and values.Kind.MAPPING not in there else "text"


_ANY = "SELECT 1 FROM values_{} AS t WHERE {} LIMIT 1"
_IS = {
    values.Kind.NUMBER: "typeof({0}) IN ('integer', 'real')",
    values.Kind.TEXT: "typeof({0}) = 'text'",
    values.Kind.FLAG: "{0} IN (x'30', x'31')",
    values.Kind.MAPPING: "typeof({0}) = 'blob' AND {0} NOT IN (x'30', x'31')",
}
_NAMES: Mapping[values.Kind, Kind] = {
    values.Kind.NUMBER: "number",
    values.Kind.TEXT: "text",
    values.Kind.FLAG: "flag",
    values.Kind.MAPPING: "mapping",
}


def _limited(parts: Iterator[list[tuple[Any, ...]]], limit: int | None) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the first rows alone."""
    left = limit
    while left is None or left > 0:
        part = next(parts, None)
        if part is None:
            return
        yield part if left is None else part[:left]
        left = None if left is None else left - len(part)


def value_of(stored: bytes) -> Value:
    """Make a flag or a mapping of what is stored of it."""
    if stored in (b"0", b"1"):
        return stored == b"1"
    mapping: dict[str, float | int | str | bool | None] = _decode(stored)
    return mapping


def _changed(row: tuple[Any, ...], odd: list[int], made: Callable[[bytes], Any]) -> tuple[Any, ...]:
    changed = list(row)
    for place in odd:
        if isinstance(changed[place], bytes):
            changed[place] = made(changed[place])
    return tuple(changed)
