"""The catalog of one service: its file, its tables, and what concerns all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from audiobatchd.scan.catalog import facts, folders, history, sightings
from audiobatchd.scan.catalog.database import BEFORE_ALL, Database
from audiobatchd.scan.catalog.facts import NamedFacts
from audiobatchd.scan.catalog.folders import Folders
from audiobatchd.scan.catalog.history import History
from audiobatchd.scan.catalog.sightings import Sightings
from audiobatchd.vocabulary.files import FolderKey

_SCHEMA = folders.SCHEMA + sightings.SCHEMA + facts.SCHEMA + history.SCHEMA
_VERSION = 5
_TABLES = ("folder", "attempt", "sighting", "near_miss")
"""The tables with a row for a path in a dataset."""
_ROWS = 1000
"""Number of folders that are looked at, or removed, at every step of `prune`."""
_NEXT_DATASET = "SELECT min(dataset) FROM {} WHERE dataset > ?"
_PATHS = "SELECT DISTINCT path FROM {} WHERE dataset = ? AND path > ? ORDER BY path LIMIT ?"
_DROP_SPAN = "DELETE FROM {} WHERE dataset = ? AND path BETWEEN ? AND ?"
_RENAME = "UPDATE OR REPLACE {} SET dataset = ? WHERE dataset = ?"


class Catalog(Database):
    """The database with its tables, made once and used by all threads until it is closed."""

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, _SCHEMA, _VERSION)
        self.folders = Folders(self)
        self.sightings = Sightings(self)
        self.facts = NamedFacts(self)
        self.history = History(self)

    def rename(self, old: str, new: str) -> None:
        """Take over what is known of the dataset `old` for the dataset `new`."""
        names = os.fsencode(new), os.fsencode(old)
        self.write(*((_RENAME.format(table), [names]) for table in (*_TABLES, "history")))
        self.facts.rename(names[1], names[0])
        self.sightings.rename_values(old, new)

    def prune(self, ours: Callable[[], Collection[str]], walked: str | None = None) -> Iterator[None]:
        """Remove what describes nothing any more, a bounded part at every step, so that others come between.

        That is everything of other datasets than `ours`, which may become more meanwhile; the memory and the attempts
        of folders that are not known in the dataset `walked`, of which all is known that is there; and shapes that no
        directory has.
        """

        def is_ours(dataset: bytes) -> bool:
            return os.fsdecode(dataset) in ours()

        for table in _TABLES:
            for dataset in self._datasets_in(table):
                yield from _until(partial(is_ours, dataset), self._emptied(table, dataset))
        for dataset in self._datasets_in("history"):
            yield from _until(partial(is_ours, dataset), self.history.drop(dataset))
        self.facts.forget_others(is_ours)
        yield
        for dataset, steps in self.sightings.drop_values():
            yield from _until(partial(is_ours, dataset), steps)
        # Of what does not outlive the run no sightings are kept: nothing tells which folders are there.
        if walked is not None and walked in ours() and self.lasts:
            for table in ("folder", "attempt"):
                yield from self._without_directory(table, walked)
        yield from self.sightings.drop_unused_shapes()

    def _datasets_in(self, table: str) -> Iterator[bytes]:
        latest = b""
        while (rows := self.ask(_NEXT_DATASET.format(table), (latest,))) and rows[0][0] is not None:
            latest = rows[0][0]
            yield latest

    def _emptied(self, table: str, dataset: bytes) -> Iterator[None]:
        for paths in self._paths_in(table, dataset):
            self.write((_DROP_SPAN.format(table), [(dataset, paths[0], paths[-1])]))
            yield

    def _without_directory(self, table: str, dataset: str) -> Iterator[None]:
        for names in self._paths_in(table, os.fsencode(dataset)):
            paths = [os.fsdecode(name) for name in names]
            known = self.sightings.recall(dataset, paths)
            if not self.trouble:  # else sightings may not have been written
                self.folders.forget([FolderKey(dataset, path) for path in paths if path not in known])
            yield

    def _paths_in(self, table: str, dataset: bytes) -> Iterator[list[bytes]]:
        """The paths in a table, in their order, a bounded number at once."""
        latest = BEFORE_ALL
        while rows := self.ask(_PATHS.format(table), (dataset, latest, _ROWS)):
            latest = rows[-1][0]
            yield [row[0] for row in rows]


def _until(is_enough: Callable[[], bool], steps: Iterator[None]) -> Iterator[None]:
    """Take these steps until it is enough, which is asked before each."""
    if is_enough():
        return
    for _ in steps:
        yield
        if is_enough():
            return
