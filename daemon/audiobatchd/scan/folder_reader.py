"""Readings of one folder: its names, its files' stamps, its record, and what that amounts to.

All that is read is noted in the catalog's sightings, which spare reading it again: a folder whose files, record and
permissions are as they were is judged by its shape. Which folders are looked at is the business of `walks`. Runs in
threads; decides nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import TypeVar

import msgspec

from audiobatchd.core.assessment import Assessment, Facts, Offer, Policy, assess, judges, renewed
from audiobatchd.core.discovery import enters, is_companion
from audiobatchd.core.file_memory import FileMemory, adopting, disowning
from audiobatchd.core.near_misses import misses_in
from audiobatchd.core.provenance import Provenance
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.shapes import Shape, accounts_of, assess_shape, idle_accounts, remembered, surely_due
from audiobatchd.disk import filesystems, record
from audiobatchd.disk.listing import Listing, is_bare, is_link_below, openness, read_folder
from audiobatchd.errors import RecordError, UnclearRecordError
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.catalog.sightings import NO_MISSES, NO_SHAPE, Sighting
from audiobatchd.scan.values import Found, decoded
from audiobatchd.scan.watch.contract import DirectoryWatch, NoWatch
from audiobatchd.vocabulary.files import RECORD_LIMIT, FileId, FileStamp, FolderKey
from audiobatchd.vocabulary.names import folder_at, shown
from audiobatchd.vocabulary.states import Cause, in_one_line

_Result = TypeVar("_Result")
Look = tuple[Reading, Sighting | None, Found | None]
"""What the core is told of a folder, and what is to be noted: None where nothing is there, or it cannot be read."""
_MANY_KEYS = 1000
"""Largest number of keys of one record that are kept in the catalog."""
_MANY_ANALYZERS = 100
"""Largest number of analyzers of one record that are not at work of which the catalog keeps what they did."""


def _raise(error: OSError) -> None:
    raise error


@dataclass(frozen=True)
class FolderReader:
    """Reads folders of one dataset, on the terms of these `offers` and this `policy`."""

    root: str
    """The dataset's path as it is configured."""
    offers: tuple[Offer, ...]
    policy: Policy
    ignore: tuple[str, ...]
    """Glob patterns of directories that are not entered."""
    alone: bool
    """True where no other machine works on the dataset."""
    catalog: Catalog
    marker: str | None = None
    """A track folder without a file of this name is still on its way; None: there is no such file."""
    watch: DirectoryWatch = field(default_factory=NoWatch)
    """The watch that is told of every directory before it is listed."""
    short: Callable[[OSError], None] = _raise
    """Is called when this process is short of descriptors or memory, which is no folder's fault; waits, or raises."""
    record_limit: int = RECORD_LIMIT
    """Bytes that a record may have."""
    worker_memory: int = 0
    """Bytes that a worker may have."""
    known: tuple[FileId | None, str] | None = None
    """The root and its place when a walk was last believed; None: as the catalog has them."""

    @cached_property
    def place(self) -> str:
        """The place that `root` leads to, without links: all is read there, also when a link changes meanwhile."""
        return os.path.realpath(self.root)

    def read(self, path: str) -> Reading:
        """Read the folder at `path` below the root, and note it as seen, so the core has to hear of it.

        Never raises: an error becomes the reading.
        """
        sightings = self.catalog.sightings
        known = sightings.recall(self.root, [path])
        old = known.get(path)
        reading, sighting, found = self.look_at(path, old)
        if sighting is not None:
            sightings.note(self.root, [sighting], known, {path: found} if found else {})
            if self.catalog.lasts and sighting.misses != (old.misses if old else NO_MISSES):
                return msgspec.structs.replace(reading, passed_over=True)
        elif reading.finding is Finding.GONE:
            self.watch.forget(self.root, path)
            if known:
                sightings.forget(self.root, [path])
        return reading

    def peek(self, path: str) -> Reading:
        """Read as `read` does, without a trace: a folder that the core has not heard of stays unknown."""
        unnoticed = replace(self, watch=NoWatch())
        return unnoticed.look_at(path, self.catalog.sightings.recall(self.root, [path]).get(path))[0]

    def look_at(self, path: str, old: Sighting | None) -> Look:
        """Read what is at `path`."""
        key = FolderKey(self.root, path)
        try:
            if not self.is_entered(path) or is_link_below(self.place, path):
                return Reading(key, Finding.GONE), None, None
            listing = self.listing(path, hot=True)
        except (FileNotFoundError, NotADirectoryError):
            return Reading(key, Finding.LOST if self.is_lost() else Finding.GONE), None, None
        except OSError as error:
            reasons = {"": f"cannot read the folder: {error.strerror}"}
            return Reading(key, Finding.BLOCKED, reasons=reasons), None, None
        return self.look(key, listing, old)

    def is_entered(self, path: str) -> bool:
        """Tell whether a walk would enter the directory at `path`, by its name."""
        return not path or all(enters(name, self.ignore) for name in path.split("/"))

    def is_lost(self) -> bool:
        """Tell whether the dataset as it was known is not there: no root, nothing in it, or another root."""
        try:
            bare = self.in_plenty(partial(is_bare, self.place))
            return bare or self.is_elsewhere(os.stat(self.place).st_dev)
        except OSError:
            return True

    def in_plenty(self, work: Callable[[], _Result]) -> _Result:
        """Do `work`, again and again while this process is short of something; its result."""
        while True:
            try:
                return work()
            except OSError as error:
                if filesystems.cause_of(error) is not Cause.SHORTAGE:
                    raise
                self.short(error)

    def is_elsewhere(self, device: int) -> bool:
        """Tell whether the root was on another `device` before, or its links led elsewhere."""
        facts = self.catalog.facts
        root, place = self.known or (facts.root(self.root), facts.place(self.root))
        return (root is not None and root.device != device) or (bool(place) and place != self.place)

    def folder(self, path: str) -> str:
        """Name the directory at `path` below the root."""
        return folder_at(self.place, path)

    def listing(self, path: str, *, hot: bool = False, names_alone: bool = False) -> Listing:
        """List a directory, with the watch on it set up before. Raises OSError."""
        self.watch.enter(self.root, path, leaf=None, hot=hot)
        listing = self.in_plenty(
            partial(read_folder, self.folder(path), self.ignore, self.marker, names_alone=names_alone)
        )
        self.watch.listed(self.root, path, leaf=listing.contents.is_track and not listing.contents.directories)
        return listing

    def unchanged(self, old: Sighting | None, listing: Listing) -> int | None:
        """Count what is unavailable in a complete folder that is as it was; None where it has to be read."""
        if old is None or old.finding is not Finding.COMPLETE or listing.contents.temporaries:
            return None
        if (old.signature, old.access) != (listing.signature, listing.access) or listing.contents.shadowed:
            return None
        if listing.companions != {name for name in old.shape.present if is_companion(name)}:
            return None
        return self.unavailable(old.shape)

    def unavailable(self, shape: Shape) -> int | None:
        """Count the features that a complete folder of this shape lacks here; None where something is due in it."""
        if self.policy.overwrite:
            return None
        assessment = assess_shape(shape, self.offers, self.policy)
        return None if assessment.is_due else len(assessment.unavailable)

    def look(self, key: FolderKey, listing: Listing, old: Sighting | None) -> Look:
        """Read a folder that was listed."""
        contents = listing.contents
        if not contents.is_track:
            return self._no_track(key, listing), _sighting(key, listing, Finding.GONE), None
        known = self.catalog.folders.recall(key)
        at_rest = old is not None and old.finding is Finding.COMPLETE and old.signature == listing.signature
        try:
            found = self.in_plenty(partial(record.read_in, self.folder(key.path), self.record_limit))
            entry = cache(found.provenance.entry)  # looked up by every judgement and account, and decoded once
            values = decoded(found.values)
            present = frozenset(key for key, value in values.items() if value is not None)
            facts = Facts(listing.stamps, present | listing.companions, entry, known.files)
            assessment = assess(facts, self.offers, self.policy)
            shape = self._shape(facts, assessment, found.provenance)
        except RecordError as error:
            unclear = _stamped(listing) if isinstance(error, UnclearRecordError) else ""
            return self._blocked(key, listing, str(error), unclear)
        except (FileNotFoundError, NotADirectoryError):
            return Reading(key, Finding.GONE), None, None  # since it was listed
        except OSError as error:
            return self._blocked(key, listing, f"cannot read the record: {error.strerror}")
        finding, reasons = self._finding(assessment, listing, known)
        counts = (known.charges, known.suspicions) if self._counts(known, listing) else (0, 0)
        reading = Reading(
            key,
            finding,
            signature=listing.signature,
            access=self._access(key, listing) if finding is Finding.DUE else listing.access,
            on_their_way=bool(contents.temporaries),
            waits_for=shown(contents.temporaries[0]) if contents.temporaries else "",
            due=_in_words(assessment),
            reasons=reasons,
            warnings=_warnings(listing),
            unavailable=len(assessment.unavailable),
            memory=_learnt(assessment, listing, known.files),
            charges=counts[0],
            suspicions=counts[1],
            at_rest=at_rest,
            renewed=renewed(assessment, self.offers, self.policy) if finding is Finding.DUE else (),
            # Emptied is what a record is before it is written in place.
            unclear=_stamped(listing) if listing.record is not None and not listing.record[1] else "",
        )
        return (
            reading,
            _sighting(key, listing, finding, shape),
            Found(key.path, finding, in_one_line(reasons), values),
        )

    def _no_track(self, key: FolderKey, listing: Listing) -> Reading:
        warnings = ("it has stems but no full mix",) if listing.contents.lacks_mix else ()
        return Reading(key, Finding.GONE, warnings=warnings, has_record=record.is_in(self.folder(key.path)))

    def _finding(self, assessment: Assessment, listing: Listing, known: FolderMemory) -> tuple[Finding, dict[str, str]]:
        """Find what state the folder is in, with the reasons of a failure."""
        if assessment.is_due:
            return (Finding.FAILED, {"": known.verdict}) if self._given_up(known, listing) else (Finding.DUE, {})
        if assessment.failed:
            names = listing.contents.sources
            return Finding.FAILED, {names[role]: why for role, why in assessment.failed.items()}
        return Finding.COMPLETE, {}

    def _shape(self, facts: Facts, assessment: Assessment, provenance: Provenance) -> Shape:
        roles = tuple(facts.files)
        at_work = tuple(offer.name for offer in self.offers if offer.asked and offer.unavailable is None)
        idle = sorted(name for name in provenance.analyzers.keys() - at_work)[:_MANY_ANALYZERS]
        accounts = (*accounts_of(roles, at_work, facts.entry), *idle_accounts(facts, idle))
        replaced, disowned_names = remembered(facts)
        if facts.memory:
            disowned = {role: each.disowned for role, each in facts.memory.items() if each.disowned}
            facts = msgspec.structs.replace(facts, memory=disowning({}, disowned))
            assessment = assess(facts, self.offers, self.policy)
        due = surely_due(assessment, facts, self.offers, self.policy)
        missing = tuple(name for name in due if name not in facts.present)
        stale = tuple(name for name in due if name in facts.present)
        present, cut = facts.present, len(facts.present) > _MANY_KEYS
        if cut:
            given = {name for offer in self.offers for names in offer.features.values() for name in names}
            present = frozenset(given & present).union(filter(is_companion, present))
        # No feature has half of a character in its name, and the catalog cannot keep it.
        names = (key for key in present if key.isascii() or key.encode(errors="ignore").decode() == key)
        return Shape(roles, tuple(sorted(names)), accounts, missing, stale, cut, replaced, disowned_names)

    def _access(self, key: FolderKey, listing: Listing) -> str:
        """Describe what may block a job: a change may end that. A job says the same, see `worker.process.job`."""
        return f"{listing.access} {openness(self.folder(key.path))}"

    def _blocked(self, key: FolderKey, listing: Listing, reason: str, unclear: str = "") -> Look:
        reading = Reading(
            key,
            Finding.BLOCKED,
            signature=listing.signature,
            access=self._access(key, listing),
            reasons={"": reason},
            warnings=_warnings(listing),
            unclear=unclear,
        )
        return reading, _sighting(key, listing, Finding.BLOCKED), Found(key.path, Finding.BLOCKED, reason, {})

    def _counts(self, known: FolderMemory, listing: Listing) -> bool:
        """Tell whether charges still count: not for other files, nor, once it is given up, by other analyzers."""
        return known.signature == listing.signature and (not known.judges or self._judges_still(known))

    def _given_up(self, known: FolderMemory, listing: Listing) -> bool:
        same = known.signature == listing.signature and self._judges_still(known)
        return bool(known.verdict) and same and not self.policy.overwrite

    def _judges_still(self, known: FolderMemory) -> bool:
        """Tell whether the analyzers, and a worker's memory where it was the reason, are those that gave it up."""
        return known.judges in (judges(self.offers), judges(self.offers, self.worker_memory))


