"""Surveys: what the track folders of a dataset have and lack, by their records on disk or by what the catalog knows.

Both sources give one shape of result, counted in one place. Nothing is written. Called in threads only.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audiobatchd.control.requests import Surveyed, SurveyedFolder
from audiobatchd.core.assessment import Facts, Offer, Policy, assess
from audiobatchd.core.discovery import companions
from audiobatchd.core.near_misses import Tally, misses_in
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape, assess_shape, features_due, surely_due
from audiobatchd.disk import record
from audiobatchd.disk.listing import read_folder, read_names, walk
from audiobatchd.errors import RecordError
from audiobatchd.locks.observer import is_locked
from audiobatchd.vocabulary.files import RECORD_LIMIT
from audiobatchd.vocabulary.names import folder_at, folder_shown

if TYPE_CHECKING:  # the command line surveys the disk, and is not to load SQLite for that
    from audiobatchd.scan.catalog.sightings import Sighting, Sightings


@dataclass(frozen=True)
class Keys:
    """Ask for the presence of these keys, from any program."""

    features: tuple[str, ...]


@dataclass(frozen=True)
class Offered:
    """Ask for what these analyzers would give, by the rules of completeness."""

    offers: tuple[Offer, ...]
    policy: Policy


Asked = Keys | Offered
_Lack = tuple[list[str], list[str]]
"""The features that are missing, and those that are there and are to be measured again."""


def survey_disk(
    root: str, asked: Asked, ignore: tuple[str, ...] = (), limit: int = RECORD_LIMIT, *, names: bool
) -> Surveyed:
    """Survey the track folders at and below `root` by their records and locks; with `names` tell the incomplete ones.

    A file of which only the time differs is taken for what it was: that is settled by reading all of it, which the
    service does. A record of more than `limit` bytes is the trouble of its folder. Raises OSError for the root.
    """
    tally = Tally()
    total = _counted(_on_disk(root, asked, ignore, limit, tally), asked, names=names)
    total.near_misses.extend(tally.told())
    return total


def survey_catalog(
    dataset: str, sightings: Sightings, asked: Asked, busy: Collection[str], limit: int, *, names: bool
) -> Surveyed:
    """Survey the track folders of `dataset` by their sightings; with `names` tell the incomplete ones.

    `busy` are the folders that are locked, by their paths. A folder of which the catalog does not know enough is looked
    at on disk: its record was in the way, or has too many keys to be kept.
    """
    total = _counted(_in_catalog(dataset, sightings, asked, busy, limit), asked, names=names)
    total.near_misses.extend(sightings.misses(dataset))
    return total


def _counted(folders: Iterable[SurveyedFolder], asked: Asked, *, names: bool) -> Surveyed:
    total = complete = locked = 0
    incomplete: list[SurveyedFolder] = []
    absent = set(asked.features) if isinstance(asked, Keys) else set()
    was_read = False
    for each in folders:
        total += 1
        if not each.trouble:
            was_read = True
            absent.intersection_update(each.missing)
        locked += each.locked
        if not (each.missing or each.stale or each.trouble):
            complete += 1
        elif names:
            incomplete.append(each)
    return Surveyed(total, complete, locked, incomplete, [], sorted(absent) if was_read else [])


def _on_disk(root: str, asked: Asked, ignore: tuple[str, ...], limit: int, tally: Tally) -> Iterator[SurveyedFolder]:
    """Yield every track folder, ordered by path; what is passed over is counted in `tally`."""
    for path, names in walk(root, ignore):
        if isinstance(names, OSError):
            # It may be a track, or hold a thousand.
            why = f"cannot read the folder: {names.strerror}"
            yield SurveyedFolder(folder_shown(path), [], [], why, locked=False)
            continue
        tally.add(path, misses_in(names, path))
        if names.is_track:
            folder = folder_at(root, path)
            beside = companions(names, os.path.basename(folder))
            yield SurveyedFolder(folder_shown(path), *_read(folder, beside, asked, limit), is_locked(folder))


def _in_catalog(
    dataset: str, sightings: Sightings, asked: Asked, busy: Collection[str], limit: int
) -> Iterator[SurveyedFolder]:
    """Yield every track folder, ordered by path. Folders of one shape are judged once: there are thousands."""
    judged: dict[tuple[Shape, Finding], _Lack] = {}
    for sighting in sightings.all(dataset):
        if sighting.finding is Finding.GONE:
            continue
        path, locked = sighting.path, sighting.path in busy
        if sighting.finding is Finding.BLOCKED or (sighting.shape.cut and isinstance(asked, Keys)):
            yield SurveyedFolder(folder_shown(path), *_listed_and_read(folder_at(dataset, path), asked, limit), locked)
            continue
        key = sighting.shape, sighting.finding
        if key not in judged:
            judged[key] = _judged(sighting, asked)
        yield SurveyedFolder(folder_shown(path), *judged[key], "", locked)


def _judged(sighting: Sighting, asked: Asked) -> _Lack:
    shape = sighting.shape
    match asked:
        case Keys(features):
            return [name for name in features if name not in shape.present], []
        case Offered(offers, policy) if sighting.finding is Finding.COMPLETE:
            # It was, and may not be on these terms.
            return _parted(features_due(assess_shape(shape, offers, policy), offers, policy), shape.present)
        case Offered():
            return list(shape.missing), list(shape.stale)


def _listed_and_read(folder: str, asked: Asked, limit: int) -> tuple[list[str], list[str], str]:
    try:
        names = read_names(folder)
    except OSError as error:
        return [], [], f"cannot read the folder: {error.strerror}"
    return _read(folder, companions(names, os.path.basename(folder)), asked, limit)


def _read(folder: str, beside: frozenset[str], asked: Asked, limit: int) -> tuple[list[str], list[str], str]:
    """Read what one folder lacks by its record and the companions `beside` it, and why that cannot be told."""
    try:
        found = record.read_in(folder, limit)
        present = found.present() | beside
        match asked:
            case Keys(features):
                return [name for name in features if name not in present], [], ""
            case Offered(offers, policy):
                facts = Facts(read_folder(folder).stamps, present, found.provenance.entry, {})
                return *_parted(surely_due(assess(facts, offers, policy), facts, offers, policy), present), ""
    except RecordError as error:
        return [], [], str(error)
    except OSError as error:
        return [], [], f"cannot read it: {error.strerror}"


def _parted(due: Iterable[str], present: Collection[str]) -> _Lack:
    missing: list[str] = []
    stale: list[str] = []
    for name in due:
        (stale if name in present else missing).append(name)
    return missing, stale
