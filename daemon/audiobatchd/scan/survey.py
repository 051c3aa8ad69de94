"""What every track folder of a dataset has and lacks, read off the disk alone: no daemon is asked, nothing written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from audiobatchd.core.assessment import Facts, Offer, Policy, assess
from audiobatchd.core.discovery import Contents, companions
from audiobatchd.core.near_misses import Tally, misses_in
from audiobatchd.core.shapes import surely_due
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_folder, read_names, walk
from audiobatchd.disk.record import Record
from audiobatchd.errors import RecordError
from audiobatchd.locks.observer import is_locked
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.names import folder_at, folder_shown, shown


@dataclass(frozen=True)
class Keys:
    """Ask for the presence of these keys, whoever made them."""

    features: tuple[str, ...]


@dataclass(frozen=True)
class Offered:
    """Ask for what these analyzers would give, by the rules of completeness."""

    offers: tuple[Offer, ...]
    policy: Policy


Asked = Keys | Offered


@dataclass(frozen=True)
class Answer:
    """One folder. `missing` are features that its record lacks, `stale` those that are there and due anew.

    A file of which only the time differs is taken for what it was: that is settled by reading all of it, which the
    daemon does. `trouble`: why the record, or the folder, cannot be read. `locked`: somebody is at it now.
    """

    name: str
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    trouble: str
    locked: bool

    @property
    def lacks(self) -> tuple[tuple[str, ...], tuple[str, ...], str] | None:
        """The missing, the stale, and the trouble; None where it lacks nothing."""
        return None if self.complete else (self.missing, self.stale, self.trouble)

    @property
    def complete(self) -> bool:
        """Whether nothing is to be done."""
        return not (self.missing or self.stale or self.trouble)


def survey(
    root: str,
    asked: Asked,
    ignore: tuple[str, ...] = (),
    tally: Tally | None = None,
    limit: int = RECORD_LIMIT,
) -> Iterator[Answer]:
    """Every track folder at and below `root`, ordered by path; what is passed over is counted in `tally`.

    A record of more than `limit` bytes is the trouble of its folder. Raises OSError for the root.
    """
    for path, names in walk(root, ignore):
        if tally is not None and not isinstance(names, OSError):
            tally.add(path, misses_in(names, path))
        if isinstance(names, OSError):
            # It may be a track, or hold a thousand.
            yield Answer(shown(path), (), (), f"cannot read the folder: {names.strerror}", locked=False)
        elif names.is_track:
            yield _look(root, path, names, asked, limit)


def look(root: str, path: str, asked: Asked, limit: int) -> Answer:
    """One track folder."""
    try:
        names = read_names(folder_at(root, path))
    except OSError as error:
        return Answer(folder_shown(path), (), (), f"cannot read the folder: {error.strerror}", locked=False)
    return _look(root, path, names, asked, limit)


def _look(root: str, path: str, names: Contents, asked: Asked, limit: int) -> Answer:
    folder = folder_at(root, path)
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    trouble = ""
    try:
        missing, stale = _lacks(folder, companions(names, os.path.basename(folder)), asked, limit)
    except RecordError as error:
        trouble = str(error)
    except OSError as error:
        trouble = f"cannot read it: {error.strerror}"
    return Answer(folder_shown(path), missing, stale, trouble, is_locked(folder))


def _lacks(folder: str, beside: frozenset[str], asked: Asked, limit: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The missing and the stale features. Raises RecordError and OSError."""
    found = record.read_in(folder, limit)
    present = found.present() | beside
    match asked:
        case Keys(features):
            return tuple(name for name in features if name not in present), ()
        case Offered(offers, policy):
            names = _due(folder, found, present, offers, policy)
    return tuple(name for name in names if name not in present), tuple(name for name in names if name in present)


def _due(
    folder: str, found: Record, present: frozenset[str], offers: tuple[Offer, ...], policy: Policy
) -> tuple[str, ...]:
    facts = Facts(read_folder(folder).stamps, present, found.provenance.entry, {})
    return surely_due(assess(facts, offers, policy), facts, offers, policy)
