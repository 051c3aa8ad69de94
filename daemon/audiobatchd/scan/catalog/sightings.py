"""Sightings in the catalog: how every directory looked when it was last read, so that it need not be read again.

Never trusted over the disk: a directory's time, its files' stamps and its record's are compared before anything that
stands here counts. Called in threads only.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from time import monotonic
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from audiobatchd.core.near_misses import Miss, Tally
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.scan import values
from audiobatchd.scan.catalog.database import BEFORE_ALL, Database, Row
from audiobatchd.scan.values import Found, ValueTables
from audiobatchd.vocabulary.files import MissKind, NearMiss

SCHEMA = (
    """
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
-- A catalog of version 3 has no values: each folder is looked at once more, as if its record had changed.
UPDATE sighting SET time = 0, access = '';
"""
    + values.SCHEMA
)
# A row for each near miss of a directory, or one without, in the order of the directories: SQLite goes through what is
# on the left of a LEFT JOIN as it comes. Ordering the rows once more would take a quarter longer.
_WHOLE = """
SELECT path, time, signature, access, finding, leaf, content, kind, count, name
FROM ({}) AS sighting LEFT JOIN shape ON shape.number = sighting.shape LEFT JOIN near_miss USING (dataset, path)
"""
_SOME = "SELECT {} FROM sighting WHERE dataset = ? AND path IN ({})"
_NEXT = _WHOLE.format("SELECT * FROM sighting WHERE dataset = ? AND path > ? ORDER BY path LIMIT ?")
_NEXT_LOOKS = "SELECT path, time, finding, leaf FROM sighting WHERE dataset = ? AND path > ? ORDER BY path LIMIT ?"
_PUT_SHAPE = "INSERT OR IGNORE INTO shape (content) VALUES (?)"
_PUT = "INSERT OR REPLACE INTO sighting SELECT ?, ?, ?, ?, ?, ?, ?, number FROM shape WHERE content = ?"
_DROP = "DELETE FROM sighting WHERE dataset = ? AND path = ?"
_PUT_MISS = "INSERT OR REPLACE INTO near_miss VALUES (?, ?, ?, ?, ?)"
_DROP_MISSES = "DELETE FROM near_miss WHERE dataset = ? AND path = ?"
# The first path of each kind stands for all of them: SQLite takes `name` from the row that min() chose.
_ALL_MISSES = "SELECT min(path), kind, sum(count), name FROM near_miss WHERE dataset = ? GROUP BY kind"
_COUNT = "SELECT count(*) FROM sighting WHERE dataset = ? AND finding != ?"
_SIZE = "SELECT count(*) FROM sighting WHERE dataset = ?"
_ENDING = "SELECT path FROM sighting WHERE dataset = ? AND finding != ? AND substr(path, -?) = ? LIMIT ?"
# In parts: nothing else can be asked or written meanwhile. The names are folded once each: a subquery with a LIMIT is
# worked out before what is around it.
_ALIKE = """
SELECT path FROM (
    SELECT path, lower(CAST(path AS TEXT)) AS plain FROM sighting
    WHERE dataset = ? AND path > ? AND finding != ? ORDER BY path LIMIT ?
) ORDER BY {} DESC, length(plain) LIMIT ?
"""
_LAST_OF_PART = """
SELECT path FROM sighting WHERE dataset = ? AND path > ? AND finding != ? ORDER BY path LIMIT 1 OFFSET ?
"""
_INDEX_SHAPES = "CREATE INDEX IF NOT EXISTS sighting_of_shape ON sighting (shape)"
_NUMBERS = "SELECT number FROM shape WHERE number > ? ORDER BY number LIMIT ?"
_DROP_SHAPES = """
DELETE FROM shape WHERE number BETWEEN ? AND ?
    AND NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.shape = shape.number)
