"""The results of a folder that analyzers need: those of the job under way, else those that lie on disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import msgspec

from audiobatchd.audio.views import ResultValue
from audiobatchd.core.assessment import Due, Offer, givers, needs_of
from audiobatchd.core.discovery import is_companion
from audiobatchd.core.needs import NO_NEEDS, state_of
from audiobatchd.core.provenance import Entry
from audiobatchd.disk import bounded, record
from audiobatchd.disk.record import Record
from audiobatchd.errors import UnfitFileError
from audiobatchd.plugin_api import LARGEST_RESULT, Value
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import exact_size
from audiobatchd.worker.process.measure import FileResult
from audiobatchd.worker.process.readers import Found

_VALUE: msgspec.json.Decoder[Value] = msgspec.json.Decoder(bool | int | float | str | dict[str, int | float])

Task = tuple[str, str]
"""Name of an analyzer, and the role of its features."""


@dataclass(frozen=True)
class Stored:
    """Results that lie on disk; by itself, those of a folder without any."""

    values: Mapping[str, bytes | msgspec.Raw] = field(default_factory=dict)
    """Values of the record, as they stand in it."""
    companions: Collection[str] = ()
    """Suffixes of the companion files that are there."""
    entry: Callable[[str, str], Entry | None] = lambda _analyzer, _role: None
    """A look into the record's provenance, by analyzer and role."""
    read: Callable[[str], bytes | None] = lambda _suffix: None
    """Reads a companion file by its suffix; None where it cannot be read, of which it takes note itself."""
    refuse: Callable[[str, int], None] = lambda _suffix, _size: None
    """Takes note of a companion file that was just measured, and has too many bytes to be read by others."""


class Results:
    """Results of a folder with these `files`, by their roles, as they come to be; `due` is what is to be measured."""

    def __init__(
        self,
        offers: tuple[Offer, ...],
        files: Collection[str],
        due: Mapping[str, tuple[Due, ...]],
        stored: Stored,
    ) -> None:
        self._needs = needs_of(offers)
        self._givers = givers(offers)
        self._files = files
        self._due = {(each.analyzer, role) for role, work in due.items() for each in work}
        self._stored = stored
        self._measured: dict[Task, FileResult] = {}

    def before(self, role: str) -> dict[str, frozenset[str]]:
        """Name the analyzers whose results of the same role an analyzer needs, by its name."""
        found: dict[str, frozenset[str]] = {}
        for (analyzer, of), needs in self._needs.items():
            if of == role:
                known = {self._givers[name] for name in needs.results if name in self._givers}
                found[analyzer] = frozenset(giver for giver, its in known if its == role)
        return found

    def take(self, role: str, result: FileResult) -> None:
        """Take in what was measured for features of `role`."""
        self._measured |= {(analyzer, role): result for analyzer in result.entries}
        self._due -= {(analyzer, role) for analyzer in result.unchanged}

    def look(self, analyzer: str, role: str, current: FileResult) -> Found | None:
        """Look up the results that an analyzer needs; `current` are those of the file that is being measured.

        None where one of them was due, and came to no end: it is not known what it is.
        """
        values: dict[str, ResultValue] = {}
        states: dict[str, dict[str, str]] = {}
        for name in self._needs.get((analyzer, role), NO_NEEDS).results:
            giver, of = self._givers.get(name, ("", ""))
            if of not in self._files:
                values[name] = None
                continue
            measured = current if of == role and giver in current.entries else self._measured.get((giver, of))
            is_as_before = (giver, of) not in self._due or (of == role and giver in current.unchanged)
            if measured is not None:
                entry: Entry | None = measured.entries[giver]
                values[name] = content = _measured(measured, name)
                if isinstance(content, bytes) and len(content) > LARGEST_RESULT:
                    self._stored.refuse(name, len(content))
                    return None  # as when it will be read from disk
            elif is_as_before:
                entry = self._stored.entry(giver, of)
                if is_companion(name) and name in self._stored.companions:
                    values[name] = self._stored.read(name)
                    if values[name] is None:
                        return None
                else:
                    values[name] = _decoded(self._stored.values.get(name))
            else:
                return None
            states.setdefault(giver, {})[of] = state_of(entry)
        return Found(values, states)


def _measured(result: FileResult, name: str) -> ResultValue:
    if name in result.files:
        content = result.files[name]
        return content.encode() if isinstance(content, str) else content
    return result.values.get(name)


def _decoded(raw: bytes | msgspec.Raw | None) -> Value | None:
    """Decode a value of the record; None for what is none of ours, which another tool may have left."""
    if raw is None:
        return None
    try:
        return _VALUE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def stored_in(
    folder: str, descriptor: int, found: Record, companions: Collection[str], fail: Callable[[str, OSError], None]
) -> Stored:
    """Tell what lies in `folder`, open as `descriptor`, by its record and its companion files.

    `fail` is told of each companion file that cannot be read, or may not be, by its name and with the reason.
    """
    stem = record.name_in(folder).removesuffix(".INFO")

    def read(suffix: str) -> bytes | None:
        try:
            return bounded.read(stem + suffix, LARGEST_RESULT, dir_fd=descriptor)[0]
        except OSError as error:
            # The folder's list has its name: as long as that leads nowhere, it would be taken for one that changes.
            dangles = isinstance(error, FileNotFoundError) and _is_link(stem + suffix, descriptor)
            fail(shown(stem + suffix), UnfitFileError(errno.ELOOP, "it is a dangling link") if dangles else error)
            return None

    def refuse(suffix: str, size: int) -> None:
        fail(shown(stem + suffix), too_large(size))

    return Stored(found.values, companions, found.provenance.entry, read, refuse)


def _is_link(name: str, descriptor: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except OSError:
        return False


def too_large(size: int) -> OSError:
    """Say why a companion file of so many bytes is not read for the analyzers that need it."""
    reason = f"it has {size:,} bytes, more than the {exact_size(LARGEST_RESULT)} that are read for other features"
    return UnfitFileError(errno.EFBIG, reason)
