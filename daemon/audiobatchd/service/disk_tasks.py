"""The threads that work on disks: readings, walks, looks at roots and locks, and the care of folders in trouble.

A task never decides, and never waits for another dataset's disk; whatever it finds out is posted as an event. A task
that breaks is handed to `broken`, for no folder may get lost. What is written to the catalog is in `catalog_writes`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from audiobatchd.config.file import overlap
from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Offer
from audiobatchd.core.events import Event, FolderRead, LocksSeen, Probed, RootSeen, Short, Walked, WalkRead, WatchLost
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk import filesystems
from audiobatchd.locks import upkeep
from audiobatchd.locks.observer import Patience
from audiobatchd.locks.reaper import Unlocked
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import Hands, Readers, sign_of_life
from audiobatchd.scan.walks import walk
from audiobatchd.scan.watch.contract import NoWatch, Watch, WatchTerms
from audiobatchd.service.clock import Clock
from audiobatchd.service.disk_checks import probe, root_of, tidy
from audiobatchd.service.planning import DatasetTerms
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.names import folder_at, shown
from audiobatchd.vocabulary.states import WalkKind, WatchReport

_READERS = 4
"""So many folders of one dataset are read at once."""
_MOST_READERS, _MOST_WALKS = 32, 16
"""So many threads read, and walk, at once in all datasets; what hangs does not count."""
_QUEUE_LIMIT = 1000
"""So many events may wait for the loop before a walk waits for it."""
_MOMENT = 1.0
"""Seconds until what a shortage met is tried again."""
_UNWATCHED = WatchReport(False, "only walks see changes")
_T = TypeVar("_T")

OnDisk = do.ReadFolder | do.WalkTree | do.LookAtRoot | do.ReapLocks | do.Probe | do.Tidy
"""The actions that are done here."""


@dataclass
class _Dataset:
    """One dataset's own threads, so that no other waits for its disk, and what they have to keep."""

    terms: DatasetTerms
    readers: Readers
    walkers: Readers
    """For walks: they may take long, or hang on a dead mount."""
    tree_walkers: Readers
    """For walks of trees that appeared, which are not to wait for long walks elsewhere."""
    patience: Patience = field(default_factory=Patience)
    """For how long each of its locks has been seen to be held."""
    unlocked: Unlocked = field(default_factory=Unlocked)
    """Large directories that held no lock when they were listed last."""
    known: tuple[FileId, str] | None = None
    """The root, and its place when a walk was last believed; None: as the catalog has them."""


