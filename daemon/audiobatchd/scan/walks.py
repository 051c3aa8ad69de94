"""Walks over a dataset: every directory, some trees, or a pass over the directories whose time has changed.

They deliver readings in batches, in bounded memory, and take their time where nothing waits for them. Run in threads;
decide nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from zlib import crc32

import msgspec

from audiobatchd.core.discovery import enters
from audiobatchd.core.events import Walked, WalkRead
from audiobatchd.core.near_misses import Tally, misses_in
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.core.shapes import Shape
from audiobatchd.disk import filesystems, shares
from audiobatchd.disk.filesystems import Kind
from audiobatchd.disk.listing import Listing, is_bare, is_link_below
from audiobatchd.scan.catalog.sightings import Sighting
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import sign_of_life
from audiobatchd.scan.values import Found
from audiobatchd.vocabulary.files import FileId, FolderKey, NearMiss, in_64_bits
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.shard import Shard
from audiobatchd.vocabulary.states import WalkKind

_BATCH = 64
"""Number of directories that are listed before they are looked into."""
_PASS_BATCH = 512
"""Number of folders, of those that are as they were, that are delivered at once."""
_LOOKED_FOR = 1000
"""Number of known folders that are looked for in a root that is another one."""
_GENTLY, _STINT = 0.25, 0.05
"""The share of a core that a walk takes when nothing waits for it, and seconds of processor time until it rests.

