"""The threads that work on disks: what they answer, when their dataset is dropped, and that none breaks in silence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import Event, FolderRead, LocksSeen, Probed, Short, TreeAppeared, Walked, WatchLost
from audiobatchd.core.readings import Finding, Reading
from audiobatchd.locks.lock_file import of_this_process
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.watch.contract import NoWatch, WatchTerms
from audiobatchd.scan.watch.watches import Watches
from audiobatchd.service import disk_tasks
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.disk_tasks import DiskTasks
from audiobatchd.service.planning import DatasetTerms
from audiobatchd.vocabulary.files import FileId, FolderKey
from audiobatchd.vocabulary.states import Cause, WatchReport
from support.audio_files import make_track
from support.core_rig import offer
from support.service import eventually
from support.shortage import no_thread


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


class Room:
    """One dataset with a track, and everything that was posted and broken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.track = make_track(root / "Song", seconds=0.5, stems=())
        self.key = FolderKey(str(root), "Song")
        self.heard: list[Event] = []
        self.broken: list[BaseException] = []
        self.catalog = Catalog(None)
        self.watch = ScriptedWatch(lambda: True)
        self.disk_tasks = DiskTasks(
            self.catalog,
            SystemClock(),
            self.heard.append,
            lambda: 0,
            self.broken.append,
            lambda pid: pid == 7,
            self.watch,
        )
        self.disk_tasks.take_terms({str(root): DatasetTerms(str(root), Policy())})
        self.disk_tasks.take_offers((offer(),))

    def hears(self, kind: type[Event]) -> Event:
        """The first event of a kind."""
        eventually(lambda: any(isinstance(event, kind) for event in self.heard))
        return next(event for event in self.heard if isinstance(event, kind))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path / "music")
    yield made
    made.disk_tasks.stop(5)


def test_folder_is_read_and_tree_is_walked(room: Room) -> None:
    room.disk_tasks.perform(do.ReadFolder(room.key))
    read = room.hears(FolderRead)
    assert isinstance(read, FolderRead)
    assert (read.reading.key, read.reading.finding) == (room.key, Finding.DUE)
    room.disk_tasks.perform(do.WalkTree(str(room.root)))
    walked = room.hears(Walked)
    assert isinstance(walked, Walked)
    assert walked.tracks == 1


def test_lock_left_by_own_worker_is_removed_and_not_told(room: Room) -> None:
    other = make_track(room.root / "Other", seconds=0.5, stems=())
    for folder, pid in ((room.track, 7), (other, 8)):
        text = of_this_process(0.0, 60.0, "t").replace(b'"pid":%d' % os.getpid(), b'"pid":%d' % pid)
        folder.with_name(folder.name + ".lock").write_bytes(text)
    room.disk_tasks.perform(do.ReapLocks(str(room.root), frozenset({""})))
    seen = room.hears(LocksSeen)
    assert isinstance(seen, LocksSeen)
    assert seen == LocksSeen(str(room.root), {}, frozenset({"Other"}), seen.cost)
    assert 0 < seen.cost < 10
    assert list(room.root.glob("*.lock")) == []


def test_dropped_dataset_is_worked_on_no_more(room: Room) -> None:
    room.disk_tasks.take_terms({})
    room.disk_tasks.perform(do.ReadFolder(room.key))
    room.disk_tasks.perform(do.ReapLocks(str(room.root), frozenset({""})))
    room.disk_tasks.perform(do.WalkTree(str(room.root)))
    room.disk_tasks.perform(do.Probe(room.key, Cause.IO))
    room.disk_tasks.perform(do.Tidy(room.key))
    eventually(lambda: not any(thread.name.startswith("walk ") for thread in threading.enumerate()))
    assert room.broken == []
    assert room.heard == [FolderRead(Reading(room.key, Finding.GONE))], "the core waits for the answer"


def test_dataset_dropped_before_a_reading_breaks_nothing(room: Room) -> None:
    go_on = threading.Event()
    for _ in range(4):  # all its readers
        room.disk_tasks.submit(str(room.root), go_on.wait)
    room.disk_tasks.perform(do.ReadFolder(room.key))
    room.disk_tasks.take_terms({})
    go_on.set()
    assert room.hears(FolderRead) == FolderRead(Reading(room.key, Finding.GONE))
    assert room.broken == []


@pytest.mark.parametrize("again", [False, True])
def test_walk_of_a_dataset_that_is_dropped_ends_and_tells_nothing(room: Room, again: bool) -> None:
    terms = {str(room.root): DatasetTerms(str(room.root), Policy())}

    def dropped() -> bool:
        room.disk_tasks.take_terms({})
        room.disk_tasks.take_terms(terms if again else {})
        room.watch.happens = lambda: True
        return True

    room.watch.happens = dropped
    room.disk_tasks.perform(do.WalkTree(str(room.root)))
    eventually(lambda: room.watch.happens is not dropped)
    eventually(lambda: not room.disk_tasks._hands[1]._waiting and not room.disk_tasks.at_work())
    assert (room.heard, room.broken) == ([], [])
    if again:
        room.disk_tasks.perform(do.WalkTree(str(room.root)))
        room.hears(Walked)


