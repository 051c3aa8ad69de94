"""What every directory of a dataset looked like when it was last read, in the catalog: it need not be read again.

Never trusted over the disk: a directory's time, its files' stamps and its record's are compared before anything that
stands here counts. Called from threads only.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from audiobatchd.core.assessment import Offer
from audiobatchd.core.near_misses import Miss, Tally
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape
from audiobatchd.scan.catalog.database import Catalog
from audiobatchd.vocabulary.files import FolderKey, MissKind, NearMiss

_NOTHING: Final = Shape((), (), ())
_SHAPES = 20_000
_ROWS = 1000
_NAMES = 400
_COLUMNS = "path, time, signature, access, finding, leaf, shape"
_FINDINGS = tuple(Finding)
_PUT = "INSERT OR REPLACE INTO sighting VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PAUSE, _ROOT, _PLACE = b"pause ", b"root ", b"place "
_NO_MISSES = "DELETE FROM near_miss WHERE dataset = ? AND path = ?"
# The first path of each kind stands for all of them: SQLite takes `name` from the row that min() chose.
_ALL_MISSES = "SELECT min(path), kind, sum(count), name FROM near_miss WHERE dataset = ? GROUP BY kind"
_TABLES = ("folder", "attempt", "sighting", "near_miss")
"""Those whose rows are of a path in a dataset."""
_PATHS = "SELECT DISTINCT path FROM {} WHERE dataset = ? AND path {} ? ORDER BY path LIMIT ?"
# The latest one stays, so that no number is given twice: a walk under way may still go by one that is removed here.
_DROP_SHAPES = """
DELETE FROM shape WHERE number BETWEEN ? AND ? AND number < (SELECT max(number) FROM shape)
    AND NOT EXISTS (SELECT 1 FROM sighting WHERE sighting.shape = shape.number)
