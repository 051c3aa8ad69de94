"""What the tests of the catalog remember, and a file that remembers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audiobatchd.core.file_memory import FileMemory
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.vocabulary.states import Attempt, Outcome
from support.core_rig import key, stamp

SONG = key("Song")
MEMORY = FolderMemory({"full_mix": FileMemory(stamp(), failure="its end is missing", judges="loudness-1")})
VERDICT = FolderMemory(verdict="given up", signature="v1", judges="loudness-1")
CRASH = Attempt(Outcome.ERROR, "killed by signal 11", charged=True, worker=7, signal=11, lines=("last words",))


def filled(path: Path, folders: int = 0) -> Path:
    """A catalog that remembers `SONG` and so many more."""
    catalog = Catalog(path)
    catalog.folders.note({SONG: MEMORY, **{key(f"Song {number}"): VERDICT for number in range(folders)}})
    catalog.close()
    return path


@contextmanager
def statements(catalog: Catalog) -> Iterator[list[str]]:
    """Every statement that SQLite executes for the catalog within, with its values."""
    executed: list[str] = []
    catalog._connection.set_trace_callback(executed.append)
    try:
        yield executed
    finally:
        catalog._connection.set_trace_callback(None)


def verbs(executed: list[str]) -> list[str]:
    """The first word of each statement."""
    return [statement.split()[0] for statement in executed]
