"""Tables of values: a column for each key, as far as there is room, and what is rolled back leaves no trace."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from audiobatchd.core.readings import Finding
from audiobatchd.disk.record import Record
from audiobatchd.scan import values
from audiobatchd.scan.values import LEFT_OUT, Found, Kind, ValueTables, decoded, keys_in, number_of, stored


@pytest.fixture
def connection() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    made.executescript(values.SCHEMA)
    return made


def found(path: str, record: Mapping[str, object], finding: Finding = Finding.COMPLETE) -> Found:
    return Found(path, finding, "", decoded({key: Raw(msgspec.json.encode(value)) for key, value in record.items()}))


def rows(connection: sqlite3.Connection, dataset: str) -> list[tuple[object, ...]]:
    number = number_of(connection, dataset)
    query = f"SELECT * FROM values_{number} ORDER BY path"  # noqa: S608  # a number of ours
    return [row[1:] for row in connection.execute(query)]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1", 1), (b"-0.5", -0.5), (b"1e400", None), (b"NaN", None), (b"null", None),
        (b"9223372036854775808", 2.0**63),
        (b"true", b"1"), (b"false", b"0"), (b'"a"', "a"), (b'{"a": 1}', b'{"a":1}'), (b"[1, 2]", "[1,2]"),
        (b"{", LEFT_OUT), (b"-1e999", None),
        (b'"\xff"', "?"), (b'"' + b"x" * values.LARGEST_VALUE + b'"', LEFT_OUT),
    ],
)  # fmt: skip
def test_values_are_stored_by_their_kind(raw: bytes, value: object) -> None:
    assert stored(raw) == value


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.floats() | st.none() | st.text() | st.lists(st.none())))
def test_what_counts_as_missing_is_that_of_records(record: dict[str, object]) -> None:
    written = {key: json.dumps(value).encode() for key, value in record.items()}
    there = {key for key, value in decoded(written).items() if value is not None}
    assert there == Record(written).present()


def test_columns_come_with_the_keys(connection: sqlite3.Connection) -> None:
    tables = ValueTables()
    tables.put(connection, "/a", [found("A", {"x": 1}), found("B", {"y": "t", "x": None}), found("C", {"x": True})])
    tables.put(connection, "/b", [found("", {"z": 1}, Finding.DUE)])
    assert rows(connection, "/a") == [
        (b"A", None, "complete", "", 1, None),
        (b"B", None, "complete", "", None, "t"),
        (b"C", None, "complete", "", b"1", None),
    ]
    assert rows(connection, "/b") == [(b"", ".", "incomplete", "", 1)]
    assert keys_in(connection, 1) == [("x", 0, Kind.NUMBER | Kind.FLAG), ("y", 1, Kind.TEXT)]


def test_later_look_replaces_the_row(connection: sqlite3.Connection) -> None:
    tables = ValueTables()
    tables.put(connection, "/a", [found("A", {"x": 1, "y": 2})])
    tables.put(connection, "/a", [found("A", {"y": 3}, Finding.FAILED)])
    assert rows(connection, "/a") == [(b"A", None, "failed", "", None, 3)]
    tables.drop(connection, "/a", ["A", "B"])
    assert rows(connection, "/a") == []


def test_reason_with_an_odd_name_is_kept(connection: sqlite3.Connection) -> None:
    ValueTables().put(connection, "/a", [Found("A", Finding.FAILED, "full_mix.fl\udce9c: is empty, é", {})])
    assert rows(connection, "/a") == [(b"A", None, "failed", "full_mix.fl\\udce9c: is empty, é")]


def test_keys_beyond_the_bound_are_left_out(connection: sqlite3.Connection) -> None:
    tables = ValueTables()
    for start in range(0, values.MOST_KEYS + 100, 100):
        tables.put(connection, "/a", [found(f"f{start}", {f"k{start + n}": 1 for n in range(100)})])
    assert len(keys_in(connection, 1)) == values.MOST_KEYS
    tables.put(connection, "/a", [found("late", {"k1": 5, "new": 6})])
    assert connection.execute("SELECT v1 FROM values_1 WHERE path = ?", (b"late",)).fetchone() == (5,)


def test_column_that_was_rolled_back_is_made_again(connection: sqlite3.Connection) -> None:
    tables = ValueTables()
    tables.put(connection, "/a", [found("A", {"x": 1})])
    connection.commit()
    odd: object = object()
    refused = Found("C", Finding.DUE, "", {"x": odd})  # type: ignore[dict-item]  # SQLite refuses it
    with pytest.raises(sqlite3.Error), connection:
        tables.put(connection, "/a", [found("B", {"y": 1}), refused])
    tables.put(connection, "/a", [found("D", {"z": 2, "y": 3})])
    assert rows(connection, "/a")[1] == (b"D", None, "complete", "", None, 2, 3)


def test_dataset_can_be_renamed_and_removed(connection: sqlite3.Connection) -> None:
    tables = ValueTables()
    for name in ("/a", "/b"):
        tables.put(connection, name, [found(name, {"x": 1})])
    tables.rename(connection, "/a", "/b")
    tables.put(connection, "/b", [found("more", {"y": 1})])
    assert [row[0] for row in rows(connection, "/b")] == [b"/a", b"more"]
    tables.remove(connection, "/b")
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'values%'").fetchone() == (0,)
    assert number_of(connection, "/b") is None
