"""What every track folder of a dataset has and lacks, by what the daemon knows of it: `survey` without the disk.

A folder whose record was in the way, or has too many keys to be kept, is looked at again. Called in a thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from audiobatchd.control.requests import Surveyed, SurveyedFolder
from audiobatchd.core.assessment import Offer, Policy
from audiobatchd.core.readings import Finding
from audiobatchd.core.shapes import Shape, assess_shape, features_due
from audiobatchd.scan.catalog.sightings import Sighting, Sightings
from audiobatchd.scan.survey import Asked, Keys, look
from audiobatchd.vocabulary.names import folder_shown


def census(
    dataset: str, sightings: Sightings, asked: Asked, busy: Collection[str], limit: int, *, names: bool
) -> Surveyed:
    """Count the folders, and with `names` tell what each incomplete one lacks.

    `busy` are those that are locked, `limit` is how many bytes a record may have.
    """
    total = complete = locked = 0
    folders: list[SurveyedFolder] = []
    for path, answer in _answers(dataset, sightings, asked, limit):
        total += 1
        is_busy = path in busy
        locked += is_busy
        if answer is None:
            complete += 1
        elif names:
            missing, stale, trouble = answer
            folders.append(SurveyedFolder(folder_shown(path), list(missing), list(stale), trouble, is_busy))
    return Surveyed(total, complete, locked, folders, list(sightings.misses(dataset)))


_Answer = tuple[tuple[str, ...], tuple[str, ...], str]


def _answers(dataset: str, sightings: Sightings, asked: Asked, limit: int) -> Iterator[tuple[str, _Answer | None]]:
    """Every track folder by path; what it lacks, or None where it lacks nothing."""
    judged: dict[tuple[Shape, bool], _Answer | None] = {}
    for sighting in sightings.all(dataset):
        if sighting.finding is Finding.GONE:
            continue
        if sighting.finding is Finding.BLOCKED or (sighting.shape.cut and isinstance(asked, Keys)):
            yield sighting.path, look(dataset, sighting.path, asked, limit).lacks
            continue
        key = (sighting.shape, sighting.finding is Finding.COMPLETE)
        if key not in judged:
            judged[key] = _judge(sighting, asked)
        yield sighting.path, judged[key]


def _judge(sighting: Sighting, asked: Asked) -> _Answer | None:
    shape = sighting.shape
    if isinstance(asked, Keys):
        missing = tuple(name for name in asked.features if name not in shape.present)
        return (missing, (), "") if missing else None
    if sighting.finding is Finding.COMPLETE:
        return _lacks(shape, asked.offers, asked.policy)
    return (shape.missing, shape.stale, "") if shape.missing or shape.stale else None


def _lacks(shape: Shape, offers: tuple[Offer, ...], policy: Policy) -> _Answer | None:
    """What a folder that was complete lacks on these terms."""
    due = features_due(assess_shape(shape, offers, policy), offers, policy)
    missing = tuple(name for name in due if name not in shape.present)
    return (missing, tuple(name for name in due if name in shape.present), "") if due else None