"""
_VALUE_TABLES = "SELECT dataset, number FROM value_table"
_SOME_VALUES = "SELECT id FROM values_{} ORDER BY id LIMIT ?"
_DROP_VALUES = "DELETE FROM values_{} WHERE id = ?"
_SHAPES = 20_000
"""Number of shapes that are kept decoded. Records with keys of their own in each folder have one each."""
_ROWS = 1000
"""Number of directories that are asked for, or forgotten, at once."""
_NAMES = 400
"""Number of names in one query."""
_FINDINGS = tuple(Finding)
_PART, _BEST = 20_000, 20
"""Number of folders of which the most alike are asked for at once, and how many of them are given."""
_PATIENCE = 3.0
"""Seconds that a search for names may take: a million folders take 2."""
NO_SHAPE: Final = Shape((), (), ())
NO_MISSES: Final[frozenset[Miss]] = frozenset()
_UNKNOWN: Final[Mapping[str, Sighting]] = MappingProxyType({})
_NONE_FOUND: Final[Mapping[str, Found]] = MappingProxyType({})


class Sighting(Struct, frozen=True):
    """Look of one directory when it was read last."""

    path: str
    """The path below the dataset's root."""
    time: int
    """The directory's mtime in ns; 0 where it had only just changed: then it tells nothing."""
    signature: str = ""
    access: str = ""
    """As `Listing` has these two."""
    finding: Finding = Finding.GONE
    """`GONE` for a directory that is no track folder."""
    leaf: bool = False
    """True where it has no directories to be entered."""
    shape: Shape = NO_SHAPE
    misses: frozenset[Miss] = NO_MISSES
    """Names that are passed over in it."""


