"""Conditions: expressions of SQL over columns, that people write, and the walls around what they may do.

The first wall is the text itself, which is taken apart: an expression of columns, of a few functions and words, and
nothing that ends it early. The second is SQLite's own: it asks at every table and function whether that is allowed, its
limits are low, and it is interrupted when its time is over.
"""

from __future__ import annotations

import re
import sqlite3
import time
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from audiobatchd.errors import UsageError
from audiobatchd.results.states import STATE_NOW, WHY_NOW
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.suggestions import did_you_mean

FUNCTIONS = frozenset(
    [
        "abs",
        "coalesce",
        "glob",
        "ifnull",
        "iif",
        "instr",
        "json_extract",
        "length",
        "like",
        "lower",
        "ltrim",
        "max",
        "min",
        "nullif",
        "round",
        "rtrim",
        "sign",
        "substr",
        "trim",
        "typeof",
        "upper",
    ]
)
"""Functions that may be used: none makes more of what it is given, or takes long for it."""
_OWN_FUNCTIONS = FUNCTIONS | {"->", "->>", "avg", "count", "total", STATE_NOW, WHY_NOW}
"""With those that operators stand for, and those of this room's own statements."""

LONGEST = 8000
"""Characters of a condition."""
PATIENCE = 60.0
"""Seconds of processor time that SQLite may take for one question in all."""

