"""Conditions: what is no plain expression over columns is refused, in words; what takes too long is ended."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress

import pytest

from audiobatchd.errors import UsageError
from audiobatchd.results.condition import LONGEST, Guard, in_words, parsed

COLUMNS = {"bpm": "t.v0", "key": "t.v1", "odd name": "t.v2", "folder": "t.path"}


@pytest.mark.parametrize(
    ("text", "sql", "columns"),
    [
        ("bpm > 120 and key = 'C'", "t.v0 > 120 and t.v1 = 'C'", {"bpm", "key"}),
        ("BPM is not null or \"odd name\" <> 'it''s'", "t.v0 is not null or t.v2 <> 'it''s'", {"bpm", "odd name"}),
        ("round(bpm) in (1, 2e3, .5, 0x1f)", "round(t.v0) in (1, 2e3, .5, 0x1f)", {"bpm"}),
        ("key ->> '$.Rock' > 0.5", "t.v1 ->> '$.Rock' > 0.5", {"key"}),
        ("case when bpm between 1 and 2 then true else false end", None, {"bpm"}),
        ("'select hex(1) -- ; \" bmp' = key", None, {"key"}),
    ],
)
def test_columns_are_found_and_replaced(text: str, sql: str | None, columns: set[str]) -> None:
    made = parsed(text, COLUMNS)
    assert made.columns == columns
    assert sql is None or made.sql == sql


@pytest.mark.parametrize(
    "text",
    [
        "(select 1)",
        "bpm in (select 1 from sqlite_master)",
        "exists(select 1)",
        "1) union select 1 --",
        "1) or (1",
        "bpm > 1; drop table folder",
        "bpm > 1 -- and nothing else",
        "bpm > 1 /* */",
        "bpm in sqlite_master",
        "bpm in values_1",
        "bpm in json_each('[1]')",
        "t.v0 > 1",
        "t",
        "rowid > 1",
        "bpm > ?",
        "bpm > ?1",
        "bpm > :x",
        "bpm > @x",
        "bpm > $x",
        "hex(zeroblob(2e8)) > ''",
        "randomblob(2000000000) > ''",
        "load_extension('x')",
        "printf('%1000000000d', 1)",
        "format('%1000000000d', 1)",
        "replace(key, '', key)",
        "group_concat(key)",
        "quote(key)",
        "char(1)",
        "fts3_tokenizer('x')",
        "with x as (select 1) select 1",
        "values (1)",
        "raise(ignore)",
        "pragma_table_info('x')",
        "writefile('x', 'y')",
        "bpm match 'x'",
        "bpm regexp 'x'",
        "bpm collate nothing",
        "sum(bpm) over ()",
        "bpm > 1)",
        "((bpm > 1)",
        "bpm > 'x",
        'bpm > "x',
        "bpm > \\x00",
        "bpm > 1\0",
        "key = 'a\0'",
        "key = 'caf\udce9'",
        "key = '\ud800'",
        " ",
        "()" * LONGEST,
    ],
)
def test_what_is_no_plain_expression_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parsed(text, COLUMNS)


def test_unknown_column_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r'^cannot find the column "bmp": did you mean "bpm"\?'):
        parsed("bmp > 120", COLUMNS)


def test_column_that_no_record_has_is_told_as_such() -> None:
    with pytest.raises(UsageError, match=r'^cannot find the column "loudness": no record has it; '):
        parsed("loudness > 120", COLUMNS)


def test_text_in_double_quotes_is_no_text() -> None:
    with pytest.raises(UsageError, match="a text stands in single quotes"):
        parsed('key = "C major"', COLUMNS)


@pytest.mark.parametrize(("text", "said"), [("bpm >", "it ends too early"), ("(bpm) 3", 'near "3": syntax error')])
def test_unfinished_condition_is_told_in_its_own_words(text: str, said: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.Error) as failed:
        connection.execute(f"SELECT 1 FROM (SELECT 1 AS bpm) WHERE ({text})")  # noqa: S608  # texts of this test
    assert str(in_words(failed.value, text)).endswith(f": {said}")


def test_refused_function_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"there is no function hex in it; there are: abs, "):
        parsed("hex(key)", COLUMNS)


@pytest.fixture
def guarded() -> Guard:
    """A guarded database with an open and a shut table."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        "CREATE TABLE values_1 (v0, v1); CREATE TABLE secret (v0);"
        "INSERT INTO values_1 VALUES (1, replace(hex(zeroblob(8000)), '0', 'ab'));"
    )
    return Guard(connection, {"values_1"}, patience=0.5)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM secret",
        "SELECT * FROM sqlite_master",
        "SELECT hex(v0) FROM values_1",
        "SELECT load_extension('x')",
        "INSERT INTO values_1 VALUES (1, 2)",
        "DELETE FROM values_1",
        "DROP TABLE values_1",
        "CREATE TEMP TABLE more (x)",
        "ATTACH '/etc/passwd' AS x",
        "PRAGMA query_only = 0",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT * FROM json_each('[1]')",
    ],
)
def test_sqlite_itself_refuses_the_rest(guarded: Guard, statement: str) -> None:
    with pytest.raises(sqlite3.Error):
        guarded.rows(statement)


def test_what_takes_too_long_is_ended(guarded: Guard) -> None:
    endless = "SELECT count(*) FROM values_1 AS a, values_1 AS b, values_1 AS c, values_1 AS d, values_1 AS e, values_1"
    guarded._connection.set_authorizer(None)
    guarded._connection.execute("PRAGMA query_only = 0")
    guarded._connection.executemany("INSERT INTO values_1 VALUES (?, 1)", [(each,) for each in range(200)])
    with pytest.raises(sqlite3.OperationalError, match="interrupted") as raised:
        guarded.rows(endless)
    assert "it takes more than" in str(in_words(raised.value, "1"))
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        guarded.rows(endless)


def test_ctrl_c_is_not_taken_for_too_long(guarded: Guard) -> None:
    def pressed() -> int:
        raise KeyboardInterrupt

    guarded._connection.set_progress_handler(pressed, 1)  # where SQLite has it nearly always
    for ask in (guarded.rows, guarded.numbers):
        with pytest.raises(KeyboardInterrupt):
            ask("SELECT count(*) FROM values_1")


@pytest.mark.parametrize(
    "sql",
    [
        "v1 LIKE '" + "%b_a" * 24 + "%zz'",
        "v1 GLOB '" + "*b?a" * 24 + "*zz'",
        " || ".join(["v1"] * 190) + " > ''",
        "(" * 150 + "v0" + ")" * 150,
        "instr(v1, v1 || 'x') + length(v1 || v1)",
        "v0 in (" + ",".join(["1"] * 3000) + ")",
    ],
)
def test_bombs_cost_little(guarded: Guard, sql: str) -> None:
    started = time.thread_time()
    with suppress(sqlite3.Error):
        guarded.rows(f"SELECT 1 FROM values_1 WHERE {sql}")  # noqa: S608  # that is what is tried
    assert time.thread_time() - started < 5
