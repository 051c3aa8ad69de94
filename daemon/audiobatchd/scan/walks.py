"""Walks over a dataset: every directory, some trees, or a pass over the directories whose time has changed.

They deliver readings in batches, in bounded memory, and take their time where nobody waits. Run in threads; decide
nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from audiobatchd.core.events import Walked, WalkRead
from audiobatchd.core.near_misses import Tally, misses_in
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.shapes import Shape
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.listing import Listing, is_bare, is_link_below
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import sign_of_life
from audiobatchd.vocabulary.files import FileId, FolderKey, NearMiss, in_64_bits
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.states import WalkKind

_BATCH = 64
_PASS_BATCH = 512
_LOOKED_FOR = 1000
_GENTLY = 0.25
"""The share of a core that a walk takes which nobody waits for."""

Deliver = Callable[[WalkRead], None]


def walk(
    scanner: FolderReader,
    paths: tuple[str, ...],
    deliver: Deliver,
    *,
    kind: WalkKind,
    first: bool,
    accepts: bool = False,
) -> Walked:
    """Look at every track folder from each of `paths` down, or, of a PASS, at what has changed in all of them.

    Nothing is read where the file system's locks are not shared between machines, unless this one works there alone.
    `first`: nobody knows yet what is in the dataset. Nor is anything read in another root than before that has none of
    the folders that were known, unless the walk `accepts` whatever is there. Raises whatever `deliver` raises.
    """
    started = time.thread_time()
    root, place = scanner.root, scanner.place
    try:
        status = os.stat(os.path.join(place, ""))  # which takes a directory
        filesystem_kind, filesystem = scanner.in_plenty(partial(filesystems.of, place))
        bare = kind is WalkKind.PASS and scanner.in_plenty(partial(is_bare, place))
    except OSError as error:
        return Walked(root, kind, None, empty=True, remark=_why_missing(root, place, error), place=place)
    identity, locks = FileId.of(status), f"{filesystem_kind.value} ({filesystem})"
    if filesystem_kind is Kind.WEAK and not scanner.alone:
        refusal = filesystems.refusal(filesystem)
        return Walked(root, kind, identity, empty=False, refusal=refusal, locks=locks, place=place)
    if not accepts and scanner.is_elsewhere(status.st_dev) and _is_strange(scanner):
        bare = is_bare(place)
        return Walked(root, kind, identity, empty=bare, locks=locks, place=place, is_strange=True)
    made = _Walk(scanner, deliver, hurried=first, hot=kind is WalkKind.TREES)
    try:
        if kind is not WalkKind.PASS:
            made.down_from(paths)
            if kind is WalkKind.FULL and not accepts:
                made.look_for_the_vanished()
        elif not bare:
            made.over_the_changed(first=first)
    except _RootLostError as error:
        return Walked(root, kind, None, empty=True, remark=f"cannot read it: {error}", place=place)
    return Walked(
        root,
        kind,
        identity,
        empty=bare or made.lost or (kind is not WalkKind.PASS and not made.entered_anything),
        tracks=made.tracks,
        parents=frozenset(made.parents),
        is_track=made.is_track,
        locks=locks,
        cost=time.thread_time() - started,
        near_misses=made.near_misses(kind),
        place=place,
    )


def _why_missing(root: str, place: str, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"cannot read it: {error.strerror}"
    return "" if place == root else f"it leads to {shown(place)}, where there is no directory"


def _is_strange(scanner: FolderReader) -> bool:
    """Whether none of the folders that were known is there; of very many only so many are looked for."""
    known = (each for each in scanner.catalog.sightings.all(scanner.root) if each.finding is not Finding.GONE)
    looked_for = list(islice(known, _LOOKED_FOR))
    return bool(looked_for) and not any(Path(scanner.folder(each.path)).is_dir() for each in looked_for)


def _holds_anything(scanner: FolderReader) -> bool:
    try:
        return not scanner.in_plenty(partial(is_bare, scanner.place))
    except OSError:
        return False


class _RootLostError(Exception):
    """The dataset is not there any more, for this reason: what was seen last is not to be believed."""


class _Walk:
    """One walk on its way: what it came by, and what has not yet been delivered."""

    def __init__(self, scanner: FolderReader, deliver: Deliver, *, hurried: bool, hot: bool) -> None:
        self._scanner = scanner
        self._sightings = scanner.catalog.sightings
        self._deliver = deliver
        self._hurried = hurried
        self._hot = hot
        self._spent = time.thread_time()
        self._judged: dict[Shape, int | None] = {}
        self._unchanged: list[tuple[str, int]] = []
        self._readings: list[Reading] = []
        self._batch: list[tuple[str, Listing]] = []
        self._listed = 0
        self.tracks = 0
        self.parents: set[str] = set()
        self.is_track = False
        self.entered_anything = False
        self.lost = False
        self._tally = Tally()

    def down_from(self, paths: tuple[str, ...]) -> None:
        """List every directory, depth first, in the order of names."""
        place = self._scanner.place
        stack = [path for path in reversed(paths) if not is_link_below(place, path)]
        while stack:
            path = stack.pop()
            listing = self._list(path)
            if listing is not None:
                stack += [os.path.join(path, name) for name in reversed(listing.contents.directories)]
        self._take()

    def look_for_the_vanished(self) -> None:
        """After all was listed: where more is known than that, look which directories are gone."""
        if self._sightings.size(self._scanner.root) <= self._listed or not self.tracks:
            return
        known = (each.path for each in self._sightings.all(self._scanner.root))
        gone = [path for path in known if not self._scanner.is_entered(path) or self._time_of(path) is None]
        if gone and _holds_anything(self._scanner):
            self._look_again([], gone)

    def over_the_changed(self, *, first: bool) -> None:
        """List those whose time has changed, and what is new in them; with `first` read all that are not complete."""
        changed: list[str] = []
        gone: list[str] = []
        ignored: list[str] = []
        tracks = 0
        for sighting in self._sightings.all(self._scanner.root):
            self._listed += 1
            self.entered_anything = True
            if not sighting.leaf:  # before its time is looked at, so that nothing can happen in between
                self._scanner.watch.enter(self._scanner.root, sighting.path, leaf=False)
            if not self._scanner.is_entered(sighting.path):
                ignored.append(sighting.path)
                continue
            time_of = self._time_of(sighting.path)
            if sighting.finding is not Finding.GONE:
                tracks += 1
                if time_of is not None:
                    self._came_by(sighting.path)
            match time_of:
                case None:
                    gone.append(sighting.path)
                case moment if not moment or moment != sighting.time:
                    changed.append(sighting.path)
                case _ if first:
                    self._as_it_was(sighting, changed)
            if len(self._unchanged) >= _PASS_BATCH:
                self._send()
        if gone and (not _holds_anything(self._scanner) or (tracks and not self.tracks)):
            self.lost = True  # a mount went: nothing of that is to be believed
            return
        self._look_again(changed, gone + ignored)

    def near_misses(self, kind: WalkKind) -> tuple[NearMiss, ...] | None:
        """What is passed over in the whole dataset; None where a part was walked and nothing remembers the rest."""
        if self._scanner.catalog.lasts:
            return self._sightings.misses(self._scanner.root)
        return self._tally.told() if kind is WalkKind.FULL else None

    def _time_of(self, path: str) -> int | None:
        """The directory's mtime; 0 where that cannot be told, None where there is none."""
        sign_of_life()
        try:
            return in_64_bits(os.stat(self._scanner.folder(path)).st_mtime_ns)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return 0

    def _as_it_was(self, sighting: Sighting, changed: list[str]) -> None:
        if sighting.finding is Finding.GONE:
            return
        unavailable = self._unavailable(sighting.shape) if sighting.finding is Finding.COMPLETE else None
        if unavailable is None:
            changed.append(sighting.path)
        else:
            self._unchanged.append((sighting.path, unavailable))

    def _look_again(self, changed: list[str], gone: list[str]) -> None:
        """List the changed ones, and walk what is new in them."""
        new: list[str] = []
        root = self._scanner.root
        for path in changed:
            listing = self._list(path)
            if listing is not None:
                inside = [os.path.join(path, name) for name in listing.contents.directories]
                known = self._sightings.recall(root, inside)
                new += [each for each in inside if each not in known]
        self._take()
        for path in gone:
            self._scanner.watch.forget(root, path)
            self._readings.append(Reading(FolderKey(root, path), Finding.GONE))
        self._sightings.forget(root, gone)
        self._send()
        self.down_from(tuple(new))

    def _list(self, path: str) -> Listing | None:
        """List one directory, to be looked into; None where it is gone or cannot be read, which is told."""
        self._listed += 1
        sign_of_life()
        try:
            listing = self._scanner.listing(path, hot=self._hot)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if self._scanner.is_lost():
                raise _RootLostError(error.strerror) from error
            self._take()
            key = FolderKey(self._scanner.root, path)
            why = {"": f"cannot read the folder: {error.strerror}"}
            self._readings.append(Reading(key, Finding.BLOCKED, reasons=why))
            return None
        self._batch.append((path, listing))
        if len(self._batch) >= _BATCH:
            self._take()
        return listing

    def _take(self) -> None:
        """Look into what was listed, as far as it is not as it was."""
        scanner, root = self._scanner, self._scanner.root
        batch, self._batch = self._batch, []
        known = self._sightings.recall(root, [path for path, _ in batch])
        noted: list[Sighting] = []
        gone: list[str] = []
        for path, listing in batch:
            misses = misses_in(listing.contents, path)
            self._tally.add(path, misses)
            contents, old = listing.contents, known.get(path)
            self.entered_anything |= bool(contents.directories or contents.sources)
            unavailable = scanner.unchanged(old, listing)
            if contents.is_track:
                self._came_by(path)
            if old is not None and unavailable is not None:
                self._unchanged.append((path, unavailable))
                noted.append(msgspec.structs.replace(old, time=listing.time, misses=frozenset(misses)))
                continue
            sign_of_life()
            reading, sighting = scanner.look(FolderKey(root, path), listing, old)
            if contents.is_track or contents.lacks_mix or (old is not None and old.finding is not Finding.GONE):
                self._readings.append(reading)
            if sighting is None:
                gone.append(path)
            else:
                noted.append(sighting)
        self._sightings.note(root, noted, known)
        self._sightings.forget(root, gone)
        self._send()

    def _unavailable(self, shape: Shape) -> int | None:
        if shape not in self._judged:
            self._judged[shape] = self._scanner.unavailable(shape)
        return self._judged[shape]

    def _came_by(self, path: str) -> None:
        self.tracks += 1
        if path:
            self.parents.add(path.rpartition("/")[0])
        else:
            self.is_track = True

    def _send(self) -> None:
        if self._readings or self._unchanged:
            readings, unchanged = tuple(self._readings), tuple(self._unchanged)
            self._deliver(WalkRead(readings, self._scanner.root, unchanged, self._listed))
            self._readings, self._unchanged = [], []
        if not self._hurried:
            spent = time.thread_time() - self._spent
            time.sleep(min(1.0, spent * (1 / _GENTLY - 1)))
            self._spent = time.thread_time()