def _stamped(listing: Listing) -> str:
    """Make a signature of the record's stamp; empty where it is no file that could be half-written."""
    return " ".join(map(str, listing.record)) if listing.record else ""


def _sighting(key: FolderKey, listing: Listing, finding: Finding, shape: Shape = NO_SHAPE) -> Sighting:
    """The sighting of a directory that was listed; of one that is no track folder its time alone matters."""
    misses = frozenset(misses_in(listing.contents, key.path))
    if finding is Finding.GONE:
        return Sighting(key.path, listing.time, misses=misses)
    leaf = not listing.contents.directories
    return Sighting(key.path, listing.time, listing.signature, listing.access, finding, leaf, shape, misses)


def _warnings(listing: Listing) -> tuple[str, ...]:
    return tuple(f"{name} is not measured: another file has its role" for name in listing.contents.shadowed)


def _in_words(assessment: Assessment) -> tuple[str, ...]:
    """Say what is due, a file each, and last what is only struck out."""
    work = [f"{role}: {', '.join(due.analyzer for due in each)}" for role, each in assessment.due.items()]
    return (*work, *((f"struck out: {', '.join(assessment.struck)}",) if assessment.struck else ()))


def _learnt(assessment: Assessment, listing: Listing, memory: dict[str, FileMemory]) -> dict[str, FileMemory]:
    """Collect what is to be remembered: what a job needs, or this reading found out; nothing where it is known."""
    learnt = dict(memory)
    for role, adopted in assessment.adopted.items():
        if role not in memory or not set(adopted) <= set(memory[role].adopted):
            learnt[role] = _adopting(memory.get(role), listing.stamps[role], adopted)
    return learnt if assessment.is_due or learnt != memory else {}


def _adopting(old: FileMemory | None, stamp: FileStamp, adopted: tuple[str, ...]) -> FileMemory:
    """Add to the memory of a file that these analyzers' results were adopted for it."""
    if old is None:
        return FileMemory(stamp, adopted=adopted)
    new = old if old.stamp == stamp else FileMemory(stamp, disowned=old.disowned)
    return adopting(old, msgspec.structs.replace(new, adopted=adopted))