def test_root_that_comes_after_the_watch_is_walked_again(room: Room) -> None:
    room.watch.happens = lambda: False
    room.disk_tasks.perform(do.WalkTree(str(room.root)))
    lost = room.hears(WatchLost)
    assert isinstance(lost, WatchLost)
    assert lost.dataset == str(room.root)
    assert room.heard.index(lost) > room.heard.index(room.hears(Walked)), "else that walk would answer it"


def test_missing_root_is_no_lost_watch(room: Room, tmp_path: Path) -> None:
    room.root.rename(tmp_path / "away")
    room.watch.happens = lambda: False
    room.disk_tasks.perform(do.WalkTree(str(room.root)))
    walked = room.hears(Walked)
    assert isinstance(walked, Walked)
    assert walked.root is None
    eventually(lambda: not any(thread.name.startswith("walk ") for thread in threading.enumerate()))
    assert not any(isinstance(event, WatchLost) for event in room.heard)


def test_task_that_breaks_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(disk_tasks, "probe", broken)
    room.disk_tasks.perform(do.Probe(room.key, Cause.IO))
    eventually(lambda: [type(error) for error in room.broken] == [ZeroDivisionError])


@pytest.mark.parametrize("cause", [Cause.IO, Cause.SPACE])
def test_probe_of_a_good_folder_finds_nothing(room: Room, cause: Cause) -> None:
    before = sorted(os.listdir(room.track))
    room.disk_tasks.perform(do.Probe(room.key, cause))
    assert room.hears(Probed) == Probed(str(room.root), cause, "")
    assert sorted(os.listdir(room.track)) == before


def test_believed_root_counts_for_the_next_reading(room: Room) -> None:
    name = str(room.root)
    room.disk_tasks.note_root(do.NoteRoot(name, FileId(1, 2), "/elsewhere"))
    reader = room.disk_tasks.folder_reader(name)
    assert reader is not None
    assert reader.is_lost()
    status = room.root.stat()
    room.disk_tasks.note_root(do.NoteRoot(name, FileId.of(status), name))
    (room.root / "A").mkdir(exist_ok=True)
    reader = room.disk_tasks.folder_reader(name)
    assert reader is not None
    assert not reader.is_lost()


def test_threads_that_cannot_be_started_are_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = tmp_path / "music"
    make_track(dataset / "Song", seconds=0.2, stems=())
    heard: list[Event] = []
    broken: list[BaseException] = []
    made = DiskTasks(Catalog(None), SystemClock(), heard.append, lambda: 0, broken.append, lambda _: False)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        made.take_terms({str(dataset): DatasetTerms(str(dataset), Policy())})
        made.take_offers((offer(),))
        made.perform(do.WalkTree(str(dataset)))
        made.perform(do.ReadFolder(FolderKey(str(dataset), "Song")))
        made.again()
        assert {type(event) for event in heard} == {Short}
    made.again()
    eventually(lambda: any(isinstance(event, Walked) for event in heard))
    eventually(lambda: not isinstance(heard[-1], Short) and len({type(event) for event in heard}) >= 4, what=heard)
    assert broken == []
    made.stop(5)


def test_watch_of_a_walked_dataset_is_heard(tmp_path: Path) -> None:
    heard: list[Event] = []
    root = tmp_path / "music"
    make_track(root / "Song", seconds=0.2, stems=())
    made = DiskTasks(Catalog(None), SystemClock(), heard.append, lambda: 0, raising, lambda _: False, Watches())
    made.take_terms({str(root): DatasetTerms(str(root), Policy())})
    made.take_offers((offer(),))
    made.perform(do.WalkTree(str(root)))
    eventually(lambda: any(isinstance(event, Walked) for event in heard))
    (root / "New").mkdir()
    eventually(lambda: TreeAppeared(FolderKey(str(root), "New")) in heard, what=heard)
    made.stop(5)
    made.stop_watching()


def raising(error: BaseException) -> None:
    raise error


_FREED_IN_A_THREAD = """
import threading
import psutil
from audiobatchd.service import disk_tasks

stays = []

def work():
    many = [bytearray(100_000) for _ in range(600)]
    stays.append(bytearray(60_000))  # at the end, so that the C library cannot cut off what is free
    del many

thread = threading.Thread(target=work)
thread.start()
thread.join()
kept = psutil.Process().memory_info().rss
disk_tasks.give_back_memory()
print(kept - psutil.Process().memory_info().rss)
"""


def test_memory_that_a_thread_has_freed_goes_back_to_the_kernel() -> None:
    # In a process of its own: what other tests have freed would take it in, and nothing lie at the end.
    told = subprocess.run([sys.executable, "-c", _FREED_IN_A_THREAD], capture_output=True, text=True, check=True)
    assert int(told.stdout) > 30 << 20