class Sightings:
    """The tables of sightings, of their shapes, and of near misses. A shape is stored once, for all that have it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._decoder = msgspec.msgpack.Decoder(Shape)
        self._shapes: dict[bytes, Shape] = {}
        """Shapes by their content: thousands of rows have the same."""
        self._values = ValueTables()

    def recall(self, dataset: str, paths: Iterable[str]) -> dict[str, Sighting]:
        """Look up the sightings of these directories, by path; of those that are known."""
        found: dict[str, Sighting] = {}
        for part in _parts(paths):
            query = _WHOLE.format(_SOME.format("*", ",".join("?" * len(part))))
            found.update(self._sightings(self._database.ask(query, (os.fsencode(dataset), *part))))
        return found

    def unknown(self, dataset: str, paths: Iterable[str]) -> Iterator[list[str]]:
        """Yield those of these directories that are not known, of some hundred at a time."""
        for part in _parts(paths):
            query = _SOME.format("path", ",".join("?" * len(part)))
            known = {path for (path,) in self._database.ask(query, (os.fsencode(dataset), *part))}
            yield [os.fsdecode(name) for name in part if name not in known]

    def all(self, dataset: str) -> Iterator[Sighting]:
        """Yield the sighting of every directory, ordered by path; what changes meanwhile may be seen or not."""
        latest = BEFORE_ALL
        while rows := self._database.ask(_NEXT, (os.fsencode(dataset), latest, _ROWS)):
            latest = rows[-1][0]
            yield from self._sightings(rows).values()

    def looks(self, dataset: str) -> Iterator[Sighting]:
        """Yield the same as `all` with no more than time, finding and leaf, at half the cost."""
        latest = BEFORE_ALL
        while rows := self._database.ask(_NEXT_LOOKS, (os.fsencode(dataset), latest, _ROWS)):
            latest = rows[-1][0]
            paths = os.fsdecode(b"\0".join([row[0] for row in rows])).split("\0")  # all at once: one by one is slow
            for path, (_, time, finding, leaf) in zip(paths, rows, strict=True):
                yield Sighting(path, time, "", "", _FINDINGS[finding], leaf != 0)

    def count(self, dataset: str) -> int:
        """Count the track folders that are known."""
        rows = self._database.ask(_COUNT, (os.fsencode(dataset), _FINDINGS.index(Finding.GONE)))
        return int(rows[0][0]) if rows else 0

    def size(self, dataset: str) -> int:
        """Count the directories that are known."""
        rows = self._database.ask(_SIZE, (os.fsencode(dataset),))
        return int(rows[0][0]) if rows else 0

    def ending(self, dataset: str, end: str, most: int = 3) -> list[str]:
        """Give the paths of track folders whose last parts are `end`."""
        name = os.fsencode(f"/{end}")
        values = (os.fsencode(dataset), _FINDINGS.index(Finding.GONE), len(name), name, most)
        return [os.fsdecode(path) for (path,) in self._database.ask(_ENDING, values)]

    def alike(self, dataset: str, pieces: Sequence[str], clock: Callable[[], float] = monotonic) -> list[str]:
        """Give the paths of track folders that have most of these `pieces`, in lower case, some of each part.

        Where there are very many folders the search ends before it has seen all.
        """
        if not pieces:
            return []
        gone, root, until = _FINDINGS.index(Finding.GONE), os.fsencode(dataset), clock() + _PATIENCE
        query = _ALIKE.format(" + ".join(["(instr(plain, ?) > 0)"] * len(pieces)))
        found: list[str] = []
        latest = BEFORE_ALL
        while latest is not None and clock() < until:
            rows = self._database.ask(query, (root, latest, gone, _PART, *pieces, _BEST))
            found += [os.fsdecode(path) for (path,) in rows]
            last = self._database.ask(_LAST_OF_PART, (root, latest, gone, _PART - 1))
            latest = last[0][0] if last else None
        return found

    def note(
        self,
        dataset: str,
        sightings: Iterable[Sighting],
        known: Mapping[str, Sighting] = _UNKNOWN,
        found: Mapping[str, Found] = _NONE_FOUND,
    ) -> None:
        """Keep these, as far as they differ from those that are `known`, by path, to be there already.

        With the sighting goes what was `found` in the folder, the values of its record: neither is there without the
        other. Nothing is kept where no other run, nor another walk, will ask for it.
        """
        changed = [each for each in sightings if each != known.get(each.path)]
        if not changed or not self._database.lasts:
            return
        root = os.fsencode(dataset)
        contents = [msgspec.msgpack.encode(each.shape) for each in changed]
        other = [
            each for each in changed if each.misses != (known[each.path].misses if each.path in known else NO_MISSES)
        ]
        self._database.write(
            (_PUT_SHAPE, [(content,) for content in dict.fromkeys(contents)]),
            (_PUT, [_row(root, each, content) for each, content in zip(changed, contents, strict=True)]),
            (_DROP_MISSES, [(root, os.fsencode(each.path)) for each in other]),
            (_PUT_MISS, [_miss_row(root, each.path, miss) for each in other for miss in each.misses]),
            beside=partial(self._put_values, dataset, changed, known, found),
            taken_back=self._values.forget,
        )

    def forget(self, dataset: str, paths: Iterable[str]) -> None:
        """Forget these directories, which are gone."""
        rows = [(os.fsencode(dataset), os.fsencode(path)) for path in paths]
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            gone = [os.fsdecode(path) for _, path in part]
            self._database.write(
                (_DROP, part), (_DROP_MISSES, part), beside=partial(self._values.drop, dataset=dataset, paths=gone)
            )

    def misses(self, dataset: str) -> tuple[NearMiss, ...]:
        """Count what is passed over in the whole dataset."""
        tally = Tally()
        for path, kind, count, name in self._database.ask(_ALL_MISSES, (os.fsencode(dataset),)):
            tally.add(os.fsdecode(path), [Miss(MissKind(kind), count, os.fsdecode(name))])
        return tally.told()

    def drop_unused_shapes(self) -> Iterator[None]:
        """Remove the shapes that no directory has, a bounded part at every step."""
        self._database.write((_INDEX_SHAPES, [()]))
        latest = -1
        while rows := self._database.ask(_NUMBERS, (latest, _ROWS)):
            span, latest = (rows[0][0], rows[-1][0]), rows[-1][0]
            self._database.write((_DROP_SHAPES, [span]))
            yield

    def rename_values(self, old: str, new: str) -> None:
        """Take over the values of the dataset `old` for the dataset `new`."""
        self._database.write(beside=partial(self._values.rename, old=old, new=new))

    def drop_values(self) -> Iterator[tuple[bytes, Iterator[None]]]:
        """Yield each dataset that has values, with what removes them, a bounded part at every step."""
        for name, number in self._database.ask(_VALUE_TABLES, ()):
            yield name, self._drop_values_of(name, number)

    def _drop_values_of(self, name: bytes, number: int) -> Iterator[None]:
        while rows := self._database.ask(_SOME_VALUES.format(number), (_ROWS,)):
            self._database.write((_DROP_VALUES.format(number), rows))
            yield
            if self._database.trouble:
                return
        self._database.write(beside=partial(self._values.remove, dataset=os.fsdecode(name)))
        yield

    def _put_values(
        self,
        dataset: str,
        changed: Iterable[Sighting],
        known: Mapping[str, Sighting],
        found: Mapping[str, Found],
        connection: sqlite3.Connection,
    ) -> None:
        gone = [
            each.path
            for each in changed
            if each.finding is Finding.GONE and each.path in known and known[each.path].finding is not Finding.GONE
        ]
        if gone:
            self._values.drop(connection, dataset, gone)
        # What has changed in a sighting but its look leaves the record as it was.
        if looked := [found[each.path] for each in changed if each.path in found and not _is_alike(each, known)]:
            self._values.put(connection, dataset, looked)

    def _sightings(self, rows: Iterable[Row]) -> dict[str, Sighting]:
        found: dict[str, Sighting] = {}
        for name, time, signature, access, finding, leaf, content, kind, count, first in rows:
            path = os.fsdecode(name)
            misses = frozenset([Miss(MissKind(kind), count, os.fsdecode(first))]) if kind else NO_MISSES
            shape = self._shapes.get(content) or self._shape(content)
            if path in found:
                found[path] = msgspec.structs.replace(found[path], misses=found[path].misses | misses)
            elif shape is None:  # nothing can be judged by it
                found[path] = Sighting(path, 0, misses=misses)
            else:
                found[path] = Sighting(path, time, signature, access, _FINDINGS[finding], bool(leaf), shape, misses)
        return found

    def _shape(self, content: bytes | None) -> Shape | None:
        """Decode a shape; None where there is none, or it was written by another version of this program."""
        if content is None:
            return None
        try:
            shape = self._decoder.decode(content)
        except (msgspec.MsgspecError, TypeError):
            return None
        if len(self._shapes) >= _SHAPES:
            self._shapes.clear()
        self._shapes[content] = shape
        return shape


def _is_alike(each: Sighting, known: Mapping[str, Sighting]) -> bool:
    """Tell whether a folder's record is as it was, and found to be complete as before."""
    old = known.get(each.path)
    if old is None or not each.finding is old.finding is Finding.COMPLETE:
        return False
    return each.signature == old.signature and each.access == old.access


def _parts(paths: Iterable[str]) -> Iterator[list[bytes]]:
    """Yield paths as the catalog has them, as many at a time as one query takes."""
    left = iter(paths)
    while part := list(islice(left, _NAMES)):
        yield os.fsencode("\0".join(part)).split(b"\0")


def _row(root: bytes, each: Sighting, shape: bytes) -> tuple[object, ...]:
    finding = _FINDINGS.index(each.finding)
    return root, os.fsencode(each.path), each.time, each.signature, each.access, finding, int(each.leaf), shape


def _miss_row(root: bytes, path: str, miss: Miss) -> tuple[object, ...]:
    return root, os.fsencode(path), miss.kind.value, miss.count, os.fsencode(miss.name)
