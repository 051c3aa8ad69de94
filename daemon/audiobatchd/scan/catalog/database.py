"""A SQLite file that can be lost at any time, and its care: damage, removal, and times when nothing can be written.

The tables and what stands in them belong to the other modules here. Called in threads only: each call may wait for the
disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from audiobatchd.vocabulary import log_events
from audiobatchd.vocabulary.files import FileId
from audiobatchd.vocabulary.log_events import LogEvent

Row = tuple[Any, ...]
"""A row as SQLite gives it: every column has a type of its own."""
BEFORE_ALL: Any = -1
"""Less than every name: SQLite orders numbers before bytes."""
Batch = tuple[str, Sequence[tuple[object, ...]]]
"""A statement, and the values of each of its executions."""
About = tuple[object, ...]
"""Names the subject of a write: a kind, and what tells one of this kind from others."""


class Write(NamedTuple):
    """A write that is to last."""

    statements: list[tuple[str, tuple[object, ...]]]
    """The SQL and its values; executed in this order, in one transaction."""
    value: Any
    """The answer to a question about its subject as long as it has not been executed."""


_MOST_KEPT = 10_000
"""Number of writes that are kept while they cannot be made, of those that are to last; the oldest go first."""
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
"""Errors that may be over some time, with the same database: a lock, a full disk, permissions."""
_NO_DATABASE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY_DBMOVED)
"""Errors that end only with another file."""


class Database:
    """The SQLite file at `path`; a database in memory, which ends with the run, where `path` is None.

    A file that is damaged, at the start or later, is set aside and made again; one that was removed is made again.
    While there can be none, or it cannot be written, the writes of `keep` are held in memory, those of `write` are
    dropped, and nothing waits. `retry` ends that.
    """

    def __init__(self, path: Path | None, schema: str, version: int, *, durable: bool = False) -> None:
        """Take the tables of `schema`. `durable`: what was written outlives a power cut too; each write is synced."""
        self._synchronous = "FULL" if durable else "NORMAL"
        self._path = path
        self._schema = schema
        """The statements that make the tables, as far as they are not there."""
        self._version = version
        """The number of the schema. A file of a lower one is taken over, a file of a higher one set aside."""
        self._mark = f"PRAGMA user_version = {version}"
        """Writes that number into the file."""
        self._lock = threading.Lock()
        self._complaints: set[str] = set()
        """The errors that were logged: each is told once."""
        self._reason = ""
        """Reason why nothing can be written at the moment; empty where it can."""
        self._kept: dict[About, Write] = {}
        """The writes that could not be made. A later one about the same replaces an earlier one."""
        self._blind_until = 0.0
        """Until then, by the monotonic clock, a question would only wait for another process."""
        self._has_substitute = False
        """True where the database in memory stands in for a file that could not be opened."""
        self._connection = self._opened(path)

    @property
    def lasts(self) -> bool:
        """True where another run will find what is written."""
        return self._path is not None and not self._has_substitute

    @property
    def path(self) -> Path | None:
        """The file; None where there is none, and nothing of this outlives the run."""
        return self._path if self.lasts else None

    @property
    def trouble(self) -> str:
        """The reason why nothing can be written at the moment; empty where it can."""
        return f"cannot write the catalog {self._path}: {self._reason}" if self._reason else ""

    def ask(self, query: str, values: tuple[object, ...]) -> list[Row]:
        """Answer a query by its rows; by none where the database fails."""
        with self._lock:
            if self._blind_until > time.monotonic():
                return []
            try:
                self._look_for_removal()
                return self._connection.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                if self._passes(error):
                    self._blind_until = time.monotonic() + _BUSY
                else:
                    self._failed(error)
                return []

    def write(
        self,
        *batches: Batch,
        beside: Callable[[sqlite3.Connection], None] | None = None,
        taken_back: Callable[[], None] = lambda: None,
    ) -> None:
        """Execute all of this, and what `beside` executes, in one transaction; nothing while nothing can be written.

        `taken_back` is called where that fails, at the last at its end, before anything else is written.
        """

        def execute() -> None:
            try:
                with self._connection:
                    for query, rows in batches:
                        self._connection.executemany(query, rows)
                    if beside is not None:
                        beside(self._connection)
            except BaseException:
                taken_back()
                raise

        self._transact(execute, {})

    def keep(self, writes: dict[About, Write]) -> None:
        """Make these writes in one transaction; while nothing can be written they are kept for `retry`."""
        self._transact(lambda: self._execute(writes), writes)

    def kept(self, *about: object) -> Write | None:
        """Look up the write about this that could not be made; None where there is none."""
        return self._kept.get(about)

    def all_kept(self, kind: str) -> list[tuple[About, Write]]:
        """List the writes of one kind that could not be made, the oldest first."""
        with self._lock:
            return [(about, write) for about, write in self._kept.items() if about[0] == kind]

    def retry(self) -> None:
        """Make the writes that could not be made, if that is possible by now."""
        with self._lock:
            if not self._reason or self._path is None:
                return
            try:
                if self._has_substitute or self._is_removed():
                    connection = self._open(self._path, _STILL_BUSY)
                    self._connection.close()
                    self._connection, self._has_substitute = connection, False
                    self._identity = _identity(self._path)
                self._connection.execute(self._mark)  # written in any case: only what was to be spared may have failed
                self._execute(self._kept)
            except (sqlite3.Error, OSError, OverflowError) as error:
                self._reason = str(error)
                return
            fields = {"path": str(self._path), "written": len(self._kept)}
            log_events.write(LogEvent.CATALOG_WORKS, fields)
            self._kept.clear()
            self._reason, self._blind_until = "", 0.0
            self._wait_for_others(_BUSY)

    def close(self) -> None:
        """Close the database, after a last try to write what could not be written."""
        self.retry()
        with self._lock:
            self._connection.close()

    def _transact(self, execute: Callable[[], None], writes: dict[About, Write]) -> None:
        """Execute what writes, or keep the `writes` that are to last where what may pass is in the way."""
        with self._lock:
            if self._reason:
                self._keep(writes)
                return
            try:
                self._look_for_removal()
                execute()
            except OverflowError as error:  # a number that no database holds, of a file of the year 2600
                self._complain(error)
            except sqlite3.DatabaseError as error:
                if self._passes(error):
                    self._keep(writes)
                elif self._failed(error):
                    execute()

    def _execute(self, writes: dict[About, Write]) -> None:
        with self._connection:
            for write in writes.values():
                for statement in write.statements:
                    self._connection.execute(*statement)

    def _keep(self, writes: dict[About, Write]) -> None:
        for about, write in writes.items():
            self._kept.pop(about, None)
            self._kept[about] = write
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _passes(self, error: sqlite3.DatabaseError) -> bool:
        """Tell whether an error may pass; it is logged once until then."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        if self._path is None or code & 0xFF not in _PASSING or code in _NO_DATABASE:
            return False
        if not self._reason:
            self._stand_back(error)
        return True

    def _stand_back(self, error: Exception) -> None:
        """Write nothing from now on, and let nothing wait for it."""
        self._reason = str(error)
        log_events.write(LogEvent.CATALOG_FAILS, {"reason": self._reason})
        self._wait_for_others(_STILL_BUSY)

    def _wait_for_others(self, seconds: float) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}")

    def _opened(self, path: Path | None) -> sqlite3.Connection:
        """Open the file, or a substitute in memory where that cannot be."""
        try:
            connection = self._open_or_remake(path)
            self._identity = _identity(path)
        except (sqlite3.DatabaseError, OSError) as error:
            self._identity, self._has_substitute = None, True
            connection = self._connection = self._open(None)
            self._stand_back(error)
        return connection

    def _is_removed(self) -> bool:
        try:
            return self.lasts and _identity(self._path) != self._identity
        except OSError as error:
            self._complain(error)
            return False

    def _look_for_removal(self) -> None:
        """Make a file that was removed again: what is in it now would be lost with this run."""
        if not self._reason and self._is_removed():
            self._remake("it was removed")

    def _remake(self, reason: str) -> None:
        log_events.write(LogEvent.CATALOG_REMADE, {"path": str(self._path), "reason": reason})
        self._connection.close()
        self._connection = self._opened(self._path)

    def _failed(self, error: sqlite3.DatabaseError) -> bool:
        """Deal with an error that does not pass, without ending the service; true where there is a new database."""
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
            log_events.write(LogEvent.CATALOG_FAILS, {"reason": str(error)})

    def _open_or_remake(self, path: Path | None) -> sqlite3.Connection:
        try:
            return self._open(path)
        except sqlite3.DatabaseError as error:
            if path is None or isinstance(error, sqlite3.OperationalError):
                raise
            log_events.write(LogEvent.CATALOG_REMADE, {"path": str(path), "reason": str(error)})
        _set_aside(path)
        return self._open(path)

    def _open(self, path: Path | None, patience: float = _BUSY) -> sqlite3.Connection:
        connection = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=patience)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version > self._version:
                message = f"it is of schema version {version}"
                raise sqlite3.DatabaseError(message)
            if version < self._version:  # one that is as it should be can be opened while another process writes
                connection.executescript(self._schema)
                connection.execute(self._mark)
                connection.commit()
        except BaseException:
            connection.close()
            raise
        return connection


def _identity(path: Path | None) -> FileId | None:
    try:
        return FileId.of(path.stat()) if path else None
    except FileNotFoundError:
        return None


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(path.name + ".broken"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
