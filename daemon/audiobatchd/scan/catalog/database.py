"""What the daemon remembers between runs, in SQLite under the state directory. Deleting it loses no result.

It holds what no record can say: which damaged files need not be tried again, which records of other tools were taken
over from which files, which files merely changed their time, what counts towards giving a folder up; how the last jobs
of each folder came to no good end; and, for `sightings`, what its directories looked like. It is called from threads
only, never from the event loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from audiobatchd.core.assessment import FileMemory
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt

_LOG = logging.getLogger(__name__)
_SCHEMA_VERSION = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    memory BLOB NOT NULL,
    PRIMARY KEY (dataset, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempt (
    number INTEGER PRIMARY KEY,
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    attempt BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS attempt_of_folder ON attempt (dataset, path, number);
CREATE TABLE IF NOT EXISTS sighting (
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    time INTEGER NOT NULL,
    signature TEXT NOT NULL,
    access TEXT NOT NULL,
    finding INTEGER NOT NULL,
    leaf INTEGER NOT NULL,
    shape INTEGER NOT NULL,
    PRIMARY KEY (dataset, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shape (
    number INTEGER PRIMARY KEY,
    content BLOB NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS near_miss (
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    name BLOB NOT NULL,
    PRIMARY KEY (dataset, path, kind)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact (
    name BLOB PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
"""
_Statement = tuple[str, tuple[Any, ...]]
_Writes = dict[tuple[object, ...], list[_Statement]]
"""Statements by what they are about: a later one about the same replaces an earlier one."""
Row = tuple[Any, ...]
"""What SQLite gives: every column of its own type."""

_ADD = "INSERT INTO attempt (dataset, path, attempt) VALUES (?, ?, ?)"
_PRUNE_FOLDER = """
DELETE FROM attempt WHERE dataset = ? AND path = ?
    AND number NOT IN (SELECT number FROM attempt WHERE dataset = ? AND path = ? ORDER BY number DESC LIMIT ?)
"""
_PRUNE_ALL = "DELETE FROM attempt WHERE number <= (SELECT max(number) FROM attempt) - ?"
_DROP_FOLDER = "DELETE FROM folder WHERE dataset = ? AND path = ?"
_DROP_ATTEMPTS = "DELETE FROM attempt WHERE dataset = ? AND path = ?"
_AT_ONCE = 500
"""So many folders are forgotten in one transaction: others wait for it."""
_OF_ONE_FOLDER = 10
_OF_ALL_FOLDERS = 100_000
_PUT_FACT = "INSERT OR REPLACE INTO fact VALUES (?, ?)"
_DROP_FACT = "DELETE FROM fact WHERE name = ?"
_MOST_KEPT = 10_000
"""So many writes that are to last are kept while they cannot be made; the oldest go first."""
_BUSY, _STILL_BUSY = 1.0, 0.05
"""Seconds to wait for another process that has the database: at first, and as long as it is known to have it."""
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)
"""What may be over some time, with the same database: a lock, a full disk, permissions."""
_NO_DATABASE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY_DBMOVED)


class FolderMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one folder.

    `verdict` gives it up as long as its files have `signature` and `judges` stay; `charges` and `suspicions` count
    towards that as long as its files have `signature`.
    """

    files: dict[str, FileMemory] = {}
    verdict: str = ""
    signature: str = ""
    judges: str = ""
    charges: int = 0
    suspicions: int = 0


@dataclass(frozen=True)
class Note:
    """One thing to be remembered."""

    key: FolderKey
    memory: FolderMemory = field(default_factory=FolderMemory)


class Catalog:
    """The memory of one daemon; of one run, where there is no state directory (`path` None).

    A database that is no database any more, at the start or later, is set aside and made anew, and so is one that was
    removed. While there can be none, or it cannot be written, what is to last is kept in memory and nothing waits; what
    would only spare work is not. `retry` ends that.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._expecting = threading.Lock()
        self._path = path
        self._complaints: set[str] = set()
        # Why nothing can be written at the moment, what was to be written since, by what it is about, and until when
        # it is of no use to ask.
        self._reason = ""
        self._kept: _Writes = {}
        self._blind_until = 0.0
        self._has_substitute = False
        self.generation = 0
        self._expected: dict[FolderKey, FolderMemory] = {}
        """What is about to be written: a reading that is quicker than the disk goes by it."""
        self._memory = msgspec.msgpack.Decoder(FolderMemory)
        self._attempt = msgspec.msgpack.Decoder(Attempt)
        self._connection = self._opened(path)

    @property
    def lasts(self) -> bool:
        """Whether another run will find it."""
        return self._path is not None and not self._has_substitute

    @property
    def trouble(self) -> str:
        """Why nothing can be written at the moment; empty where it can."""
        return f"cannot write the catalog {self._path}: {self._reason}" if self._reason else ""

    def retry(self) -> None:
        """Write what could not be written, if that is possible by now."""
        with self._lock:
            if not self._reason or self._path is None:
                return
            try:
                if self._has_substitute or self._is_removed():
                    self._replace(_open(self._path, _STILL_BUSY))
                with self._connection:
                    for statement in [each for statements in self._kept.values() for each in statements]:
                        self._connection.execute(*statement)
                    self._connection.execute(_PUT_FACT, (b"written", b""))
            except (sqlite3.Error, OSError, OverflowError) as error:
                self._reason = str(error)
                return
            fields = {"path": str(self._path), "written": len(self._kept)}
            _LOG.info("catalog-works", extra={"fields": fields})
            self._kept.clear()
            self._reason, self._blind_until = "", 0.0
            self._wait_for_others(_BUSY)

    def recall(self, key: FolderKey) -> FolderMemory:
        """What is remembered of a folder, or will be in a moment."""
        if (expected := self._expected.get(key)) is not None:
            return expected
        names = _names(key)
        kept = self._kept.get(("folder", *names))
        if kept is not None:
            rows: list[Row] = [(kept[0][1][2],)] if len(kept[0][1]) > len(names) else []
        else:
            rows = self.ask("SELECT memory FROM folder WHERE dataset = ? AND path = ?", names)
        try:
            return self._memory.decode(rows[0][0]) if rows else FolderMemory()
        except (msgspec.MsgspecError, TypeError):
            # Written by another version of this program: it is only a cache.
            return FolderMemory()

    def attempts(self, key: FolderKey) -> list[Attempt]:
        """How the last jobs of a folder that came to no good end went, the latest first."""
        query = "SELECT attempt FROM attempt WHERE dataset = ? AND path = ? ORDER BY number DESC"
        found = []
        kept = [each[0][1] for about, each in list(self._kept.items()) if about[0] == "attempt"]
        unwritten = [(values[2],) for values in reversed(kept) if values[:2] == _names(key)]
        for (content,) in [*unwritten, *self.ask(query, _names(key))][:_OF_ONE_FOLDER]:
            try:
                found.append(self._attempt.decode(content))
            except (msgspec.MsgspecError, TypeError):
                continue
        return found

    def expect(self, note: Note) -> None:
        """Have `recall` answer by what a call of `note` with the same object is going to write."""
        with self._expecting:
            self._expected[note.key] = note.memory

    def note(self, notes: Iterable[Note]) -> None:
        """Remember, all in one transaction; a folder of which nothing is left to remember is forgotten."""
        written = list(notes)
        self._write({("folder", *_names(note.key)): [_noting(note)] for note in written})
        with self._expecting:
            for note in written:
                if self._expected.get(note.key) is note.memory:
                    del self._expected[note.key]

    def keep(self, key: FolderKey, attempt: Attempt) -> None:
        """Add to the history, of which the latest of each folder are kept."""
        names = _names(key)
        statements: list[_Statement] = [
            (_ADD, (*names, msgspec.msgpack.encode(attempt))),
            (_PRUNE_FOLDER, (*names, *names, _OF_ONE_FOLDER)),
            (_PRUNE_ALL, (_OF_ALL_FOLDERS,)),
        ]
        self._write({("attempt", object()): statements})

    def forget(self, keys: Sequence[FolderKey]) -> None:
        """Remember nothing more of these folders, not even how their jobs ended."""
        for start in range(0, len(keys), _AT_ONCE):
            part = [_names(key) for key in keys[start : start + _AT_ONCE]]
            self._write({("folder", *names): [(_DROP_FOLDER, names), (_DROP_ATTEMPTS, names)] for names in part})
        with self._expecting:
            for key in keys:
                if self._expected.get(key) == FolderMemory():
                    del self._expected[key]

    def fact(self, name: bytes) -> Any:  # noqa: ANN401  # see `Row`
        """What is kept under this name; None where nothing is."""
        return self.facts(name, name + b"\0").get(name)

    def facts(self, first: bytes, end: bytes) -> dict[bytes, Any]:
        """What is kept under the names from `first` to before `end`."""
        found: dict[bytes, Any] = dict(
            self.ask("SELECT name, value FROM fact WHERE name >= ? AND name < ?", (first, end))
        )
        for about, statements in list(self._kept.items()):
            if about[0] == "fact" and isinstance(about[1], bytes) and first <= about[1] < end:
                found.pop(about[1], None)
                if len(values := statements[0][1]) > 1:
                    found[about[1]] = values[1]
        return found

    def note_fact(self, name: bytes, value: bytes | None) -> None:
        """Keep something under a name; None: nothing any more."""
        statement: _Statement = (_DROP_FACT, (name,)) if value is None else (_PUT_FACT, (name, value))
        self._write({("fact", name): [statement]})

    def pardon(self, keys: Iterable[FolderKey]) -> None:
        """Forget what keeps folders from being tried again: verdicts, what counts towards one, and damage."""
        self.note([Note(key, FolderMemory(_pardoned(self.recall(key).files))) for key in keys])

    def close(self) -> None:
        """Close the database."""
        self.retry()
        with self._lock:
            self._connection.close()

    # How

    def ask(self, query: str, values: tuple[object, ...]) -> list[Row]:
        """The rows of a query; none where the database fails."""
        with self._lock:
            if self._blind_until > time.monotonic():
                return []
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                if self._passes(error):
                    self._blind_until = time.monotonic() + _BUSY
                else:
                    self._failed(error)
                return []

    def write_many(self, query: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute one statement for each of these rows, all in one transaction; not while nothing can be written."""

        def execute() -> None:
            with self._connection:
                self._connection.executemany(query, rows)

        self._transact(execute)

    def _write(self, writes: _Writes) -> None:
        """Execute what is to last, by what it is about; what cannot be executed now is kept for `retry`."""

        def execute() -> None:
            with self._connection:
                for statement in [each for statements in writes.values() for each in statements]:
                    self._connection.execute(*statement)

        self._transact(execute, writes)

    def _transact(self, execute: Callable[[], None], writes: _Writes | None = None) -> None:
        """Execute what writes, or keep the `writes` that are to last where what may pass is in the way."""
        with self._lock:
            if self._reason:
                self._keep(writes or {})
                return
            try:
                if self._is_removed():
                    self._remake("it was removed")
                execute()
            except OverflowError as error:  # a number that no database holds, of a file of the year 2600
                self._complain(error)
            except sqlite3.DatabaseError as error:
                if self._passes(error):
                    self._keep(writes or {})
                elif self._failed(error):
                    execute()

    def _keep(self, writes: _Writes) -> None:
        for about, statements in writes.items():
            self._kept.pop(about, None)
            self._kept[about] = statements
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _passes(self, error: sqlite3.DatabaseError) -> bool:
        """Whether an error may be over some time; it is told of once until then."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        if self._path is None or code & 0xFF not in _PASSING or code in _NO_DATABASE:
            return False
        if not self._reason:
            self._stand_back(error)
        return True

    def _stand_back(self, error: Exception) -> None:
        """Nothing can be written from now on: say so, and let nothing wait for it."""
        self._reason = str(error)
        _LOG.warning("catalog-fails", extra={"fields": {"reason": self._reason}})
        self._wait_for_others(_STILL_BUSY)

    def _wait_for_others(self, seconds: float) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        try:
            connection = _open_or_remake(path)
            self._identity = _identity(path)
        except (sqlite3.DatabaseError, OSError) as error:
            self._identity, self._has_substitute = None, True
            connection = self._connection = _open(None)
            self._stand_back(error)
        return connection

    def _replace(self, connection: sqlite3.Connection) -> None:
        """This is the database from now on."""
        self._connection.close()
        self._connection, self._has_substitute = connection, False
        self._identity = _identity(self._path)
        self.generation += 1

    def _is_removed(self) -> bool:
        try:
            return self.lasts and _identity(self._path) != self._identity
        except OSError as error:
            self._complain(error)
            return False

    def _remake(self, reason: str) -> None:
        _LOG.warning("catalog-remade", extra={"fields": {"path": str(self._path), "reason": reason}})
        self._connection.close()
        self._connection = self._opened(self._path)
        self.generation += 1

    def _failed(self, error: sqlite3.DatabaseError) -> bool:
        """A full disk costs what would have been remembered, not the service; whether a new database was made."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        damaged = code & 0xFF in _NO_DATABASE or code in _NO_DATABASE
        if not damaged or self._path is None:
            self._complain(error)
            return False
        try:
            if not self._is_removed():
                _set_aside(self._path)
        except OSError as failure:
            self._complain(failure)
            return False
        self._remake(str(error))
        return True

    def _complain(self, error: Exception) -> None:
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            _LOG.warning("catalog-fails", extra={"fields": {"reason": str(error)}})


def _pardoned(files: dict[str, FileMemory]) -> dict[str, FileMemory]:
    """What is remembered of files, without their damage."""
    plain = {role: msgspec.structs.replace(memory, failure=None, judges="") for role, memory in files.items()}
    return {role: memory for role, memory in plain.items() if memory.digest or memory.adopted}


def _noting(note: Note) -> _Statement:
    if note.memory == FolderMemory():
        return _DROP_FOLDER, _names(note.key)
    return "INSERT OR REPLACE INTO folder VALUES (?, ?, ?)", (*_names(note.key), msgspec.msgpack.encode(note.memory))


def _open_or_remake(path: Path | None) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if path is None or isinstance(error, sqlite3.OperationalError):
            raise
        _LOG.warning("catalog-remade", extra={"fields": {"path": str(path), "reason": str(error)}})
    _set_aside(path)
    return _open(path)


def _open(path: Path | None, patience: float = _BUSY) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=patience)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA_VERSION:
            message = f"it is of schema version {version}"
            raise sqlite3.DatabaseError(message)
        if version < _SCHEMA_VERSION:  # one that is as it should be can be opened while another process writes
            connection.executescript(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _identity(path: Path | None) -> tuple[int, int] | None:
    try:
        status = path.stat() if path else None
    except FileNotFoundError:
        return None
    return (status.st_dev, status.st_ino) if status else None


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(path.name + ".broken"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _names(key: FolderKey) -> tuple[bytes, bytes]:
    return os.fsencode(key.dataset), os.fsencode(key.path)