REFUSED = "cannot evaluate the condition"
"""Begins what is said of a condition that only SQLite finds fault with."""
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 400_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 2,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 16,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock."""
_TOKEN = re.compile(
    r"""
      (?P<blank>\s+)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<comment>--|/\*)
    | (?P<sign>->>|->|\|\||<=|>=|<>|!=|==|<<|>>|[-+*/%&|~<>=(),])
    """,
    re.VERBOSE,
)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_KEYWORDS = frozenset(
    [
        "and",
        "as",
        "between",
        "binary",
        "blob",
        "case",
        "cast",
        "collate",
        "distinct",
        "else",
        "end",
        "escape",
        "false",
        "from",
        "glob",
        "in",
        "integer",
        "is",
        "isnull",
        "like",
        "nocase",
        "not",
        "notnull",
        "null",
        "numeric",
        "or",
        "real",
        "rtrim",
        "text",
        "then",
        "true",
        "when",
    ]
)
"""Words of SQL that may stand in an expression; a column of such a name is written in double quotes."""


class Condition(NamedTuple):
    """A condition that was taken apart."""

    sql: str
    """The expression, with what stands for each column in its place."""
    columns: frozenset[str]
    """The columns in it, in lower case."""


def parsed(text: str, columns: Mapping[str, str]) -> Condition:
    """Take a condition apart. `columns` has what stands in SQL for each, by its name, and by that in lower case.

    Raises UsageError where it is no plain expression over columns.
    """
    if len(text) > LONGEST:
        message = f"cannot take the condition: it has {len(text):,} characters, more than {LONGEST:,}"
        raise UsageError(message)
    if _NO_TEXT.search(text):  # SQLite takes neither
        message = f"cannot take the condition {printable(text)}: it is no UTF-8; write names as `list` shows them"
        raise UsageError(message)
    pieces: list[str] = []
    used: set[str] = set()
    at = depth = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup == "comment":
            message = f"cannot understand the condition {shown(text)}: at {shown(text[at : at + 20])}"
            raise UsageError(message)
        at, piece = found.end(), found[0]
        match found.lastgroup:
            case "quoted":
                name = piece[1:-1].replace(piece[-1] * 2, piece[-1])
                piece = _column(name, columns, used, in_quotes=True)
            case "word" if _calls(text, at):
                _check_function(piece, text)
            case "word" if piece.lower() not in _KEYWORDS:
                piece = _column(piece, columns, used, in_quotes=False)
            case "sign":
                depth += (piece == "(") - (piece == ")")
                if depth < 0:
                    break
        pieces.append(piece)
    if depth or not "".join(pieces).strip():
        message = f"cannot understand the condition {shown(text)}: {_WRONG_END[bool(depth)]}"
        raise UsageError(message)
    return Condition("".join(pieces), frozenset(used))


def columns_of(text: str, names: Iterable[str]) -> frozenset[str]:
    """Find the columns that a condition names, in lower case; none in an empty one. Raises UsageError as `parsed`."""
    return parsed(text, {name.lower(): name for name in names}).columns if text.strip() else frozenset()


ALWAYS = Condition("1", frozenset())
"""The condition that every folder meets."""
_WRONG_END = ("it is empty", "a parenthesis is missing")


def _calls(text: str, at: int) -> bool:
    return text[at:].lstrip().startswith("(")


def _check_function(name: str, text: str) -> None:
    if name.lower() not in FUNCTIONS | _KEYWORDS:
        there = ", ".join(sorted(FUNCTIONS))
        message = f"cannot take the condition {shown(text)}: there is no function {name} in it; there are: {there}"
        raise UsageError(message)


def _column(name: str, columns: Mapping[str, str], used: set[str], *, in_quotes: bool) -> str:
    """Find what stands for a column. SQLite itself would take an unknown name in double quotes for a text."""
    there = name if name in columns else name.lower()
    if there not in columns:
        raise UsageError(no_column(name, columns, "a text stands in single quotes" if in_quotes else ""))
    used.add(name.lower())
    return columns[there]


def no_column(name: str, columns: Iterable[str], else_: str = "") -> str:
    """Say that there is no such column, with the nearest ones, or what else may have been meant."""
    meant = did_you_mean(name, columns) or else_ or "no record has it; `audiobatchctl summary` shows all"
    return f'cannot find the column "{shown(name)}": {meant}'


class Guard:
    """Keeps one connection to what may be asked: to be set up when all is in it that it takes."""

    def __init__(self, connection: sqlite3.Connection, tables: Collection[str], patience: float = PATIENCE) -> None:
        self._tables = frozenset(tables)
        self._patience = self._left = patience
        """Seconds that a question may take, and those that are left of them."""
        self._deadline: float | None = None
        """When they are over, by the clock of the thread that asks; None while nothing runs."""
        self._connection = connection
        connection.execute("PRAGMA query_only = 1")
        for limit, most in _LIMITS.items():
            connection.setlimit(limit, most)
        connection.set_authorizer(self._allows)
        connection.set_progress_handler(self._is_over, _STEPS)

    def begin(self) -> None:
        """Begin another question."""
        self._left = self._patience

    def rows(self, statement: str, values: Iterable[object] = (), room: int | None = None) -> list[tuple[object, ...]]:
        """Execute what reads, and fetch all of its rows. Raises sqlite3.Error.

        Raises UsageError as soon as their texts and mappings have more than `room` bytes together.
        """
        with self._timed():
            found = self._connection.execute(statement, tuple(values))
            return found.fetchall() if room is None else list(_within(room, found))

    def numbers(self, statement: str, kind: str = "d") -> array[Any]:
        """Execute what reads one number a row, and fetch all; `kind` is as `array` has it. Raises sqlite3.Error."""
        with self._timed():
            return array(kind, (row[0] for row in self._connection.execute(statement)))

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.thread_time()
        self._deadline = deadline = started + self._left
        try:
            yield
        except sqlite3.OperationalError as error:
            # SQLite ends the statement, and tells nothing else, also where Ctrl-C comes while it asks `_is_over`.
            if str(error) == "interrupted" and time.thread_time() <= deadline:
                raise KeyboardInterrupt from error
            raise
        finally:
            self._deadline = None
            self._left -= time.thread_time() - started

    def _is_over(self) -> int:
        return int(self._deadline is not None and time.thread_time() > self._deadline)

    def _allows(self, action: int, first: str | None, second: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first in self._tables:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _OWN_FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


def _within(room: int, rows: Iterable[tuple[object, ...]]) -> Iterator[tuple[object, ...]]:
    left = room
    for row in rows:
        left -= sum(len(each) for each in row if isinstance(each, str | bytes))
        if left < 0:
            message = f"cannot tell so much at once: more than {room >> 20} MiB; ask for fewer columns or fewer rows"
            raise UsageError(message)
        yield row


def in_words(error: sqlite3.Error, where: str) -> UsageError:
    """Say why a condition cannot be, by SQLite's `error`, in words for people."""
    why = printable(str(error))
    if why == "interrupted":
        why = f"it takes more than {PATIENCE:g} s; ask for less"
    elif why == 'near ")": syntax error' and ")" not in where:  # the parenthesis that stands around it
        why = "it ends too early"
    return UsageError(f"{REFUSED} {shown(where)}: {why}" if where else f"cannot read the values: {why}")
