"""The two sources of values: the catalog of a service, and the records on disk. Both are asked by one `Results`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from audiobatchd.core.readings import Finding
from audiobatchd.disk import record
from audiobatchd.disk.listing import walk
from audiobatchd.disk.record import Record
from audiobatchd.errors import AudiobatchError, RecordError, UsageError
from audiobatchd.results.figures import Results
from audiobatchd.results.states import States
from audiobatchd.scan import values
from audiobatchd.scan.values import Found, ValueTables
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.names import folder_at, shown

_PART = 256
"""Number of folders that are put at once."""
Judge = Callable[[str, Record], Finding]
"""Tells by a folder and its record whether anything is due there."""


def open_catalog(path: Path, dataset: str, live: States) -> Results:
    """Open the values in the catalog at `path`; the other arguments are those of `Results`. Raises UsageError."""
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)
        try:
            return Results(connection, dataset, live=live)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        message = f"cannot read the values in {shown(str(path))}: {error}"
        raise UsageError(message) from error


def open_disk(
    root: str,
    ignore: tuple[str, ...] = (),
    limit: int = RECORD_LIMIT,
    judge: Judge | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> Results:
    """Read all records at and below `root` into a temporary database, and open that; `told` is given their number.

    Without a `judge` every folder that can be read counts as complete. A record of more than `limit` bytes is the
    trouble of its folder. Raises OSError for the root, and AudiobatchError where the database has no room.
    """
    connection = sqlite3.connect("", check_same_thread=False)  # a file that goes with it, once it outgrows memory
    try:
        connection.executescript(values.SCHEMA)
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        tables, count = ValueTables(), 0
        found = _on_disk(root, ignore, limit, judge)
        while part := list(islice(found, _PART)):
            tables.put(connection, root, part)
            count += len(part)
            told(count)
        connection.commit()
        return Results(connection, root)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            message = (
                f"cannot keep the values of the records in {shown(_temporary())}: {error}; "
                "make room there, or name another directory in SQLITE_TMPDIR"
            )
            raise AudiobatchError(message) from error
        raise


def _temporary() -> str:
    """Find the directory of temporary databases, as SQLite does."""
    named = (os.environ.get("SQLITE_TMPDIR"), os.environ.get("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp")  # noqa: S108
    return next((each for each in named if each and Path(each).is_dir() and os.access(each, os.W_OK | os.X_OK)), ".")


def _on_disk(root: str, ignore: tuple[str, ...], limit: int, judge: Judge | None) -> Iterator[Found]:
    for path, names in walk(root, ignore):
        if isinstance(names, OSError):
            yield Found(path, Finding.BLOCKED, f"cannot read the folder: {names.strerror}", {})
        elif names.is_track:
            folder = folder_at(root, path)
            with suppress(FileNotFoundError, NotADirectoryError):  # gone since it was listed
                yield _read(folder, path, limit, judge)


def _read(folder: str, path: str, limit: int, judge: Judge | None) -> Found:
    try:
        found = record.read_in(folder, limit)
        finding = judge(folder, found) if judge else Finding.COMPLETE
    except RecordError as error:
        return Found(path, Finding.BLOCKED, str(error), {})
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        return Found(path, Finding.BLOCKED, f"cannot read the record: {error.strerror}", {})
    return Found(path, finding, "", values.decoded(found.values))
