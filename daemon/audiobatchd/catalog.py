"""What the daemon remembers between runs, in SQLite under the state directory. Deleting it loses no result.

It holds what no record can say: which damaged files need not be tried again, which records of other tools were taken
over from which files, which files merely changed their time. It is called from threads only, never from the event loop.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from audiobatchd.core.completeness import FileMemory
from audiobatchd.model import FolderKey

_LOG = logging.getLogger(__name__)
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    memory BLOB NOT NULL,
    PRIMARY KEY (dataset, path)
) WITHOUT ROWID
"""


class FolderMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of one folder.

    `verdict` gives it up as long as its files have `signature` and `judges` stay.
    """

    files: dict[str, FileMemory] = {}
    verdict: str = ""
    signature: str = ""
    judges: str = ""


@dataclass(frozen=True)
class Note:
    """One thing to be remembered."""

    key: FolderKey
    memory: FolderMemory = field(default_factory=FolderMemory)


class Catalog:
    """The memory of one daemon; of one run, where there is no state directory (`path` None).

    A database that is no database any more is set aside and made anew; where there can be none, it is one of this run.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._complaints: set[str] = set()
        self._decoder = msgspec.msgpack.Decoder(FolderMemory)
        try:
            self._connection = _open_or_remake(path)
        except (sqlite3.DatabaseError, OSError) as error:
            self._failed(error)
            self._connection = _open(None)

    def recall(self, key: FolderKey) -> FolderMemory:
        """What is remembered of a folder."""
        query = "SELECT memory FROM folder WHERE dataset = ? AND path = ?"
        try:
            with self._lock:
                row = self._connection.execute(query, _names(key)).fetchone()
        except sqlite3.DatabaseError as error:
            self._failed(error)
            row = None
        if row is None:
            return FolderMemory()
        try:
            return self._decoder.decode(row[0])
        except (msgspec.MsgspecError, TypeError):
            # Written by another version of this program: it is only a cache.
            return FolderMemory()

    def note(self, notes: Iterable[Note]) -> None:
        """Remember, all in one transaction; a folder of which nothing is left to remember is forgotten."""
        try:
            with self._lock, self._connection:
                for note in notes:
                    self._keep(note)
        except sqlite3.DatabaseError as error:
            self._failed(error)

    def _keep(self, note: Note) -> None:
        if note.memory == FolderMemory():
            query = "DELETE FROM folder WHERE dataset = ? AND path = ?"
            self._connection.execute(query, _names(note.key))
        else:
            content = msgspec.msgpack.encode(note.memory)
            query = "INSERT OR REPLACE INTO folder VALUES (?, ?, ?)"
            self._connection.execute(query, (*_names(note.key), content))

    def _failed(self, error: sqlite3.DatabaseError | OSError) -> None:
        """A full disk or a damaged page costs what would have been remembered, not the service: it is only a cache."""
        if str(error) not in self._complaints:
            self._complaints.add(str(error))
            _LOG.warning("catalog-fails", extra={"fields": {"reason": str(error)}})

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()


def _open_or_remake(path: Path | None) -> sqlite3.Connection:
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        if path is None or isinstance(error, sqlite3.OperationalError):
            raise
        _LOG.warning("catalog-remade", extra={"fields": {"path": str(path), "reason": str(error)}})
    _set_aside(path)
    return _open(path)


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=30)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _SCHEMA_VERSION):
            message = f"it is of schema version {version}"
            raise sqlite3.DatabaseError(message)
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        connection.commit()
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(path.name + ".broken"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _names(key: FolderKey) -> tuple[bytes, bytes]:
    return os.fsencode(key.dataset), os.fsencode(key.path)
