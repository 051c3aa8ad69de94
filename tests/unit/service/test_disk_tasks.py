"""What the daemon does on disks in threads: looking whether trouble is over, tidying up, and breaking aloud."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from audiobatchd.config.file import DatasetConfig
from audiobatchd.core import actions as do
from audiobatchd.core.assessment import FileMemory, Policy
from audiobatchd.core.events import Event, FolderRead, LocksSeen, Probed, RetryAsked, Walked, WatchLost
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.disk import record
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.catalog.folders import FolderMemory
from audiobatchd.scan.watch.contract import NoWatch, WatchTerms
from audiobatchd.service import disk_tasks
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.disk_tasks import DiskTasks, Terms, probe, tidy
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Attempt, Cause, Outcome, WatchReport
from support.audio_files import make_track
from support.core_rig import offer, stamp
from support.service import eventually


class Room:
    """One dataset with a track, and everything that was posted and broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.track = make_track(root / "Song", seconds=0.5, stems=())
        self.key = FolderKey(str(root), "Song")
        self.heard: list[Event] = []
        self.broken: list[BaseException] = []
        self.catalog = Catalog(None)
        self.disk_tasks = DiskTasks(
            self.catalog, SystemClock(), self.heard.append, lambda: 0, self.broken.append, lambda pid: pid == 7
        )
        self.disk_tasks.take_terms([Terms(DatasetConfig(str(root)), Policy())], None)
        self.disk_tasks.take_offers((offer(),))

    def hears(self, kind: type[Event]) -> Event:
        """The first event of a kind."""
        eventually(lambda: any(isinstance(event, kind) for event in self.heard), 20)
        return next(event for event in self.heard if isinstance(event, kind))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "music")
    yield made
    made.disk_tasks.stop()


def test_a_folder_is_read_and_a_tree_is_walked(room: Room) -> None:
    room.disk_tasks.read(room.key)
    read = room.hears(FolderRead)
    assert isinstance(read, FolderRead)
    assert (read.reading.key, read.reading.finding) == (room.key, Finding.DUE)
    room.disk_tasks.walk(do.WalkTree(str(room.root)))
    walked = room.hears(Walked)
    assert isinstance(walked, Walked)
    assert walked.tracks == 1


def test_what_the_dead_left_is_told_and_what_our_own_worker_left_is_not(room: Room) -> None:
    other = make_track(room.root / "Other", seconds=0.5, stems=())
    for folder, pid in ((room.track, 7), (other, 8)):
        text = of_this_process(0.0, 60.0, "t").replace(b'"pid":%d' % os.getpid(), b'"pid":%d' % pid)
        folder.with_name(folder.name + ".lock").write_bytes(text)
    room.disk_tasks.reap(do.ReapLocks(str(room.root), frozenset({""})))
    seen = room.hears(LocksSeen)
    assert isinstance(seen, LocksSeen)
    assert seen == LocksSeen(str(room.root), {}, frozenset({"Other"}), seen.cost)
    assert 0 < seen.cost < 10
    assert list(room.root.glob("*.lock")) == []


def test_what_counts_is_remembered_and_pardoned(room: Room) -> None:
    memory = {"full_mix": FileMemory(stamp(), failure="damaged", judges="x")}
    room.disk_tasks.remember(do.Remember(room.key, memory, "v1", "given up", 3, 1))
    room.disk_tasks.keep(room.key, Attempt(Outcome.ERROR, "why"))
    eventually(lambda: room.catalog.folders.attempts(room.key), 20)
    assert room.catalog.folders.recall(room.key) == FolderMemory(memory, "given up", "v1", "loudness-1", 3, 1)
    assert room.catalog.folders.attempts(room.key)[0].at.endswith("+00:00")
    room.disk_tasks.pardon([room.key])
    assert room.hears(RetryAsked) == RetryAsked(room.key)
    assert room.catalog.folders.recall(room.key) == FolderMemory()


def test_a_dataset_that_is_dropped_is_worked_on_no_more(room: Room) -> None:
    before = threading.active_count()
    room.disk_tasks.take_terms([], None)
    eventually(lambda: threading.active_count() < before, 20)
    room.disk_tasks.read(room.key)
    room.disk_tasks.reap(do.ReapLocks(str(room.root), frozenset({""})))
    room.disk_tasks.walk(do.WalkTree(str(room.root)))
    room.disk_tasks.probe(do.Probe(room.key, Cause.IO))
    room.disk_tasks.tidy(room.key)
    eventually(lambda: not any(thread.name.startswith("walk ") for thread in threading.enumerate()), 20)
    assert room.broken == []
    assert room.heard == [FolderRead(Reading(room.key, Finding.GONE))], "who asks for a reading waits for its answer"


def test_a_dataset_that_is_dropped_before_a_reading_has_begun_breaks_nothing(room: Room) -> None:
    go_on = threading.Event()
    for _ in range(4):  # all its readers
        room.disk_tasks.submit(str(room.root), go_on.wait)
    room.disk_tasks.read(room.key)
    room.disk_tasks.take_terms([], None)
    go_on.set()
    assert room.hears(FolderRead) == FolderRead(Reading(room.key, Finding.GONE))
    assert room.broken == []


