"""Folders in the catalog: what no record can say of them, and how their last jobs ended without success.

That is which damaged files need not be tried again, which records of other tools were taken over from which files,
which files merely changed their time, and what counts towards giving a folder up. Called in threads only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from audiobatchd.core.file_memory import FileMemory, disowning
from audiobatchd.scan.catalog.database import Database, Write
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt

SCHEMA = """
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
"""
_RECALL = "SELECT memory FROM folder WHERE dataset = ? AND path = ?"
_PUT = "INSERT OR REPLACE INTO folder VALUES (?, ?, ?)"
_DROP = "DELETE FROM folder WHERE dataset = ? AND path = ?"
_ATTEMPTS = "SELECT attempt FROM attempt WHERE dataset = ? AND path = ? ORDER BY number DESC"
_ADD_ATTEMPT = "INSERT INTO attempt (dataset, path, attempt) VALUES (?, ?, ?)"
_DROP_ATTEMPTS = "DELETE FROM attempt WHERE dataset = ? AND path = ?"
_DROP_OLD_OF_FOLDER = """
DELETE FROM attempt WHERE dataset = ? AND path = ?
    AND number NOT IN (SELECT number FROM attempt WHERE dataset = ? AND path = ? ORDER BY number DESC LIMIT ?)
"""
_DROP_OLD = "DELETE FROM attempt WHERE number <= (SELECT max(number) FROM attempt) - ?"
_OF_ONE_FOLDER = 10
"""Number of attempts that are kept of each folder."""
_OF_ALL_FOLDERS = 100_000
"""Number of attempts that are kept in all."""
_AT_ONCE = 500
"""Number of folders that are forgotten in one transaction: others wait for it."""


class FolderMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The memory of one folder."""

    files: dict[str, FileMemory] = {}
    """Facts about its source files, by role."""
    verdict: str = ""
    """Reason why it was given up; empty where it was not. It counts as long as `signature` and `judges` stay."""
    signature: str = ""
    """The signature of its files to which the verdict and the counts belong."""
    judges: str = ""
    """The analyzers that gave it up."""
    charges: int = 0
    """Number of ends of workers that were charged to it."""
    suspicions: int = 0
    """Number of times in a row that its lock was left behind."""


_NOTHING = FolderMemory()


class Folders:
    """The tables of folders and of attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._expecting = threading.Lock()
        self._expected: dict[FolderKey, FolderMemory] = {}
        """Memory that is about to be written: a reading that comes before is to go by it."""
        self._memory = msgspec.msgpack.Decoder(FolderMemory)
        self._attempt = msgspec.msgpack.Decoder(Attempt)

    def recall(self, key: FolderKey) -> FolderMemory:
        """Look up the memory of a folder, as it is or will be in a moment; an empty one where there is none."""
        if (expected := self._expected.get(key)) is not None:
            return expected
        names = _names(key)
        if (kept := self._database.kept("folder", *names)) is not None:
            memory: FolderMemory = kept.value
            return memory
        rows = self._database.ask(_RECALL, names)
        try:
            return self._memory.decode(rows[0][0]) if rows else _NOTHING
        except (msgspec.MsgspecError, TypeError):
            # Written by another version of this program: it is only a cache.
            return _NOTHING

    def expect(self, key: FolderKey, memory: FolderMemory = _NOTHING) -> None:
        """Have `recall` answer with this `memory` until `note` has written the same object, or `forget` is done."""
        with self._expecting:
            self._expected[key] = memory

    def note(self, memories: Mapping[FolderKey, FolderMemory]) -> None:
        """Remember these, all in one transaction; of a folder with empty memory nothing is kept."""
        self._database.keep({("folder", *_names(key)): _writing(key, memory) for key, memory in memories.items()})
        with self._expecting:
            for key, memory in memories.items():
                if self._expected.get(key) is memory:
                    del self._expected[key]

    def forget(self, keys: Sequence[FolderKey]) -> None:
        """Forget these folders, with their attempts."""
        for start in range(0, len(keys), _AT_ONCE):
            part = [_names(key) for key in keys[start : start + _AT_ONCE]]
            self._database.keep(
                {("folder", *names): Write([(_DROP, names), (_DROP_ATTEMPTS, names)], _NOTHING) for names in part}
            )
        with self._expecting:
            for key in keys:
                if self._expected.get(key) == _NOTHING:
                    del self._expected[key]

    def pardon(self, keys: Iterable[FolderKey]) -> None:
        """Forget what keeps folders from being tried again: verdicts, what counts towards one, and damage."""
        self.note({key: FolderMemory(_pardoned(self.recall(key).files)) for key in keys})

    def disown(self, key: FolderKey, disowned: Mapping[str, tuple[str, ...]]) -> None:
        """Remember of a folder that these features, by role, are not to be taken over from other tools."""
        known = self.recall(key)
        self.note({key: msgspec.structs.replace(known, files=disowning(known.files, disowned))})

    def attempts(self, key: FolderKey) -> list[Attempt]:
        """Look up the last jobs of a folder that ended without success, the latest first."""
        names = _names(key)
        kept = [write.value for about, write in self._database.all_kept("attempt") if about[1:3] == names]
        found = []
        for content in [*reversed(kept), *(row[0] for row in self._database.ask(_ATTEMPTS, names))][:_OF_ONE_FOLDER]:
            try:
                found.append(self._attempt.decode(content))
            except (msgspec.MsgspecError, TypeError):
                continue
        return found

    def add_attempt(self, key: FolderKey, attempt: Attempt) -> None:
        """Add to the attempts, of which the latest are kept."""
        names, content = _names(key), msgspec.msgpack.encode(attempt)
        write = Write(
            [
                (_ADD_ATTEMPT, (*names, content)),
                (_DROP_OLD_OF_FOLDER, (*names, *names, _OF_ONE_FOLDER)),
                (_DROP_OLD, (_OF_ALL_FOLDERS,)),
            ],
            content,
        )
        self._database.keep({("attempt", *names, object()): write})


def _names(key: FolderKey) -> tuple[bytes, bytes]:
    return os.fsencode(key.dataset), os.fsencode(key.path)


def _writing(key: FolderKey, memory: FolderMemory) -> Write:
    names = _names(key)
    statement = (_DROP, names) if memory == _NOTHING else (_PUT, (*names, msgspec.msgpack.encode(memory)))
    return Write([statement], memory)


def _pardoned(files: Mapping[str, FileMemory]) -> dict[str, FileMemory]:
    """The memory of files without their damage."""
    plain = {role: msgspec.structs.replace(memory, failure=None, judges="") for role, memory in files.items()}
    return {role: memory for role, memory in plain.items() if not memory.says_nothing}