After each rest the processor's caches are cold: with a rest after every 512 directories a pass takes a fifth longer.
"""

Deliver = Callable[[WalkRead], None]


def walk(
    reader: FolderReader,
    paths: Sequence[str],
    deliver: Deliver,
    *,
    kind: WalkKind,
    first: bool,
    accepts: bool = False,
    shard: Shard | None = None,
    order: int = 0,
) -> Walked:
    """Look at every track folder from each of `paths` down, or, of a PASS, at what has changed in all of them.

    Nothing is read where the file system's locks are not shared between machines, unless this one works there alone.
    `first`: it is not known yet what is in the dataset. Nor is anything read in another root than before that has none
    of the folders that were known, unless the walk `accepts` whatever is there. Of track folders that are of another
    shard than `shard` only the names are read, which tell what lies below them. Each `order` but 0 is one of its own.
    Raises whatever `deliver` raises.
    """
    started = time.thread_time()
    place = reader.place
    walked = partial(Walked, reader.root, kind, place=place)
    try:
        status = os.stat(os.path.join(place, ""))  # which takes a directory
        filesystem_kind, filesystem = reader.in_plenty(partial(shares.of, place))
        bare = kind is WalkKind.PASS and reader.in_plenty(partial(is_bare, place))
    except OSError as error:
        return walked(None, empty=True, remark=_why_missing(reader.root, place, error))
    identity, locks = FileId.of(status), f"{filesystem_kind.value} ({filesystem})"
    if filesystem_kind is Kind.WEAK and not reader.alone:
        return walked(identity, empty=False, refusal=filesystems.refusal(filesystem), locks=locks)
    if not accepts and reader.is_elsewhere(identity.device) and _is_strange(reader):
        return walked(identity, empty=is_bare(place), locks=locks, is_strange=True)
    made = _Walk(reader, _Outbox(reader.root, deliver, hurried=first), kind, shard, order)
    try:
        if not bare:
            made.go(paths, first=first, accepts=accepts)
    except _RootLostError as error:
        return walked(None, empty=True, remark=f"cannot read it: {error}")
    return walked(
        identity,
        empty=bare or made.is_empty,
        tracks=made.tracks,
        parents=frozenset(made.parents),
        is_track=made.is_track,
        locks=locks,
        cost=time.thread_time() - started,
        near_misses=made.near_misses(),
        of_others=made.of_others,
    )


def _why_missing(root: str, place: str, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"cannot read it: {error.strerror}"
    return "" if place == root else f"it leads to {shown(place)}, where there is no directory"


def _is_strange(reader: FolderReader) -> bool:
    """Tell whether none of the known folders is there; of very many some are looked for."""
    known = (each for each in reader.catalog.sightings.all(reader.root) if each.finding is not Finding.GONE)
    looked_for = list(islice(known, _LOOKED_FOR))
    return bool(looked_for) and not any(Path(reader.folder(each.path)).is_dir() for each in looked_for)


def _holds_anything(reader: FolderReader) -> bool:
    try:
        return not reader.in_plenty(partial(is_bare, reader.place))
    except OSError:
        return False


class _RootLostError(Exception):
    """Raised during a walk where the dataset is not there any more: what was seen last is not to be believed."""


class _Outbox:
    """The readings of a walk that have not been delivered yet."""

    def __init__(self, root: str, deliver: Deliver, *, hurried: bool) -> None:
        self.readings: list[Reading] = []
        self.unchanged: list[tuple[str, int]] = []
        """The complete folders that are as they were, with the number of features that are unavailable in each."""
        self.listed = 0
        """Number of directories that the walk has come to."""
        self._root = root
        self._deliver = deliver
        self._hurried = hurried
        """True where something waits for the walk, so that it takes all the time it can get."""
        self._spent = time.thread_time()

    def send(self) -> None:
        """Deliver what there is, and rest now and then unless the walk is hurried."""
        if self.readings or self.unchanged:
            readings, unchanged = tuple(self.readings), tuple(self.unchanged)
            self._deliver(WalkRead(readings, self._root, unchanged, self.listed))
            self.readings, self.unchanged = [], []
        spent = time.thread_time() - self._spent
        if not self._hurried and spent >= _STINT:
            time.sleep(min(1.0, spent * (1 / _GENTLY - 1)))
            self._spent = time.thread_time()


class _Walk:
    """A walk under way over one dataset."""

    def __init__(self, reader: FolderReader, outbox: _Outbox, kind: WalkKind, shard: Shard | None, order: int) -> None:
        self._reader = reader
        self._sightings = reader.catalog.sightings
        self._outbox = outbox
        self._kind = kind
        self._shard = shard
        self._order = order
        self.of_others = 0
        """Number of track folders of other shards."""
        self._judged: dict[Shape, int | None] = {}
        """Answers of `FolderReader.unavailable`, by shape."""
        self._batch: list[tuple[str, Listing]] = []
        """Directories that were listed and not yet looked into."""
        self.tracks = 0
        """Number of track folders that it came by."""
        self.parents: set[str] = set()
        """The directories that hold them."""
        self.is_track = False
        """True where the root is one itself."""
        self._entered_anything = False
        """True where the root holds anything to be entered or measured."""
        self._lost = False
        """True where a mount went during the walk: nothing that it came by is to be believed then."""
        self._tally = Tally()
        self._place = reader.place

    def go(self, paths: Sequence[str], *, first: bool, accepts: bool) -> None:
        """Walk; see `walk`. Raises _RootLostError."""
        if self._kind is WalkKind.PASS:
            self._over_the_changed(first=first)
            return
        self._down_from(paths)
        if self._kind is WalkKind.FULL and not accepts:
            self._look_for_the_vanished()

    @property
    def is_empty(self) -> bool:
        """True where nothing is there, as after a mount went."""
        return self._lost or (self._kind is not WalkKind.PASS and not self._entered_anything)

    def near_misses(self) -> tuple[NearMiss, ...] | None:
        """Tell what is passed over in the whole dataset; None where the rest of it is not known."""
        if self._reader.catalog.lasts:
            return self._sightings.misses(self._reader.root)
        return self._tally.told() if self._kind is WalkKind.FULL else None

    def _down_from(self, paths: Sequence[str]) -> None:
        """List every directory, depth first, in the order of names or another."""
        place = self._reader.place
        stack = [path for path in reversed(paths) if not is_link_below(place, path)]
        while stack:
            path = stack.pop()
            listing = self._list(path)
            if listing is not None:
                stack += [os.path.join(path, name) for name in reversed(self._ordered(listing.contents.directories))]
        self._take()

    def _ordered(self, names: Sequence[str]) -> Sequence[str]:
        """Put names in the order in which they are entered."""
        return names if not self._order else sorted(names, key=lambda name: crc32(os.fsencode(name), self._order))

    def _look_for_the_vanished(self) -> None:
        """Find directories that are gone, where more are known than were listed."""
        if self._sightings.size(self._reader.root) <= self._outbox.listed or not self.tracks:
            return
        known = (each.path for each in self._sightings.all(self._reader.root))
        gone = [path for path in known if not self._reader.is_entered(path) or self._is_gone(path)]
        if gone and _holds_anything(self._reader):
            self._look_again([], gone)

    def _over_the_changed(self, *, first: bool) -> None:
        """List those whose time has changed, and what is new in them; with `first` read all that are not complete."""
        changed: list[str] = []
        gone: list[str] = []
        ignored: list[str] = []
        tracks = 0
        root, known = self._reader.root, self._sightings
        for sighting, mtime in self._timed(known.all(root) if first else known.looks(root), ignored):
            path = sighting.path
            if sighting.finding is not Finding.GONE:
                tracks += 1
                if mtime is not None:
                    self._came_by(path)
            if mtime is None:
                gone.append(path)
            elif not mtime or mtime != sighting.time:
                changed.append(path)
            elif first:
                self._as_it_was(sighting, changed)
        if gone and (not _holds_anything(self._reader) or (tracks and not self.tracks)):
            self._lost = True
            return
        self._look_again(changed, gone + ignored)

    def _timed(self, sightings: Iterable[Sighting], ignored: list[str]) -> Iterator[tuple[Sighting, int | None]]:
        """Yield each with the directory's mtime now: 0 where that cannot be told, None where there is no directory.

        Those that a walk does not enter are put among the `ignored` instead.
        """
        reader, root, place, ignore = self._reader, self._reader.root, self._place, self._reader.ignore
        above, is_entered = "", True
        # Of most it is all that is done, for each of a million folders, again and again: hence without calls.
        for number, sighting in enumerate(sightings):
            if number % _PASS_BATCH == 0:
                self._outbox.listed = number
                sign_of_life()
                self._outbox.send()
            path = sighting.path
            if not sighting.leaf:  # before its time is looked at, so that nothing can happen in between
                reader.watch.enter(root, path, leaf=False)
            parent, _, name = path.rpartition("/")
            if parent != above:
                above, is_entered = parent, reader.is_entered(parent)
            if not is_entered or (path and not enters(name, ignore)):
                ignored.append(path)
                continue
            mtime: int | None
            try:
                mtime = os.stat(f"{place}/{path}").st_mtime_ns
            except (FileNotFoundError, NotADirectoryError):
                mtime = None
            except OSError:
                mtime = 0
            if mtime and mtime != sighting.time:
                mtime = in_64_bits(mtime)
            yield sighting, mtime

    def _is_gone(self, path: str) -> bool:
        try:
            os.stat(f"{self._place}/{path}")
        except OSError as error:
            return isinstance(error, FileNotFoundError | NotADirectoryError)
        return False

    def _as_it_was(self, sighting: Sighting, changed: list[str]) -> None:
        if sighting.finding is Finding.GONE:
            return
        unavailable = self._unavailable(sighting.shape) if sighting.finding is Finding.COMPLETE else None
        if unavailable is None:
            changed.append(sighting.path)
        else:
            self._outbox.unchanged.append((sighting.path, unavailable))

    def _look_again(self, changed: list[str], gone: list[str]) -> None:
        """List the changed ones, and walk what is new in them."""
        new: list[str] = []
        root = self._reader.root
        for path in changed:
            listing = self._list(path)
            if listing is not None:
                above = os.path.join(path, "")
                inside = (above + name for name in listing.contents.directories)
                for part in self._sightings.unknown(root, inside):  # a flat dataset has all in one directory
                    new += part
                    sign_of_life()
                    self._outbox.send()
        self._take()
        for path in gone:
            self._reader.watch.forget(root, path)
            self._outbox.readings.append(Reading(FolderKey(root, path), Finding.GONE))
        self._sightings.forget(root, gone)
        self._outbox.send()
        self._down_from(new)

    def _list(self, path: str) -> Listing | None:
        """List one directory, to be looked into; None where it is gone or cannot be read, which is told."""
        self._outbox.listed += 1
        sign_of_life()
        try:
            hot, names_alone = self._kind is WalkKind.TREES, self._is_of_others(path)
            listing = self._reader.listing(path, hot=hot, names_alone=names_alone)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if self._reader.is_lost():
                raise _RootLostError(error.strerror) from error
            self._take()
            key = FolderKey(self._reader.root, path)
            why = {"": f"cannot read the folder: {error.strerror}"}
            self._outbox.readings.append(Reading(key, Finding.BLOCKED, reasons=why))
            return None
        self._batch.append((path, listing))
        if len(self._batch) >= _BATCH:
            self._take()
        return listing

    def _take(self) -> None:
        """Look into what was listed, as far as it is not as it was."""
        reader, root = self._reader, self._reader.root
        batch, self._batch = self._batch, []
        known = self._sightings.recall(root, [path for path, _ in batch])
        noted: list[Sighting] = []
        found: dict[str, Found] = {}
        gone: list[str] = []
        for path, listing in batch:
            misses = misses_in(listing.contents, path)
            self._tally.add(path, misses)
            contents, old = listing.contents, known.get(path)
            self._entered_anything |= bool(contents.directories or contents.sources)
            if self._is_of_others(path):
                self.of_others += contents.is_track
                continue
            unavailable = reader.unchanged(old, listing)
            if contents.is_track:
                self._came_by(path)
            if old is not None and unavailable is not None:
                self._outbox.unchanged.append((path, unavailable))
                noted.append(msgspec.structs.replace(old, time=listing.time, misses=frozenset(misses)))
                continue
            sign_of_life()
            reading, sighting, values = reader.look(FolderKey(root, path), listing, old)
            if contents.is_track or contents.lacks_mix or (old is not None and old.finding is not Finding.GONE):
                self._outbox.readings.append(reading)
            if sighting is None:
                gone.append(path)
            else:
                noted.append(sighting)
            if values is not None:
                found[path] = values
        self._sightings.note(root, noted, known, found)
        self._sightings.forget(root, gone)
        self._outbox.send()

    def _is_of_others(self, path: str) -> bool:
        return self._shard is not None and not self._shard.has(path)

    def _unavailable(self, shape: Shape) -> int | None:
        if shape not in self._judged:
            self._judged[shape] = self._reader.unavailable(shape)
        return self._judged[shape]

    def _came_by(self, path: str) -> None:
        self.tracks += 1
        if path:
            self.parents.add(path.rpartition("/")[0])
        else:
            self.is_track = True
