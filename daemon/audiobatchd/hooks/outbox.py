"""The outbox in the state directory: messages that no hook has taken yet, and the folders whose end is to be told.

A file of its own beside the catalog, which is a cache and may be removed; with the same care of its file. It is synced
at every write. Called in one thread.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from audiobatchd.scan.catalog.database import About, Database, Write
from audiobatchd.vocabulary.files import FolderKey

_SCHEMA = """
CREATE TABLE IF NOT EXISTS begun (
    dataset BLOB NOT NULL,
    path BLOB NOT NULL,
    PRIMARY KEY (dataset, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unfinished (
    dataset BLOB PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY,
    hook TEXT NOT NULL,
    dataset BLOB NOT NULL,
    path BLOB,
    body BLOB NOT NULL
);
"""
_VERSION = 1
_BEGIN = "INSERT OR IGNORE INTO begun VALUES (?, ?)"
_IS_UNFINISHED = "INSERT OR IGNORE INTO unfinished VALUES (?)"
_END = "DELETE FROM begun WHERE dataset = ? AND path = ?"
_IS_FINISHED = "DELETE FROM unfinished WHERE dataset = ?"
_PUT = "INSERT OR REPLACE INTO message VALUES (?, ?, ?, ?, ?)"
_DROP = "DELETE FROM message WHERE number = ?"
_BODY = "SELECT body FROM message WHERE number = ?"
_MESSAGES = "SELECT number, hook, dataset, path, length(body) FROM message WHERE number > ? ORDER BY number LIMIT 1000"
_BEGUN = "SELECT dataset, path FROM begun"
_UNFINISHED = "SELECT dataset FROM unfinished"

Subject = tuple[str, str | None]
"""A dataset and a folder in it; None where the message is the dataset's."""


class Entry(NamedTuple):
    """A message in the outbox."""

    number: int
    """Its place in the order of all."""
    hook: str
    """The name of the hook that it is for."""
    subject: Subject
    size: int
    """The bytes of its body."""


class Outbox(Database):
    """The database with its tables. Where it cannot be written, what is new is kept in memory and written later."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, _SCHEMA, _VERSION, durable=True)
        self._unwritten: int | None = None
        """The first message that could not be written when it was put; None where all could, or can be by now."""

    def entries(self) -> list[Entry]:
        """List the messages in their order."""
        found: list[Entry] = []
        while rows := self.ask(_MESSAGES, (found[-1].number if found else -1,)):
            for number, hook, dataset, path, size in rows:
                name = None if path is None else os.fsdecode(path)
                found.append(Entry(number, hook, (os.fsdecode(dataset), name), size))
        return found

    def begun(self) -> frozenset[FolderKey]:
        """List the folders that a job has begun and whose end was not told."""
        return frozenset(FolderKey(os.fsdecode(root), os.fsdecode(path)) for root, path in self.ask(_BEGUN, ()))

    def unfinished(self) -> frozenset[str]:
        """List the datasets in which jobs were begun since it was told that nothing is left to do."""
        return frozenset(os.fsdecode(root) for (root,) in self.ask(_UNFINISHED, ()))

    def body(self, number: int) -> bytes | None:
        """Look up a message; empty where it is there no more, None where it cannot be read now."""
        if (kept := self.kept("message", number)) is not None:
            value: bytes | None = kept.value
            return value
        rows = self.ask(_BODY, (number,))
        if rows:
            return bytes(rows[0][0])
        is_lost = not self.trouble or (self._unwritten is not None and number >= self._unwritten)
        return b"" if is_lost else None

    def begin(self, key: FolderKey) -> None:
        """Mark a folder as begun, and its dataset as unfinished."""
        names = os.fsencode(key.dataset), os.fsencode(key.path)
        self.keep(
            {
                ("begun", *names): Write([(_BEGIN, names)], None),
                ("unfinished", names[0]): Write([(_IS_UNFINISHED, names[:1])], None),
            }
        )

    def dismiss(self, key: FolderKey) -> None:
        """Forget that a folder was begun."""
        self.keep(_ended(key.dataset, key.path))

    def put(self, subject: Subject, messages: Collection[tuple[Entry, bytes]], *, finished: bool) -> None:
        """Keep messages, and with them in one transaction that the end of their folder is told.

        `finished`: with them it is told instead that nothing is left to do in the dataset.
        """
        dataset, path = subject
        writes = _ended(dataset, path) if path is not None else {}
        if finished:
            root = os.fsencode(dataset)
            writes["unfinished", root] = Write([(_IS_FINISHED, (root,))], None)
        for entry, body in messages:
            name = None if path is None else os.fsencode(path)
            row = entry.number, entry.hook, os.fsencode(dataset), name, body
            writes["message", entry.number] = Write([(_PUT, row)], body)
        self.keep(writes)
        if not self.trouble:
            self._unwritten = None
        elif self._unwritten is None:
            self._unwritten = min((entry.number for entry, _ in messages), default=None)

    def drop(self, numbers: Collection[int]) -> None:
        """Remove messages."""
        self.keep({("message", number): Write([(_DROP, (number,))], None) for number in numbers})

    def clear(self) -> None:
        """Forget all marks: no hook is told of what they are for."""
        self.keep({("marks",): Write([("DELETE FROM begun", ()), ("DELETE FROM unfinished", ())], None)})

    def wipe(self) -> None:
        """Forget everything."""
        self.clear()
        self.keep({("messages",): Write([("DELETE FROM message", ())], None)})


def _ended(dataset: str, path: str) -> dict[About, Write]:
    names = os.fsencode(dataset), os.fsencode(path)
    return {("begun", *names): Write([(_END, names)], None)}