class DiskTasks:
    """All threads of one service that work on disks. Called in the event loop."""

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        post: Callable[[Event], None],
        waiting: Callable[[], int],
        broken: Callable[[BaseException], None],
        own: Callable[[int], bool],
        watches: Watch | None = None,
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._post = post
        """Takes an event from any thread."""
        self._waiting = waiting
        """Number of events that are not yet handled."""
        self._broken = broken
        self._own = own
        """Whether a process on this machine is, or was, a worker of this service."""
        self._watches = watches
        self._offers: tuple[Offer, ...] = ()
        self._datasets: dict[str, _Dataset] = {}
        """By path; replaced as a whole, for threads look into it."""
        self._hands = (Hands(_MOST_READERS), Hands(_MOST_WALKS), Hands(_MOST_WALKS))
        """The threads of all datasets for readings, walks, and walks of trees that appeared."""
        self._places = _Places()
        self._ending = threading.Event()
        if watches:
            watches.listen(post)  # before it is told of any dataset: the watch of each takes `post` from here

    def take_terms(self, terms: Mapping[str, DatasetTerms]) -> None:
        """Work on these datasets from now on; the threads of others end when they have done what they were asked."""
        if self._watches:
            self._watches.replace(
                {path: WatchTerms(each.ignore, each.mode, each.ready_marker) for path, each in terms.items()}
            )
        reading, walking, trees = self._hands
        made = {}
        for path, each in terms.items():
            if (dataset := self._datasets.get(path)) is None:
                dataset = _Dataset(each, Readers(_READERS, reading), Readers(1, walking), Readers(1, trees))
            dataset.terms = each
            made[path] = dataset
        self._datasets = made

    def take_offers(self, offers: tuple[Offer, ...]) -> None:
        """Judge completeness by what these analyzers give."""
        self._offers = offers

    def perform(self, action: OnDisk) -> None:
        """Have a thread do what the core wants done; a reading is answered in any case, for the core waits for it."""
        match action:
            case do.ReadFolder(key):
                if not self._in_reader(key.dataset, partial(self._read, key)):
                    self._read(key)
            case do.WalkTree(dataset, kind=kind):
                if own := self._datasets.get(dataset):
                    walkers = own.tree_walkers if kind is WalkKind.TREES else own.walkers
                    walkers.do(partial(self._until_the_end, partial(self._walk, action)), self._broken)
            case do.LookAtRoot(dataset):
                self._in_reader(dataset, partial(self._look_at_root, dataset))
            case do.ReapLocks(dataset):
                self._in_reader(dataset, partial(self._reap, action))
            case do.Probe(key):
                self._in_reader(key.dataset, partial(self._probe, action))
            case do.Tidy(key):
                self._in_reader(key.dataset, partial(tidy, key, self._short))

    def note_root(self, action: do.NoteRoot) -> None:
        """Judge the readings that follow by this root: before the catalog has it, and whether it can take it or not."""
        if dataset := self._datasets.get(action.dataset):
            dataset.known = action.root, action.place

    def again(self) -> None:
        """Try again what could not be begun because threads were short; called every second or so."""
        for hands in self._hands:
            if trouble := hands.grow():
                self._post(Short(trouble))

    def submit(self, dataset: str, work: Callable[[], _T]) -> Future[_T]:
        """Have something done by the dataset's readers, for a caller that waits for the answer."""
        return self._datasets[dataset].readers.submit(work)

    def at_work(self) -> dict[int, str]:
        """Return the threads that are at something, by the kernel's number, and the dataset of each."""
        return {
            number: path
            for path, each in self._datasets.items()
            for readers in (each.readers, each.walkers, each.tree_walkers)
            for number in tuple(readers.at_work)
        }

    def record_limit(self, dataset: str) -> int:
        """Return how many bytes a record in a dataset of ours may have."""
        return self._datasets[dataset].terms.record_limit

    def folder_reader(self, dataset: str) -> FolderReader | None:
        """Return what looks at folders on the terms of now; None where the dataset is no longer one."""
        own = self._datasets.get(dataset)
        if own is None:
            return None
        terms = own.terms
        return FolderReader(
            dataset,
            self._offers,
            terms.policy,
            terms.ignore,
            terms.alone,
            self._catalog,
            terms.ready_marker,
            self._watches or NoWatch(),
            self._short,
            terms.record_limit,
            terms.worker_memory,
            own.known,
        )

    def stop(self, patience: float) -> None:
        """Let the threads finish what they were asked; walks, which may take long, and what hangs are left behind."""
        self._ending.set()
        deadline = time.monotonic() + patience
        for each in self._datasets.values():
            each.readers.stop(deadline - time.monotonic())

    def stop_watching(self) -> None:
        """End the watch on all datasets."""
        if self._watches:
            self._watches.stop()

    # In threads

    def _read(self, key: FolderKey) -> None:
        reader = self.folder_reader(key.dataset)
        # Dropped from the configuration since: the core does not look at what the answer says, yet it waits for it.
        read = FolderRead(reader.read(key.path), reader.place) if reader else FolderRead(Reading(key, Finding.GONE))
        self._post(read)

    def _walk(self, action: do.WalkTree) -> None:
        own, reader = self._datasets.get(action.dataset), self.folder_reader(action.dataset)
        if own is None or reader is None:
            return  # dropped from the configuration since
        was_there = True
        if self._watches and action.kind is not WalkKind.TREES:
            was_there = self._watches.ensure(action.dataset, renew=action.renew)
        if taken := self._places.taken_by(action.dataset, reader.place, self._datasets):
            refusal = f"it leads to {shown(reader.place)} now, which overlaps the dataset {shown(taken)}"
            root = root_of(reader.place)
            walked = Walked(action.dataset, action.kind, root, False, refusal=refusal, place=reader.place)
        else:
            walked = walk(
                reader,
                action.paths,
                partial(self._deliver, own),
                kind=action.kind,
                first=action.first,
                accepts=action.accepts,
                shard=action.shard,
                order=action.order,
            )
            if action.kind is not WalkKind.TREES:
                give_back_memory()
        self._check(action.dataset, own)
        self._post(walked)
        if not was_there and walked.root is not None:
            self._post(WatchLost(action.dataset, "the root came just after it was to be watched"))

    def _look_at_root(self, dataset: str) -> None:
        is_watched_again = self._watches.look(dataset) if self._watches else False
        report = self._watches.report(dataset) if self._watches else _UNWATCHED
        place = os.path.realpath(dataset)
        # systemd tells each process of a unit which start of it this is (systemd.exec(5)).
        is_barred = "INVOCATION_ID" in os.environ and filesystems.is_read_only_here(place)
        self._post(RootSeen(dataset, root_of(place), report, place, is_watched_again, is_barred))

    def _probe(self, action: do.Probe) -> None:
        trouble = probe(action.key, action.cause, action.other)
        self._post(Probed(action.key.dataset, action.cause, trouble))

    def _check(self, path: str, own: _Dataset) -> None:
        """End a walk if its dataset was dropped from the configuration, even if it was added again since."""
        if self._ending.is_set() or self._datasets.get(path) is not own:
            raise _EndingError

    def _deliver(self, own: _Dataset, read: WalkRead) -> None:
        """Hand a walk's batch over, no faster than the loop takes them."""
        while self._waiting() > _QUEUE_LIMIT and not self._ending.wait(0.01):
            sign_of_life()
        self._check(read.dataset, own)
        self._post(read)

    def _reap(self, action: do.ReapLocks) -> None:
        own = self._datasets.get(action.dataset)
        if own is None:
            return
        root = os.path.realpath(action.dataset)
        directories = [folder_at(root, parent) for parent in sorted(action.parents)]
        started = time.thread_time()
        seen = upkeep.look_after(
            root,
            directories,
            own.patience,
            own.unlocked,
            self._clock.monotonic(),
            self._own,
            alone=own.terms.alone,
            root_too=action.root_too,
        )
        took = time.thread_time() - started
        self._post(LocksSeen(action.dataset, seen.overdue, seen.left, took, seen.counted))

    def _short(self, error: OSError) -> None:
        """Wait a moment, for what is short may be there again. Raises where the service ends."""
        self._post(Short(error.strerror or str(error)))
        if self._ending.wait(_MOMENT):
            raise _EndingError

    def _in_reader(self, dataset: str, work: Callable[[], None]) -> bool:
        """Have a reader of the dataset do it; False where it has been dropped from the configuration."""
        own = self._datasets.get(dataset)
        if own is not None:
            own.readers.do(partial(self._until_the_end, work), self._broken)
        return own is not None

    def _until_the_end(self, work: Callable[[], None]) -> None:
        with suppress(_EndingError):
            work()


def give_back_memory() -> None:
    """Give the kernel what is free: the C library keeps, for each thread, the room of a list of a million names."""
    import ctypes  # noqa: PLC0415  # when a walk has ended: a start does without

    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class _Places:
    """The place that each dataset's path led to at its last walk: two that share one would give each lock two names."""

    def __init__(self) -> None:
        self._places: dict[str, str] = {}
        self._lock = threading.Lock()

    def taken_by(self, dataset: str, place: str, ours: Mapping[str, object]) -> str:
        """Return which other dataset of `ours` was at this place before; empty where none was: then this one is."""
        with self._lock:
            self._places = {path: other for path, other in self._places.items() if path in ours}
            for path, other in self._places.items():
                if path != dataset and overlap(place, other):
                    self._places.pop(dataset, None)
                    return path
            self._places[dataset] = place
        return ""


class _EndingError(Exception):
    """Raised in a thread when the service, or its dataset, ends while it walks, or waits until a shortage is over."""
