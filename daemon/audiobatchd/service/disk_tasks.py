"""What the daemon does on disks, in threads: readings, walks, locks, the catalog, and what a killed worker left.

An errand never decides, and never waits for another dataset's disk; whatever it finds out is posted as an event. One
that breaks is posted to `broken`, for no folder may get lost.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from audiobatchd.config.file import DatasetConfig, overlap
from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Offer, Policy, judges
from audiobatchd.core.events import (
    Event,
    FolderRead,
    LocksSeen,
    MissesCounted,
    Probed,
    RetryAsked,
    RootSeen,
    Short,
    Walked,
    WalkRead,
    WatchLost,
)
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk import filesystems, record
from audiobatchd.disk.filesystems import cause_of
from audiobatchd.disk.listing import read_folder
from audiobatchd.errors import LockBusyError
from audiobatchd.locks import upkeep
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.locks.observer import Patience
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import Hands, Readers, sign_of_life
from audiobatchd.scan.walks import walk
from audiobatchd.scan.watch.contract import NoWatch, Watch, WatchTerms
from audiobatchd.service import log
from audiobatchd.service.clock import Clock
from audiobatchd.vocabulary.files import RECORD_LIMIT, FileId, FolderKey
from audiobatchd.vocabulary.names import folder_at, shown
from audiobatchd.vocabulary.states import Attempt, Cause, WalkKind, WatchReport

_READERS = 4
"""So many folders of one dataset are read at once."""
_MOST_READERS, _MOST_WALKS = 32, 16
"""So many threads read, and walk, at once in all datasets; what hangs does not count."""
_QUEUE_LIMIT = 1000
_PATIENCE = 5.0
_MOMENT = 1.0
_OVER = object()
_UNWATCHED = WatchReport(False, "only walks see changes")
_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Terms:
    """By what a dataset is looked at: its configuration, and how completeness is judged."""

    dataset: DatasetConfig
    policy: Policy
    record_limit: int = RECORD_LIMIT
    """Bytes that a record may have."""
    worker_memory: int = 0
    """Bytes that a worker may have."""


class DiskTasks:
    """All threads of one daemon. `post` takes an event from any of them; `waiting` is how many are not yet handled.

    `own` tells whether a process on this machine is, or was, a worker of this daemon.
    """

    def __init__(
        self,
        catalog: Catalog,
        clock: Clock,
        post: Callable[[Event], None],
        waiting: Callable[[], int],
        broken: Callable[[BaseException], None],
        own: Callable[[int], bool],
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._post = post
        self._waiting = waiting
        self._broken = broken
        self._own = own
        self._offers: tuple[Offer, ...] = ()
        self._terms: dict[str, Terms] = {}
        self._watches: Watch | None = None
        self._hands = (Hands(_MOST_READERS), Hands(_MOST_WALKS), Hands(_MOST_WALKS))
        """The threads of all datasets for readings, walks, and walks of trees that appeared."""
        self._readers: dict[str, Readers] = {}
        self._walkers: dict[str, tuple[Readers, Readers]] = {}
        """Those of walks, and those of trees that appeared, which are not to wait for long walks elsewhere."""
        self._patience: dict[str, Patience] = {}
        self._known: dict[str, tuple[FileId, str]] = {}
        # Where each dataset's path led to at its last walk; the lock is held while that is compared and changed.
        self._places: dict[str, str] = {}
        self._placing = threading.Lock()
        self._notes = Readers(1)
        self._forgotten: deque[FolderKey] = deque()
        """The folders that are gone, of which the catalog's thread has not heard."""
        self._ending = threading.Event()

    # Called in the event loop

    def take_terms(self, terms: Iterable[Terms], watches: Watch | None) -> None:
        """Work on these datasets from now on; the threads of others end when they have done what they were asked."""
        self._terms = {each.dataset.path: each for each in terms}
        self._watches = watches
        if watches:
            watches.replace(
                {
                    path: WatchTerms(each.dataset.ignore, each.dataset.mode, each.dataset.ready_marker)
                    for path, each in self._terms.items()
                }
            )
        dropped = False
        for path in [path for path in self._readers if path not in self._terms]:
            del self._readers[path], self._walkers[path]
            self._known.pop(path, None)
            del self._patience[path]
            dropped = True
        for path in self._terms:
            if path not in self._readers:
                reading, walking, trees = self._hands
                self._readers[path] = Readers(_READERS, reading)
                self._walkers[path] = Readers(1, walking), Readers(1, trees)
                self._patience[path] = Patience()
        if dropped:
            self._prune(None)

    def take_offers(self, offers: tuple[Offer, ...]) -> None:
        """Judge completeness by what these analyzers give."""
        if offers != self._offers:
            self._offers = offers
            self._in_catalog(partial(self._catalog.facts.note_offers, offers))

    def read(self, key: FolderKey) -> None:
        """Read a folder. The answer comes in any case, for the core waits for it."""
        if key.dataset in self._readers:
            self._in_reader(key.dataset, partial(self._read, key))
        else:
            self._read(key)

    def walk(self, action: do.WalkTree) -> None:
        """Walk when it is this dataset's turn: it may take long, or hang on a dead mount. No reading waits for it."""
        if action.dataset in self._walkers:
            walkers = self._walkers[action.dataset][action.kind is WalkKind.TREES]
            walkers.submit(partial(self._reporting, partial(self._walk, action)))

    def again(self) -> None:
        """Try again what could not be begun because threads were short; called every second or so."""
        for threads in (*self._hands, self._notes):
            if trouble := threads.grow():
                self._post(Short(trouble))

    def look_at_root(self, dataset: str) -> None:
        """See which directory the root is, and try again what could not be watched."""
        self._in_reader(dataset, partial(self._look_at_root, dataset))

    def reap(self, action: do.ReapLocks) -> None:
        """Look after the locks."""
        self._in_reader(action.dataset, partial(self._reap, action))

    def count_misses(self, dataset: str) -> None:
        """Count what is passed over in a dataset, by what the catalog knows of it."""
        self._in_catalog(lambda: self._post(MissesCounted(dataset, self._catalog.sightings.misses(dataset))))

    def probe(self, action: do.Probe) -> None:
        """See whether what held up a dataset is over."""
        self._in_reader(
            action.key.dataset,
            lambda: self._post(Probed(action.key.dataset, action.cause, probe(action.key, action.cause, action.other))),
        )

    def tidy(self, key: FolderKey) -> None:
        """Remove what a killed worker left."""
        self._in_reader(key.dataset, partial(tidy, key, self._short))

    def remember(self, action: do.Remember) -> None:
        """Tell the catalog."""
        counts = action.verdict or action.charges or action.suspicions
        memory = FolderMemory(
            action.memory,
            action.verdict,
            action.signature if counts else "",
            self._judges_of(action) if action.verdict else "",
            action.charges,
            action.suspicions,
        )
        self._catalog.folders.expect(
            action.key, memory
        )  # now: a reading may begin before the catalog's thread is there
        self._in_catalog(partial(self._catalog.folders.note, {action.key: memory}))

    def _judges_of(self, action: do.Remember) -> str:
        terms = self._terms.get(action.key.dataset)
        return judges(self._offers, terms.worker_memory if terms and action.by_memory else None)

    def note_root(self, action: do.NoteRoot) -> None:
        """Remember which directory a dataset's root is; at once, for readings that follow are judged by it."""
        self._known[action.dataset] = FileId(*action.root), action.place
        self._in_catalog(partial(self._catalog.facts.note_root, action.dataset, action.root, action.place))

        self._prune(action.dataset)

    def forget(self, action: do.Forget) -> None:
        """Have the catalog forget folders that are gone."""
        keys = [FolderKey(action.dataset, path) for path in action.paths]
        for key in keys:
            self._catalog.folders.expect(key)
        if action.accepted:
            self._in_catalog(partial(self._catalog.sightings.forget, action.dataset, action.paths))
        self._forgotten.extend(keys)
        self._in_catalog(self._forget)

    def keep_pause(self, action: do.KeepPause) -> None:
        """Remember, or forget, that somebody paused a dataset."""
        facts = self._catalog.facts
        if not action.paused:
            self._in_catalog(partial(facts.forget_pause, action.dataset))
        else:
            until = None if action.seconds is None else self._clock.wall().timestamp() + action.seconds
            self._in_catalog(partial(facts.note_pause, action.dataset, until))

    def mend_catalog(self) -> None:
        """Have the catalog write what it could not write, if it can by now."""
        self._in_catalog(self._catalog.retry)

    def keep(self, key: FolderKey, attempt: Attempt) -> None:
        """Add an attempt to the history."""
        attempt = msgspec.structs.replace(attempt, at=self._clock.wall().isoformat(timespec="seconds"))
        self._in_catalog(partial(self._catalog.folders.add_attempt, key, attempt))

    def pardon(self, keys: Collection[FolderKey]) -> None:
        """Have the catalog forget what keeps folders from being tried again, then ask for a retry of each."""

        def work() -> None:
            self._catalog.folders.pardon(keys)
            for key in keys:
                self._post(RetryAsked(key))

        self._in_catalog(work)

    def submit(self, dataset: str, work: Callable[[], _T]) -> Future[_T]:
        """Have something done by the dataset's readers, for somebody who waits for the answer."""
        return self._readers[dataset].submit(work)

    def at_work(self) -> dict[int, str]:
        """The threads that are at something, by the kernel's number, and the dataset of each."""
        lines = ((path, (readers, *self._walkers[path])) for path, readers in self._readers.items())
        return {number: path for path, line in lines for readers in line for number in tuple(readers.at_work)}

    def record_limit(self, dataset: str) -> int:
        """How many bytes a record in a dataset of ours may have."""
        return self._terms[dataset].record_limit

    def scanner(self, dataset: str) -> FolderReader | None:
        """What looks at folders on the terms of now; None where the dataset is no longer one."""
        terms = self._terms.get(dataset)
        if terms is None:
            return None
        settings = terms.dataset
        watch = self._watches or NoWatch()
        return FolderReader(
            dataset,
            self._offers,
            terms.policy,
            settings.ignore,
            settings.alone,
            self._catalog,
            settings.ready_marker,
            watch,
            self._short,
            terms.record_limit,
            terms.worker_memory,
            self._known.get(dataset),
        )

    def stop(self) -> None:
        """Let the threads finish what they were asked; walks, which may take long, and what hangs are left behind."""
        self._ending.set()
        deadline = time.monotonic() + _PATIENCE
        for readers in self._readers.values():
            readers.stop(deadline - time.monotonic())
        self._notes.stop(max(1.0, deadline - time.monotonic()))
        if self._watches:
            self._watches.stop()

    # In threads

    def _read(self, key: FolderKey) -> None:
        scanner = self.scanner(key.dataset)
        # Dropped from the configuration since: nobody looks at what the answer says, yet it is waited for.
        read = FolderRead(scanner.read(key.path), scanner.place) if scanner else FolderRead(Reading(key, Finding.GONE))
        self._post(read)

    def _walk(self, action: do.WalkTree) -> None:
        scanner = self.scanner(action.dataset)
        if scanner is None:
            return  # dropped from the configuration since
        was_there = True
        if self._watches and action.kind is not WalkKind.TREES:
            was_there = self._watches.ensure(action.dataset, renew=action.renew)
        walked = self._refused(action, scanner.place) or walk(
            scanner, action.paths, self._deliver, kind=action.kind, first=action.first, accepts=action.accepts
        )
        self._post(walked)
        if not was_there and walked.root is not None:
            self._post(WatchLost(action.dataset, "the root came just after it was to be watched"))

    def _refused(self, action: do.WalkTree, place: str) -> Walked | None:
        """What a walk comes to where the dataset's path leads into another dataset now; None where it does not.

        The one that was there first has it. Both being worked on would be two names for each lock.
        """
        with self._placing:
            taken = {path: other for path, other in self._places.items() if path in self._terms}
            self._places = taken
            for path, other in taken.items():
                if path != action.dataset and overlap(place, other):
                    self._places.pop(action.dataset, None)
                    refusal = f"it leads to {shown(place)} now, which overlaps the dataset {shown(path)}"
                    return Walked(action.dataset, action.kind, root_of(place), False, refusal=refusal, place=place)
            self._places[action.dataset] = place
        return None

    def _look_at_root(self, dataset: str) -> None:
        is_watched_again = self._watches.look(dataset) if self._watches else False
        report = self._watches.report(dataset) if self._watches else _UNWATCHED
        place = os.path.realpath(dataset)
        # systemd tells each process of a unit which start of it this is (systemd.exec(5)).
        is_barred = "INVOCATION_ID" in os.environ and filesystems.is_read_only_here(place)
        self._post(RootSeen(dataset, root_of(place), report, place, is_watched_again, is_barred))

    def _deliver(self, read: WalkRead) -> None:
        """Hand a walk's batch over, no faster than the loop takes them."""
        while self._waiting() > _QUEUE_LIMIT and not self._ending.wait(0.01):
            sign_of_life()
        if self._ending.is_set():
            raise _EndingError
        self._post(read)

    def _reap(self, action: do.ReapLocks) -> None:
        terms, patience = self._terms.get(action.dataset), self._patience.get(action.dataset)
        if terms is None or patience is None:
            return
        root = os.path.realpath(action.dataset)
        directories = [folder_at(root, parent) for parent in sorted(action.parents)]
        alone, started = terms.dataset.alone, time.thread_time()
        seen = upkeep.look_after(
            root, directories, patience, self._clock.monotonic(), self._own, alone=alone, root_too=action.root_too
        )
        took = time.thread_time() - started
        self._post(LocksSeen(action.dataset, seen.overdue, seen.left, took, seen.counted))

    # How

    def _short(self, error: OSError) -> None:
        """Wait a moment, for what is short may be there again. Raises where the daemon ends."""
        self._post(Short(error.strerror or str(error)))
        if self._ending.wait(_MOMENT):
            raise _EndingError

    def _in_reader(self, dataset: str, work: Callable[[], None]) -> None:
        readers = self._readers.get(dataset)
        if readers is not None:  # it may have been dropped from the configuration
            readers.submit(partial(self._reporting, work))

    def _in_catalog(self, work: Callable[[], None]) -> None:
        self._notes.submit(partial(self._reporting, work))

    def _forget(self) -> None:
        # All that are waiting, in few transactions: the work that was submitted for each of the others finds none left.
        self._catalog.folders.forget([self._forgotten.popleft() for _ in range(len(self._forgotten))])

    def _prune(self, walked: str | None) -> None:
        """Have removed from the catalog what describes nothing any more, bit by bit."""
        steps = self._catalog.prune(tuple(self._terms), walked)

        def step() -> None:
            if next(steps, _OVER) is not _OVER and not self._ending.is_set():
                self._in_catalog(step)

        self._in_catalog(step)

    def _reporting(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _EndingError:
            pass
        except BaseException as error:  # noqa: BLE001  # it ends the service, with its traceback
            self._broken(error)


class _EndingError(Exception):
    """The daemon ends while a walk is under way."""


def tidy(key: FolderKey, short: Callable[[OSError], None] | None = None) -> None:
    """Remove what a killed worker left in and beside a folder, unless somebody else is at it by now.

    `short` is told of a shortage, and waits or raises; then it is tried again.
    """
    folder = _folder(key)
    lock = FolderLock(folder, 60.0)
    try:
        lock.acquire()
    except LockBusyError:
        return
    except OSError as error:
        if short is not None and cause_of(error) is Cause.SHORTAGE:
            short(error)
            tidy(key, short)
        return
    try:
        with record.opened(folder) as descriptor:
            record.sweep(descriptor)
    except OSError as error:
        log.write("tidy-failed", {"folder": folder, "reason": error.strerror})
    finally:
        lock.release()


def root_of(path: str) -> FileId | None:
    """The identity of the directory at `path`; None where there is none that can be reached."""
    try:
        return FileId.of(os.stat(os.path.join(path, "")))  # which takes a directory
    except OSError:
        return None


def probe(key: FolderKey, cause: Cause, other: FolderKey | None = None) -> str:
    """Why `cause` still stands in the way in this folder; empty where it does not, or the folder is gone.

    For IO the folder and a part of each source file are read; for SPACE a file is written there and removed. Where it
    does in this folder and not in the `other`, it is this folder's alone.
    """
    trouble = _trouble_in(key, cause)
    return _trouble_in(other, cause) if trouble and other is not None else trouble


def _trouble_in(key: FolderKey, cause: Cause) -> str:
    folder = _folder(key)
    try:
        if cause is Cause.SPACE:
            with record.opened(folder) as descriptor:
                record.try_writing(descriptor)
        else:
            for stamp in read_folder(folder).stamps.values():
                if stamp.size < 0:
                    continue  # no file: a FIFO would hang us for ever
                _read_a_part(os.path.join(folder, os.fsdecode(stamp.name)))
    except (FileNotFoundError, NotADirectoryError):
        # One that is gone tells nothing; the root does.
        return "" if Path(key.dataset).is_dir() else "the dataset is not there"
    except OSError as error:
        # What is something else by now keeps its own folder waiting, and nothing more. A shortage tells nothing.
        return (error.strerror or str(error)) if cause_of(error) in (cause, Cause.SHORTAGE) else ""
    return ""


def _read_a_part(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have become a FIFO since
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def _folder(key: FolderKey) -> str:
    return folder_at(os.path.realpath(key.dataset), key.path)