class ScriptedWatch(NoWatch):
    """A watch in whose setting up something `happens`; it answers whether there was a root."""

    def __init__(self, happens: Callable[[], bool]) -> None:
        self.happens = happens

    def listen(self, post: Callable[[Event], None]) -> None: ...

    def replace(self, terms: Mapping[str, WatchTerms]) -> None: ...

    def ensure(self, root: str, *, renew: bool) -> bool:  # noqa: ARG002  # see `Watch`
        return self.happens()

    def look(self, root: str) -> bool:  # noqa: ARG002  # see `Watch`
        return False

    def report(self, root: str) -> WatchReport:  # noqa: ARG002  # see `Watch`
        return WatchReport(False, "")

    def stop(self) -> None: ...


def test_a_dataset_that_is_dropped_while_its_walk_begins_breaks_nothing(room: Room) -> None:
    def dropped() -> bool:
        room.disk_tasks.take_terms([], None)
        return True

    room.disk_tasks.take_terms([Terms(DatasetConfig(str(room.root)), Policy())], ScriptedWatch(dropped))
    room.disk_tasks.walk(do.WalkTree(str(room.root)))
    room.hears(Walked)
    assert room.broken == []


def test_a_root_that_comes_between_the_watch_and_the_walk_is_walked_again(room: Room) -> None:
    room.disk_tasks.take_terms([Terms(DatasetConfig(str(room.root)), Policy())], ScriptedWatch(lambda: False))
    room.disk_tasks.walk(do.WalkTree(str(room.root)))
    lost = room.hears(WatchLost)
    assert isinstance(lost, WatchLost)
    assert lost.dataset == str(room.root)
    assert room.heard.index(lost) > room.heard.index(room.hears(Walked)), "else that one would answer it"


def test_a_root_that_is_still_not_there_is_looked_for_by_and_by(room: Room, tmp_path: Path) -> None:
    room.root.rename(tmp_path / "away")
    room.disk_tasks.take_terms([Terms(DatasetConfig(str(room.root)), Policy())], ScriptedWatch(lambda: False))
    room.disk_tasks.walk(do.WalkTree(str(room.root)))
    walked = room.hears(Walked)
    assert isinstance(walked, Walked)
    assert walked.root is None
    eventually(lambda: not any(thread.name.startswith("walk ") for thread in threading.enumerate()), 20)
    assert not any(isinstance(event, WatchLost) for event in room.heard)


def test_an_errand_that_breaks_is_told_of(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(disk_tasks, "probe", broken)
    room.disk_tasks.probe(do.Probe(room.key, Cause.IO))
    eventually(lambda: [type(error) for error in room.broken] == [ZeroDivisionError], 20)


@pytest.mark.parametrize("cause", [Cause.IO, Cause.SPACE])
def test_nothing_stands_in_the_way_any_more(room: Room, cause: Cause) -> None:
    before = sorted(os.listdir(room.track))
    room.disk_tasks.probe(do.Probe(room.key, cause))
    assert room.hears(Probed) == Probed(str(room.root), cause, "")
    assert sorted(os.listdir(room.track)) == before


def _refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_it_still_stands_in_the_way(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "try_writing", _refusing(errno.ENOSPC))
    assert probe(room.key, Cause.SPACE) == "No space left on device"
    assert probe(room.key, Cause.IO) == ""
    monkeypatch.setattr(disk_tasks, "read_folder", _refusing(errno.EIO))
    assert probe(room.key, Cause.IO) == "Input/output error"


def test_a_folder_that_is_gone_tells_nothing_and_the_root_does(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    key = FolderKey(str(tmp_path / "music"), "Song")
    assert probe(key, Cause.IO) == probe(key, Cause.SPACE) == ""
    (tmp_path / "music").rmdir()
    assert probe(key, Cause.IO) == "the dataset is not there"


def test_tidying_takes_the_leavings_and_the_lock(room: Room) -> None:
    (room.track / ".audiobatch-0123456789ab.tmp").touch()
    room.track.with_name("Song.lock").write_bytes(of_this_process(0.0, 60.0, "t"))
    tidy(room.key)
    assert os.listdir(room.track) == ["full_mix.flac"]
    assert not room.track.with_name("Song.lock").exists()
    tidy(FolderKey(str(room.root), "Nowhere"))


def test_root_that_is_believed_counts_for_the_next_reading(room: Room) -> None:
    name = str(room.root)
    room.disk_tasks.note_root(do.NoteRoot(name, (1, 2), "/elsewhere"))
    scanner = room.disk_tasks.scanner(name)
    assert scanner is not None
    assert scanner.is_lost()
    status = room.root.stat()
    room.disk_tasks.note_root(do.NoteRoot(name, (status.st_dev, status.st_ino), name))
    (room.root / "A").mkdir(exist_ok=True)
    scanner = room.disk_tasks.scanner(name)
    assert scanner is not None
    assert not scanner.is_lost()
