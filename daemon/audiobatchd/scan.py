"""Readings of folders: one folder that was hinted at, or a walk over all of them.

Runs in threads; decides nothing itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from audiobatchd import dataset, filesystems, record
from audiobatchd.catalog import Catalog, FolderMemory
from audiobatchd.core.completeness import Assessment, Facts, FileMemory, Offer, Policy, assess, judges
from audiobatchd.core.events import Walked
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.dataset import Listing
from audiobatchd.errors import RecordError
from audiobatchd.filesystems import Kind
from audiobatchd.model import FileStamp, FolderKey
from audiobatchd.names import shown

_BATCH = 64


@dataclass(frozen=True)
class Scanner:
    """Reads folders of one dataset on the terms of these `offers` and this `policy`."""

    root: str
    offers: tuple[Offer, ...]
    policy: Policy
    ignore: tuple[str, ...]
    alone: bool
    catalog: Catalog

    def read(self, path: str) -> Reading:
        """One look at the folder at `path` below the root. It never raises: what hinders it becomes the reading."""
        key = FolderKey(self.root, path)
        try:
            if dataset.is_link_below(self.root, path):
                return Reading(key, Finding.GONE)
            return self._reading(key, dataset.read_folder(self.folder(path), self.ignore))
        except (FileNotFoundError, NotADirectoryError):
            return Reading(key, Finding.GONE)
        except OSError as error:
            return Reading(key, Finding.BLOCKED, reasons={"": f"cannot read the folder: {error.strerror}"})

    def walk(self, paths: tuple[str, ...], deliver: Callable[[tuple[Reading, ...]], None]) -> Walked:
        """Read every track folder from each of `paths` down, in batches.

        Nothing is read where the file system's locks are not shared between machines, unless this one is `alone`.
        """
        walk = _Walk()
        whole = "" in paths
        try:
            root = os.stat(os.path.join(self.root, ""))  # which takes a directory
            kind, filesystem = filesystems.of(self.root)
        except OSError as error:
            remark = "" if isinstance(error, FileNotFoundError) else f"cannot read it: {error.strerror}"
            return Walked(self.root, whole, None, empty=True, seen=frozenset(), remark=remark)
        if kind is Kind.WEAK and not self.alone:
            return self._refused(root, filesystem, whole=whole)
        batch: list[Reading] = []
        for reading in self._readings(paths, walk):
            batch.append(reading)
            if len(batch) >= _BATCH:
                deliver(tuple(batch))
                batch = []
        if batch:
            deliver(tuple(batch))
        identity = (root.st_dev, root.st_ino)
        empty = not walk.entered_anything
        seen = frozenset(walk.seen)
        return Walked(self.root, whole, identity, empty, seen, locks=f"{kind.value} ({filesystem})")

    def _refused(self, root: os.stat_result, filesystem: str, *, whole: bool) -> Walked:
        return Walked(
            self.root,
            whole,
            (root.st_dev, root.st_ino),
            empty=False,
            seen=frozenset(),
            refusal=filesystems.refusal(filesystem),
            locks=f"{Kind.WEAK.value} ({filesystem})",
        )

    def _readings(self, paths: tuple[str, ...], walk: _Walk) -> Iterator[Reading]:
        """Depth first, in the order of names."""
        stack = [path for path in reversed(paths) if not dataset.is_link_below(self.root, path)]
        while stack:
            path = stack.pop()
            key = FolderKey(self.root, path)
            try:
                listing = dataset.read_folder(self.folder(path), self.ignore)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                yield Reading(key, Finding.BLOCKED, reasons={"": f"cannot read the folder: {error.strerror}"})
                continue
            contents = listing.contents
            walk.entered_anything |= bool(contents.directories or contents.sources)
            stack += [os.path.join(path, name) for name in reversed(contents.directories)]
            if contents.is_track:
                walk.seen.add(path)
            if contents.is_track or contents.lacks_mix:
                yield self._reading(key, listing)

    def folder(self, path: str) -> str:
        """The folder at `path` below the root."""
        return os.path.join(self.root, path) if path else self.root

    def _reading(self, key: FolderKey, listing: Listing) -> Reading:
        contents = listing.contents
        if not contents.is_track:
            return Reading(key, Finding.GONE, warnings=("it has stems but no full mix",) if contents.lacks_mix else ())
        warnings = tuple(f"{name} is not measured: another file has its role" for name in contents.shadowed)
        known = self.catalog.recall(key)
        try:
            assessment, memory = self._assess(key, listing, known.files)
        except RecordError as error:
            return self._blocked(key, listing, warnings, str(error))
        except (FileNotFoundError, NotADirectoryError):
            return Reading(key, Finding.GONE)  # since it was listed
        except OSError as error:
            return self._blocked(key, listing, warnings, f"cannot read the record: {error.strerror}")
        finding, reasons = _finding(assessment, listing)
        if finding is Finding.DUE and self._given_up(known, listing):
            finding, reasons = Finding.FAILED, {"": known.verdict}
        return Reading(
            key,
            finding,
            signature=listing.signature,
            access=listing.access,
            on_their_way=bool(contents.temporaries),
            waits_for=shown(contents.temporaries[0]) if contents.temporaries else "",
            due=tuple(f"{role}: {', '.join(due.analyzer for due in work)}" for role, work in assessment.due.items()),
            reasons=reasons,
            warnings=warnings,
            unavailable=len(assessment.unavailable),
            memory=memory,
            charges=known.charges if known.signature == listing.signature else 0,
            suspicions=known.suspicions if known.signature == listing.signature else 0,
        )

    def _blocked(self, key: FolderKey, listing: Listing, warnings: tuple[str, ...], reason: str) -> Reading:
        return Reading(
            key,
            Finding.BLOCKED,
            signature=listing.signature,
            access=listing.access,
            reasons={"": reason},
            warnings=warnings,
        )

    def _given_up(self, known: FolderMemory, listing: Listing) -> bool:
        same = known.signature == listing.signature and known.judges == judges(self.offers)
        return bool(known.verdict) and same and not self.policy.overwrite

    def _assess(
        self, key: FolderKey, listing: Listing, memory: dict[str, FileMemory]
    ) -> tuple[Assessment, dict[str, FileMemory]]:
        """What is due, and what is to be remembered because this reading found it out."""
        found = record.read_in(self.folder(key.path))
        facts = Facts(listing.stamps, found.present() | listing.companions, found.provenance.entry, memory)
        assessment = assess(facts, self.offers, self.policy)
        learnt = dict(memory)
        for role, adopted in assessment.adopted.items():
            if role not in memory or memory[role].adopted != adopted:
                learnt[role] = _adopting(memory.get(role), listing.stamps[role], adopted)
        return assessment, learnt if assessment.due or learnt != memory else {}


@dataclass
class _Walk:
    seen: set[str] = field(default_factory=set)
    entered_anything: bool = False


def _finding(assessment: Assessment, listing: Listing) -> tuple[Finding, dict[str, str]]:
    if assessment.due:
        return Finding.DUE, {}
    if assessment.failed:
        names = listing.contents.sources
        return Finding.FAILED, {names[role]: why for role, why in assessment.failed.items()}
    return Finding.COMPLETE, {}


def _adopting(old: FileMemory | None, stamp: FileStamp, adopted: tuple[str, ...]) -> FileMemory:
    """What is known of the file, with its first sight by these adopted analyzers."""
    if old is not None and old.stamp == stamp:
        return msgspec.structs.replace(old, adopted=adopted)
    return FileMemory(stamp, adopted=adopted)
