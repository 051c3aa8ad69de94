"""Single facts in the catalog, each by its name: what analyzers gave, where datasets were, and which are paused.

Called in threads only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from audiobatchd.core.assessment import Offer
from audiobatchd.scan.catalog.database import Database, Write
from audiobatchd.vocabulary.files import FileId

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (
    name BLOB PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;
"""
_BETWEEN = "SELECT name, value FROM fact WHERE name >= ? AND name < ?"
_PUT = "INSERT OR REPLACE INTO fact VALUES (?, ?)"
_DROP = "DELETE FROM fact WHERE name = ?"
_RENAME = "UPDATE OR REPLACE fact SET name = ? WHERE name = ?"
_OFFERS, _PACE, _RATES = b"offers", b"pace", b"rates"
_PAUSE, _ROOT, _PLACE = b"pause ", b"root ", b"place "
"""The names of facts of a dataset begin so, and end with its path."""
_T = TypeVar("_T")


class NamedFacts:
    """The table of facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: bytes) -> Any:  # noqa: ANN401  # SQLite keeps values of every type
        """Look up the value of this name; None where there is none."""
        return self.between(name, name + b"\0").get(name)

    def between(self, first: bytes, end: bytes) -> dict[bytes, Any]:
        """Look up the values of all names from `first` to before `end`, by name."""
        found: dict[bytes, Any] = dict(self._database.ask(_BETWEEN, (first, end)))
        for (_, name), write in self._database.all_kept("fact"):
            if isinstance(name, bytes) and first <= name < end:
                found.pop(name, None)
                if write.value is not None:
                    found[name] = write.value
        return found

    def note(self, name: bytes, value: bytes | None) -> None:
        """Keep this value; None: none any more. Nothing is written where it is there already."""
        if value is not None and self.get(name) == value:
            return
        statement = (_DROP, (name,)) if value is None else (_PUT, (name, value))
        self._database.keep({("fact", name): Write([statement], value)})

    def offers(self) -> tuple[Offer, ...] | None:
        """Look up what the analyzers gave when the service ran last; None where that is not known."""
        return self._decoded(_OFFERS, tuple[Offer, ...])

    def note_offers(self, offers: tuple[Offer, ...]) -> None:
        """Keep what the analyzers give now."""
        self.note(_OFFERS, msgspec.msgpack.encode(offers))

    def pace(self) -> dict[str, tuple[float, int]]:
        """Look up what jobs have cost, as `renewals.Pace.spent`; nothing where that is not known."""
        return self._decoded(_PACE, dict[str, tuple[float, int]]) or {}

    def rates(self) -> dict[str, tuple[float, float]]:
        """Look up what audio has cost, as `renewals.Pace.rates`; nothing where that is not known."""
        return self._decoded(_RATES, dict[str, tuple[float, float]]) or {}

    def note_pace(self, spent: dict[str, tuple[float, int]], rates: dict[str, tuple[float, float]]) -> None:
        """Keep what jobs, and what audio, have cost."""
        self.note(_PACE, msgspec.msgpack.encode(spent))
        self.note(_RATES, msgspec.msgpack.encode(rates))

    def root(self, dataset: str) -> FileId | None:
        """Look up which directory the dataset's root was; None where that is not known."""
        return self._decoded(_ROOT + os.fsencode(dataset), FileId)

    def place(self, dataset: str) -> str:
        """Look up where the dataset's path led to, without links; empty where that is not known."""
        value = self.get(_PLACE + os.fsencode(dataset))
        return os.fsdecode(value) if isinstance(value, bytes) else ""

    def note_root(self, dataset: str, root: FileId, place: str = "") -> None:
        """Keep which directory the root is, and where that is without links."""
        self.note(_ROOT + os.fsencode(dataset), msgspec.msgpack.encode(root))
        self.note(_PLACE + os.fsencode(dataset), os.fsencode(place))

    def pauses(self, now: float) -> dict[str, float | None]:
        """Look up the datasets that are paused, with the seconds left at the time of day `now`; None: until resumed."""
        found: dict[str, float | None] = {}
        for name, value in self.between(_PAUSE, _PAUSE + b"\xff").items():
            try:
                until = msgspec.msgpack.decode(value, type=float | None)
            except (msgspec.MsgspecError, TypeError):
                continue
            if until is None or until > now:
                found[os.fsdecode(name.removeprefix(_PAUSE))] = None if until is None else until - now
        return found

    def note_pause(self, dataset: str, until: float | None) -> None:
        """Keep that a dataset is paused, until this time of day or for ever."""
        self.note(_PAUSE + os.fsencode(dataset), msgspec.msgpack.encode(until))

    def forget_pause(self, dataset: str) -> None:
        """Keep that a dataset is not paused."""
        self.note(_PAUSE + os.fsencode(dataset), None)

    def forget_others(self, is_ours: Callable[[bytes], bool]) -> None:
        """Forget the facts of all datasets but ours."""
        for prefix in (_PAUSE, _ROOT, _PLACE):
            for name in self.between(prefix, prefix + b"\xff"):
                if not is_ours(name.removeprefix(prefix)):
                    self.note(name, None)

    def rename(self, old: bytes, new: bytes) -> None:
        """Take over the facts of the dataset `old` for the dataset `new`."""
        self._database.write((_RENAME, [(prefix + new, prefix + old) for prefix in (_PAUSE, _ROOT)]))

    def _decoded(self, name: bytes, kind: type[_T]) -> _T | None:
        """The value of this name; None where there is none, or it was written by another version of this program."""
        value = self.get(name)
        try:
            return None if value is None else msgspec.msgpack.decode(value, type=kind)
        except (msgspec.MsgspecError, TypeError):
            return None
