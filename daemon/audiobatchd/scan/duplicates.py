"""Duplicates among the track folders of a dataset: the same full mix in several, by what their records tell.

Exact ones have one content digest, which stands in the provenance of whatever was measured; near ones are alike by
their fingerprints. Records alone are read, no audio, and nothing is written into the dataset.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache

from audiobatchd.core import chromaprint
from audiobatchd.core.chromaprint import Fingerprint
from audiobatchd.disk import bounded, record
from audiobatchd.disk.listing import walk
from audiobatchd.disk.record import Record
from audiobatchd.errors import RecordError
from audiobatchd.plugin_api import FULL_MIX
from audiobatchd.scan.likeness import Likeness, near
from audiobatchd.vocabulary.files import FileStamp, in_64_bits
from audiobatchd.vocabulary.names import folder_at, folder_shown

ANALYZER, SUFFIX = "fingerprint", ".CHROMAPRINT"
"""The analyzer that makes fingerprints, and its feature, a file beside the record."""

_EACH = 500
"""Folders after which it is told how many were read."""

_MOST_TROUBLES = 20
_REMEMBERED = 512
"""Fingerprints that are kept in memory while they are held against each other: 35 KiB each."""


@dataclass
class Duplicates:
    """Result of a search in a dataset. Folders are named as people see them."""

    total: int = 0
    """Number of track folders."""
    without_digest: int = 0
    """Number of those of which no digest of their present full mix is known: not measured yet, or replaced since."""
    without_fingerprint: int = 0
    """Number of those without a fingerprint of their present full mix; 0 where near duplicates were not asked for."""
    exact: list[list[str]] = field(default_factory=list)
    """Folders with one full mix, in groups of two and more."""
    near: list[list[tuple[str, float]]] = field(default_factory=list)
    """Folders that sound alike, with the share of bits by which each differs from the nearest; of exact duplicates the
    first one with a fingerprint stands for all."""
    troubles: dict[str, str] = field(default_factory=dict)
    """Why folders could not be read, of the first of them."""
    unread: int = 0
    """Number of directories and records that could not be read."""


def find(
    root: str, ignore: tuple[str, ...], limit: int, *, alike: bool, told: Callable[[str, int], None]
) -> Duplicates:
    """Find the duplicates at and below `root`, by sound too where `alike`.

    A record of more than `limit` bytes is not read. `told` is called now and then with what is being done and how many
    of it are done. Raises OSError for the root, and where there is no space for temporary files.
    """
    found = Duplicates()
    copies = _Copies()
    paths: list[str] = []
    with ExitStack() as stack:
        likeness = Likeness(stack) if alike else None
        for number, (path, digest, fingerprint) in enumerate(_read_all(root, ignore, limit, found, alike=alike)):
            paths.append(path)
            stands_for_all = copies.add(number, digest, sounds=fingerprint is not None)
            if likeness and fingerprint and stands_for_all:
                likeness.add(number, fingerprint)
            if not len(paths) % _EACH:
                told("folders read", len(paths))
        found.exact = [[folder_shown(paths[each]) for each in group] for group in copies.groups()]
        if likeness:

            @lru_cache(_REMEMBERED)
            def again(number: int) -> Fingerprint | None:
                return _fingerprint_again(folder_at(root, paths[number]))

            groups = near(_counted(likeness.candidates(), told), again)
            found.near = [[(folder_shown(paths[each]), share) for each, share in group] for group in groups]
    return found


class _Copies:
    """Folders by their digests, each known by a number."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        """The first folder of each digest."""
        self._others: dict[str, list[int]] = {}
        """The further ones: few digests have any."""
        self._mute: set[str] = set()
        """Digests of which no folder with a fingerprint has come yet."""

    def add(self, number: int, digest: str, *, sounds: bool) -> bool:
        """Add a folder; tell whether it stands for all of its digest, as the first that `sounds`: has a fingerprint."""
        if not digest:
            return sounds
        if self._first.setdefault(digest, number) == number:
            self._mute.add(digest)
        else:
            self._others.setdefault(digest, []).append(number)
        is_first = sounds and digest in self._mute
        if is_first:
            self._mute.remove(digest)
        return is_first

    def groups(self) -> list[list[int]]:
        """Give the folders that share a digest, group by group, in the order of the first ones."""
        return sorted([self._first[digest], *others] for digest, others in self._others.items())


def _counted(candidates: Iterator[tuple[int, int]], told: Callable[[str, int], None]) -> Iterator[tuple[int, int]]:
    for count, pair in enumerate(candidates, 1):
        yield pair
        if not count % _EACH:
            told("pairs compared", count)


def _read_all(
    root: str, ignore: tuple[str, ...], limit: int, found: Duplicates, *, alike: bool
) -> Iterator[tuple[str, str, Fingerprint | None]]:
    """Yield every track folder that can be read, with its digest and fingerprint; count them all in `found`."""
    for path, names in walk(root, ignore):
        if isinstance(names, OSError):
            _add_trouble(found, path, f"cannot read the folder: {names.strerror}")
            continue
        if not names.is_track:
            continue
        found.total += 1
        folder = folder_at(root, path)
        digest, fingerprint = "", None
        try:
            known = record.read_in(folder, limit)
            stamp = _stamp(folder, names.sources[FULL_MIX])
            digest = _digest(known, stamp)
            if alike and _is_known(known, stamp):
                fingerprint = _fingerprint(folder)
        except (RecordError, OSError) as error:
            why = f"cannot read it: {error.strerror}" if isinstance(error, OSError) else str(error)
            _add_trouble(found, path, why)
        found.without_digest += not digest
        found.without_fingerprint += alike and fingerprint is None
        yield path, digest, fingerprint


def _add_trouble(found: Duplicates, path: str, why: str) -> None:
    found.unread += 1
    if len(found.troubles) < _MOST_TROUBLES:
        found.troubles[folder_shown(path)] = why


def _stamp(folder: str, name: str) -> FileStamp:
    status = os.stat(os.path.join(folder, name))
    return FileStamp(os.fsencode(name), status.st_size, in_64_bits(status.st_mtime_ns))


def _digest(known: Record, stamp: FileStamp) -> str:
    """Return the digest of the present full mix, which every analyzer that read it has noted; empty where none has."""
    for analyzer in known.provenance.analyzers:
        entry = known.provenance.entry(analyzer, FULL_MIX)
        if entry is not None and entry.fingerprint.is_of(stamp):
            return entry.fingerprint.digest
    return ""


def _is_known(known: Record, stamp: FileStamp) -> bool:
    """Tell whether a fingerprint beside the record is taken for that of the present full mix.

    It is where that was measured, and also where there is no account of it: another tool may have written it.
    """
    entry = known.provenance.entry(ANALYZER, FULL_MIX)
    return entry is None or entry.fingerprint.is_of(stamp)


def _fingerprint(folder: str) -> Fingerprint | None:
    """Read the fingerprint of a folder; None where there is none, or none that can be understood. Raises OSError."""
    name = os.path.basename(os.path.normpath(folder)) + SUFFIX
    try:
        with record.opened(folder) as descriptor:
            text, _ = bounded.read(name, chromaprint.LONGEST, dir_fd=descriptor)
        return chromaprint.decode(text.strip())
    except (FileNotFoundError, ValueError):
        return None


def _fingerprint_again(folder: str) -> Fingerprint | None:
    """Read the fingerprint of a folder once more; None where it has gone meanwhile."""
    try:
        return _fingerprint(folder)
    except OSError:
        return None