"""
_Row = tuple[bytes, int, str, str, int, int, int]


class Sighting(Struct, frozen=True):
    """One directory. `time` is its mtime in ns, 0 where it had only just changed: then it tells nothing.

    `finding` is `GONE` for a directory that is no track folder. `leaf`: it has no directories to be entered.
    """

    path: str
    time: int
    signature: str = ""
    access: str = ""
    finding: Finding = Finding.GONE
    leaf: bool = False
    shape: Shape = _NOTHING


class Sightings:
    """The table of one daemon. Shapes are stored once, however many folders share them."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._generation = catalog.generation
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Shape)
        self._numbers: dict[Shape, int] = {}
        self._shapes: dict[int, Shape] = {}

    def recall(self, dataset: str, paths: Iterable[str]) -> dict[str, Sighting]:
        """Those of these directories that are known."""
        found: dict[str, Sighting] = {}
        names = [os.fsencode(path) for path in paths]
        for start in range(0, len(names), _NAMES):
            part = names[start : start + _NAMES]
            marks = ",".join("?" * len(part))
            query = f"SELECT {_COLUMNS} FROM sighting WHERE dataset = ? AND path IN ({marks})"  # noqa: S608  # marks alone
            for row in self._catalog.ask(query, (os.fsencode(dataset), *part)):
                sighting = self._sighting(row)
                found[sighting.path] = sighting
        return found

    def all(self, dataset: str) -> Iterator[Sighting]:
        """Every directory, by path; what changes meanwhile may be seen or not."""
        query = f"SELECT {_COLUMNS} FROM sighting WHERE dataset = ? AND path > ? ORDER BY path LIMIT ?"  # noqa: S608  # ours
        rows = self._catalog.ask(query.replace(">", ">="), (os.fsencode(dataset), b"", _ROWS))
        while rows:
            yield from map(self._sighting, rows)
            rows = self._catalog.ask(query, (os.fsencode(dataset), rows[-1][0], _ROWS))

    def count(self, dataset: str) -> int:
        """How many track folders are known."""
        query = "SELECT count(*) FROM sighting WHERE dataset = ? AND finding != ?"
        rows = self._catalog.ask(query, (os.fsencode(dataset), _FINDINGS.index(Finding.GONE)))
        return int(rows[0][0]) if rows else 0

    def size(self, dataset: str) -> int:
        """How many directories are known."""
        rows = self._catalog.ask("SELECT count(*) FROM sighting WHERE dataset = ?", (os.fsencode(dataset),))
        return int(rows[0][0]) if rows else 0

    def note(self, dataset: str, sightings: Iterable[Sighting]) -> None:
        """Keep these in place of what was known; not where no other run, nor another walk, will ask for them."""
        if not self._catalog.lasts:
            return
        rows = [
            (
                os.fsencode(dataset),
                os.fsencode(each.path),
                each.time,
                each.signature,
                each.access,
                _FINDINGS.index(each.finding),
                int(each.leaf),
                self._number(each.shape),
            )
            for each in sightings
        ]
        if rows:
            self._catalog.write_many(_PUT, rows)

    def forget(self, dataset: str, paths: Iterable[str]) -> None:
        """These directories are gone."""
        rows = [(os.fsencode(dataset), os.fsencode(path)) for path in paths]
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            self._catalog.write_many("DELETE FROM sighting WHERE dataset = ? AND path = ?", part)
            self._catalog.write_many(_NO_MISSES, part)

    def prune(self, ours: Collection[str], walked: str | None = None) -> Iterator[None]:
        """Remove what describes nothing any more, a bounded part at every step, so that others come between.

        That is all of other datasets than `ours`; what is remembered of folders that are not known in the dataset
        `walked`, of which all is known that is there; and shapes that no directory has.
        """
        kept = {os.fsencode(path) for path in ours}
        for table in _TABLES:
            for dataset in self._datasets_in(table):
                if dataset not in kept:
                    yield from self._emptied(table, dataset)
        for prefix in (_PAUSE, _ROOT, _PLACE):
            for name in self._catalog.facts(prefix, prefix + b"\xff"):
                if name.removeprefix(prefix) not in kept:
                    self._catalog.note_fact(name, None)
        yield
        if walked is not None and walked in ours:
            for table in ("folder", "attempt"):
                yield from self._without_directory(table, walked)
        yield from self._unused_shapes()

    def _datasets_in(self, table: str) -> Iterator[bytes]:
        query = f"SELECT min(dataset) FROM {table} WHERE dataset > ?"  # noqa: S608  # ours
        latest = b""
        while (rows := self._catalog.ask(query, (latest,))) and rows[0][0] is not None:
            latest = rows[0][0]
            yield latest

    def _emptied(self, table: str, dataset: bytes) -> Iterator[None]:
        latest = b""
        while rows := self._catalog.ask(_PATHS.format(table, ">=" if not latest else ">"), (dataset, latest, _ROWS)):
            latest = rows[-1][0]
            span = [(dataset, rows[0][0], latest)]
            self._catalog.write_many(f"DELETE FROM {table} WHERE dataset = ? AND path BETWEEN ? AND ?", span)  # noqa: S608  # ours
            yield
            if len(rows) < _ROWS:
                return

    def _without_directory(self, table: str, dataset: str) -> Iterator[None]:
        root, latest = os.fsencode(dataset), b""
        while rows := self._catalog.ask(_PATHS.format(table, ">=" if not latest else ">"), (root, latest, _ROWS)):
            latest = rows[-1][0]
            paths = [os.fsdecode(row[0]) for row in rows]
            known = self.recall(dataset, paths)
            if not self._catalog.trouble:  # else sightings may not have been written
                self._catalog.forget([FolderKey(dataset, path) for path in paths if path not in known])
            yield
            if len(rows) < _ROWS:
                return

    def _unused_shapes(self) -> Iterator[None]:
        self._catalog.write_many("CREATE INDEX IF NOT EXISTS sighting_of_shape ON sighting (shape)", [()])
        latest = -1
        while rows := self._catalog.ask(
            "SELECT number FROM shape WHERE number > ? ORDER BY number LIMIT ?", (latest, _ROWS)
        ):
            span, latest = (rows[0][0], rows[-1][0]), rows[-1][0]
            self._catalog.write_many(_DROP_SHAPES, [span])
            yield
            if len(rows) < _ROWS:
                return

    def note_misses(self, dataset: str, found: Mapping[str, tuple[Miss, ...]]) -> bool:
        """Keep what these directories have that is passed over; whether that is something else than was known."""
        if not self._catalog.lasts:
            return False
        known = self._misses_of(dataset, found)
        other = {path: misses for path, misses in found.items() if set(misses) != known.get(path, set())}
        if not other:
            return False
        root = os.fsencode(dataset)
        self._catalog.write_many(_NO_MISSES, [(root, os.fsencode(path)) for path in other])
        rows = [
            (root, os.fsencode(path), miss.kind.value, miss.count, os.fsencode(miss.name))
            for path, misses in other.items()
            for miss in misses
        ]
        self._catalog.write_many("INSERT OR REPLACE INTO near_miss VALUES (?, ?, ?, ?, ?)", rows)
        return True

    def misses(self, dataset: str) -> tuple[NearMiss, ...]:
        """What is passed over in the whole dataset."""
        tally = Tally()
        for path, kind, count, name in self._catalog.ask(_ALL_MISSES, (os.fsencode(dataset),)):
            tally.add(os.fsdecode(path), [Miss(MissKind(kind), count, os.fsdecode(name))])
        return tally.told()

    def _misses_of(self, dataset: str, paths: Iterable[str]) -> dict[str, set[Miss]]:
        known: dict[str, set[Miss]] = {}
        names = [os.fsencode(path) for path in paths]
        for start in range(0, len(names), _NAMES):
            part = names[start : start + _NAMES]
            marks = ",".join("?" * len(part))
            query = f"SELECT path, kind, count, name FROM near_miss WHERE dataset = ? AND path IN ({marks})"  # noqa: S608  # marks alone
            for path, kind, count, name in self._catalog.ask(query, (os.fsencode(dataset), *part)):
                known.setdefault(os.fsdecode(path), set()).add(Miss(MissKind(kind), count, os.fsdecode(name)))
        return known

    def offers(self) -> tuple[Offer, ...] | None:
        """What the analyzers gave when the daemon ran last; None where nobody knows."""
        value = self._catalog.fact(b"offers")
        try:
            return None if value is None else msgspec.msgpack.decode(value, type=tuple[Offer, ...])
        except (msgspec.MsgspecError, TypeError):
            return None

    def note_offers(self, offers: tuple[Offer, ...]) -> None:
        """Keep what the analyzers give now."""
        self._catalog.note_fact(b"offers", self._encoder.encode(offers))

    def root(self, dataset: str) -> tuple[int, int] | None:
        """Which directory the dataset's root was, as device and inode; None where nobody knows."""
        value = self._catalog.fact(_ROOT + os.fsencode(dataset))
        try:
            return None if value is None else msgspec.msgpack.decode(value, type=tuple[int, int])
        except (msgspec.MsgspecError, TypeError):
            return None

    def place(self, dataset: str) -> str:
        """Where the dataset's path led to, without links; empty where that was not noted."""
        value = self._catalog.fact(_PLACE + os.fsencode(dataset))
        return os.fsdecode(value) if isinstance(value, bytes) else ""

    def note_root(self, dataset: str, root: tuple[int, int], place: str = "") -> None:
        """Keep which directory the root is, and where that is without links."""
        self._catalog.note_fact(_ROOT + os.fsencode(dataset), self._encoder.encode(root))
        self._catalog.note_fact(_PLACE + os.fsencode(dataset), os.fsencode(place))

    def rename(self, old: str, new: str) -> None:
        """The dataset goes by another name from now on."""
        names = (os.fsencode(new), os.fsencode(old))
        for table in ("folder", "attempt", "sighting"):
            self._catalog.write_many(f"UPDATE OR REPLACE {table} SET dataset = ? WHERE dataset = ?", [names])  # noqa: S608  # ours
        rows = [(prefix + names[0], prefix + names[1]) for prefix in (_PAUSE, _ROOT)]
        self._catalog.write_many("UPDATE OR REPLACE fact SET name = ? WHERE name = ?", rows)

    def pauses(self, now: float) -> dict[str, float | None]:
        """The datasets that somebody paused, with the seconds that are left of it at the time of day `now`."""
        found: dict[str, float | None] = {}
        for name, value in self._catalog.facts(_PAUSE, _PAUSE + b"\xff").items():
            try:
                until = msgspec.msgpack.decode(value, type=float | None)
            except (msgspec.MsgspecError, TypeError):
                continue
            if until is None or until > now:
                found[os.fsdecode(name.removeprefix(_PAUSE))] = None if until is None else until - now
        return found

    def note_pause(self, dataset: str, until: float | None) -> None:
        """Keep that a dataset is paused, until this time of day or for ever."""
        self._catalog.note_fact(_PAUSE + os.fsencode(dataset), self._encoder.encode(until))

    def forget_pause(self, dataset: str) -> None:
        """It goes on."""
        self._catalog.note_fact(_PAUSE + os.fsencode(dataset), None)

    def _sighting(self, row: tuple[object, ...]) -> Sighting:
        path, time, signature, access, finding, leaf, shape = row
        assert isinstance(path, bytes)
        assert isinstance(time, int)
        assert isinstance(finding, int)
        assert isinstance(shape, int)
        known = self._shape(shape)
        if known is None:
            return Sighting(os.fsdecode(path), 0)  # nothing can be judged by it
        return Sighting(os.fsdecode(path), time, str(signature), str(access), _FINDINGS[finding], bool(leaf), known)

    def _number(self, shape: Shape) -> int:
        if self._generation != self._catalog.generation:
            self._generation = self._catalog.generation
            self._numbers.clear()
            self._shapes.clear()
        if shape not in self._numbers:
            content = self._encoder.encode(shape)
            self._catalog.write_many("INSERT OR IGNORE INTO shape (content) VALUES (?)", [(content,)])
            rows = self._catalog.ask("SELECT number FROM shape WHERE content = ?", (content,))
            self._keep(int(rows[0][0]) if rows else 0, shape)
        return self._numbers.get(shape, 0)

    def _shape(self, number: int) -> Shape | None:
        if number not in self._shapes:
            rows = self._catalog.ask("SELECT content FROM shape WHERE number = ?", (number,))
            try:
                self._keep(number, self._decoder.decode(rows[0][0])) if rows else None
            except (msgspec.MsgspecError, TypeError):
                return None
        return self._shapes.get(number)

    def _keep(self, number: int, shape: Shape) -> None:
        if len(self._shapes) >= _SHAPES:  # records with keys of their own in each folder
            self._shapes.clear()
            self._numbers.clear()
        if number:
            self._shapes[number] = shape
            self._numbers[shape] = number
