"""Values of records in SQLite: a table for each dataset, with a row for each folder and a column for each key.

The catalog has such tables, written with the sightings; where no service knows a dataset, a temporary database is
filled from the records on disk. What people may ask of them is in `results`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from math import isfinite
from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Raw

from audiobatchd.core import provenance
from audiobatchd.core.readings import Finding
from audiobatchd.disk import members
from audiobatchd.vocabulary.names import folder_shown

SCHEMA = """
CREATE TABLE IF NOT EXISTS value_table (
    number INTEGER PRIMARY KEY,
    dataset BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS value_key (
    number INTEGER NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    kinds INTEGER NOT NULL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
"""
"""The tables of datasets, and the keys of their records. The values of dataset 3 are in `values_3`, whose column `v0`
has those of the key at place 0: names of keys come from other programs, and stand in no statement."""

FOLDER, STATE, WHY = "folder", "state", "why"
OWN = (FOLDER, STATE, WHY)
"""Columns that are no keys of records; a key of such a name, in any letter case, is left out."""

MOST_KEYS = 1000
"""Number of keys that a dataset may have here: SQLite has 2,000 columns at most. Later ones are left out."""
LONGEST_KEY = 200
"""Bytes of a key; longer ones are left out."""
LARGEST_VALUE = 16 << 10
"""Bytes of a value as it is written; larger ones are left out."""

LARGEST_ROW = 2 << 20
"""Length of all texts, lists and mappings of a record together; what is beyond is left out. Some hundred records are
in memory at once."""

Stored = float | int | str | bytes | None
"""A value as SQLite has it: a flag is `b"0"` or `b"1"`, a mapping its JSON in bytes, a list its JSON as text."""

_CREATE = """
CREATE TABLE values_{} (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    shown TEXT,
    state TEXT NOT NULL,
    why TEXT NOT NULL
)
"""
_PUT = "INSERT OR REPLACE INTO values_{} (path, shown, state, why{}) VALUES (?{})"
_DROP = "DELETE FROM values_{} WHERE path = ?"
_STATES = {Finding.COMPLETE: "complete", Finding.FAILED: "failed", Finding.BLOCKED: "blocked"}
_DUE = "incomplete"
_LARGEST_INTEGER = (1 << 63) - 1
_decode = msgspec.json.Decoder().decode
_KEPT_BACK = frozenset(OWN)


class Kind(IntFlag):
    """Kinds of values that were met under one key."""

    NUMBER = 1
    TEXT = 2
    FLAG = 4
    MAPPING = 8


_FLAGS = (b"0", b"1")
_KINDS: Mapping[type, Kind] = {float: Kind.NUMBER, int: Kind.NUMBER, str: Kind.TEXT}


class Key(NamedTuple):
    """A key of records, with the column that has its values."""

    name: str
    """The key, as records have it."""
    place: int
    """Number of its column, from 0."""
    kinds: Kind
    """All kinds of values that it was met with."""

    @property
    def column(self) -> str:
        """The name of the column."""
        return f"v{self.place}"


class _Kept(Enum):
    OUT = 0


LEFT_OUT: Final = _Kept.OUT
"""Stands for a value that is there and has no place here: it is too large, or cannot be understood."""
Decoded = Mapping[str, Stored | Literal[_Kept.OUT]]
"""The values of one record by key; None where a value counts as missing."""


def decoded(written: Mapping[str, bytes | Raw]) -> Decoded:
    """Decode the values of a record as they are written: each once, for the judgement of a folder and for its row."""
    found = {key: LEFT_OUT if key == provenance.KEY else stored(raw) for key, raw in written.items()}
    if len(found) * LARGEST_VALUE > LARGEST_ROW:
        room = LARGEST_ROW
        for key, value in found.items():
            if isinstance(value, str | bytes):
                room -= len(value)
                if room < 0:
                    found[key] = LEFT_OUT
    return found


def stored(raw: bytes | Raw) -> Stored | Literal[_Kept.OUT]:
    """Make of a value as it is written what the table has; None where it counts as missing, see `is_nothing`."""
    try:
        value = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _stored_by_hand(bytes(raw))
    kind = type(value)
    if kind is float:  # by far the most frequent ones; msgspec gives finite ones alone
        number: float = value
        return number
    if kind is int:
        return _number(value)
    if kind is bool:
        return b"1" if value else b"0"
    if value is None:
        return None
    return LEFT_OUT if len(bytes(raw)) > LARGEST_VALUE else _text(value)


def _stored_by_hand(written: bytes) -> Stored | Literal[_Kept.OUT]:
    """Make the same of what is no JSON for msgspec."""
    if members.is_nothing(written):
        return None
    if len(written) > LARGEST_VALUE:
        return LEFT_OUT
    try:
        value = members.decoded(written)
    except (ValueError, RecursionError):
        return LEFT_OUT
    return _number(value) if isinstance(value, int | float) else _text(value)


def _number(value: float) -> float | None:
    """A number that SQLite can have: of more than 64 bits the nearest with a fraction."""
    if -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
        return value
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _text(value: object) -> Stored | Literal[_Kept.OUT]:
    """A text, or the JSON of what is made of several values."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    try:
        text = msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):  # half a character, or too deep
        return LEFT_OUT
    return text if isinstance(value, dict) else text.decode()


class Found(NamedTuple):
    """A track folder as a look has found it."""

    path: str
    """The path below the dataset's root."""
    finding: Finding
    """Whether anything is due in it, or it is blocked."""
    why: str
    """Reasons why it failed or is blocked."""
    values: Decoded
    """The record; empty where it cannot be read."""


@dataclass
class _Table:
    """The table of one dataset, as it was when it was last written."""

    number: int
    """Number of its dataset, by which it is called."""
    places: dict[str, int] = field(default_factory=dict)
    """The keys that have a column."""
    kinds: list[Kind] = field(default_factory=list)
    """The kinds of their values, by place."""
    statement: str = ""
    """Puts a row."""

    def prepare(self) -> None:
        """Make the statement for the columns that there are."""
        names = "".join(f", v{place}" for place in range(len(self.kinds)))
        marks = ", ?" * (len(self.kinds) + 3)
        self.statement = _PUT.format(self.number, names, marks)


class ValueTables:
    """Writes the tables of one database, and knows their columns. Called by one thread at a time."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        """The database to which the tables below belong."""
        self._tables: dict[bytes, _Table] = {}

    def put(self, connection: sqlite3.Connection, dataset: str, found: Iterable[Found]) -> None:
        """Put these folders into the table of `dataset`, in place of what it has of them. Raises sqlite3.Error.

        Where the transaction fails later, `forget` has to follow.
        """
        try:
            table = self._table(connection, os.fsencode(dataset))
            rows = [self._row(connection, table, each) for each in found]
            width = len(table.kinds) + 4
            for row in rows:
                row.extend([None] * (width - len(row)))
            connection.executemany(table.statement, rows)
        except BaseException:
            self.forget()
            raise

    def forget(self) -> None:
        """Look up all tables anew: those and columns that were taken back with their transaction are no more."""
        self._connection = None

    def drop(self, connection: sqlite3.Connection, dataset: str, paths: Sequence[str]) -> None:
        """Remove these folders. Raises sqlite3.Error."""
        if (number := number_of(connection, dataset)) is not None:
            rows = [(os.fsencode(path),) for path in paths]
            connection.executemany(_DROP.format(number), rows)

    def rename(self, connection: sqlite3.Connection, old: str, new: str) -> None:
        """Have what is known of `old` be known of `new`. Raises sqlite3.Error."""
        self._connection = None
        if number_of(connection, old) is not None:
            self.remove(connection, new)
            names = os.fsencode(new), os.fsencode(old)
            connection.execute("UPDATE value_table SET dataset = ? WHERE dataset = ?", names)

    def remove(self, connection: sqlite3.Connection, dataset: str) -> None:
        """Remove the whole table of a dataset. Raises sqlite3.Error."""
        self._connection = None
        if (number := number_of(connection, dataset)) is not None:
            connection.execute("DELETE FROM value_table WHERE number = ?", (number,))
            connection.execute("DELETE FROM value_key WHERE number = ?", (number,))
            connection.execute(f"DROP TABLE values_{number}")

    def _table(self, connection: sqlite3.Connection, dataset: bytes) -> _Table:
        if self._connection is not connection:
            self._connection, self._tables = connection, {}
        table = self._tables.get(dataset)
        if table is None:
            table = self._tables[dataset] = _opened(connection, dataset)
        return table

    def _row(self, connection: sqlite3.Connection, table: _Table, found: Found) -> list[Stored]:
        """Make the row of a folder, as long as its last value takes; for keys that are new, columns are added."""
        path = os.fsencode(found.path)
        row: list[Stored] = [path, shown_at(path), _STATES.get(found.finding, _DUE), in_utf_8(found.why)]
        row.extend([None] * len(table.kinds))
        places, kinds, kind_of = table.places, table.kinds, _KINDS.get
        for key, value in found.values.items():
            if value is None or value is LEFT_OUT:
                continue
            place = places.get(key)
            if place is None and (not _is_kept(key) or len(kinds) >= MOST_KEYS):
                continue
            kind = kind_of(type(value)) or (Kind.FLAG if value in _FLAGS else Kind.MAPPING)
            if place is None:
                place = _add_column(connection, table, key, kind)
                row.append(None)
            elif kind is not kinds[place] and not kinds[place] & kind:
                kinds[place] |= kind
                values = int(kinds[place]), table.number, place
                connection.execute("UPDATE value_key SET kinds = ? WHERE number = ? AND place = ?", values)
            row[place + 4] = value
        return row


def shown_at(path: bytes) -> str | None:
    """Give the name under which a folder is shown; None where that is its path as it is."""
    shown = folder_shown(os.fsdecode(path))
    return None if shown.encode() == path else shown


def in_utf_8(text: str) -> str:
    """Escape what no database takes: halves of characters, of which odd names of files are made."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def number_of(connection: sqlite3.Connection, dataset: str) -> int | None:
    """Look up the number of the table of a dataset; None where it has none. Raises sqlite3.Error."""
    found = connection.execute("SELECT number FROM value_table WHERE dataset = ?", (os.fsencode(dataset),)).fetchone()
    return int(found[0]) if found else None


def keys_in(connection: sqlite3.Connection, number: int) -> list[Key]:
    """Look up the keys that have a column in a table. Raises sqlite3.Error."""
    query = "SELECT name, place, kinds FROM value_key WHERE number = ? ORDER BY place"
    return [Key(name, place, Kind(kinds)) for name, place, kinds in connection.execute(query, (number,))]


def _opened(connection: sqlite3.Connection, dataset: bytes) -> _Table:
    """Look up the table of a dataset, or make it."""
    name = os.fsdecode(dataset)
    number = number_of(connection, name)
    if number is None:
        number = connection.execute("INSERT INTO value_table (dataset) VALUES (?)", (dataset,)).lastrowid or 0
        connection.execute(_CREATE.format(number))
    keys = keys_in(connection, number)
    table = _Table(number, {key.name: key.place for key in keys}, [key.kinds for key in keys])
    table.prepare()
    return table


def _is_kept(key: str) -> bool:
    """Tell whether a key may have a column."""
    if key == provenance.KEY or key.lower() in _KEPT_BACK:
        return False
    try:
        return 0 < len(key.encode()) <= LONGEST_KEY and "\0" not in key
    except UnicodeEncodeError:  # half a character
        return False


def _add_column(connection: sqlite3.Connection, table: _Table, key: str, kind: Kind) -> int:
    place = len(table.kinds)
    connection.execute("INSERT INTO value_key VALUES (?, ?, ?, ?)", (table.number, place, key, int(kind)))
    connection.execute(f"ALTER TABLE values_{table.number} ADD COLUMN v{place}")
    table.places[key] = place
    table.kinds.append(kind)
    table.prepare()
    return place
