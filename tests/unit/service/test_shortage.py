"""What this process is short of says nothing of any folder: descriptors that are used up, threads that cannot start."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.assessment import Policy
from audiobatchd.core.events import Event, Short, Walked, WalkRead
from audiobatchd.core.messages import Job, WorkerSettings
from audiobatchd.core.readings import Finding
from audiobatchd.disk.listing import read_folder
from audiobatchd.scan.catalog.catalog import Catalog
from audiobatchd.scan.folder_reader import FolderReader
from audiobatchd.scan.readers import Readers
from audiobatchd.scan.walks import walk
from audiobatchd.service.clock import SystemClock
from audiobatchd.service.disk_checks import probe, tidy
from audiobatchd.service.disk_tasks import DiskTasks
from audiobatchd.service.planning import DatasetTerms
from audiobatchd.service.systemd import SystemdView
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause, Outcome, WalkKind
from audiobatchd.worker.pool import Pool
from audiobatchd.worker.process.analyzers import Bench
from audiobatchd.worker.process.job import hindered, run
from support.audio_files import make_track
from support.core_rig import offer
from support.service import eventually

LEAST = 3


@contextmanager
def descriptors(soft: int) -> Iterator[Callable[[], None]]:
    """No descriptor from this number on can be had; what is given gives them back, as the end does."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_NOFILE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Shortage:
    """Takes note of a shortage, and ends it at the third time."""

    def __init__(self, end: Callable[[], None]) -> None:
        self.end = end
        self.met: list[int | None] = []

    def __call__(self, error: OSError) -> None:
        self.met.append(error.errno)
        if len(self.met) == 3:
            self.end()


def scanner(root: Path, short: Callable[[OSError], None]) -> FolderReader:
    return FolderReader(str(root), (offer(),), Policy(), (), True, Catalog(None), short=short)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "music"
    make_track(root / "Song", seconds=0.2, stems=())
    return root


def test_a_folder_is_read_when_descriptors_are_there_again(dataset: Path) -> None:
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        reading = scanner(dataset, short).read("Song")
    assert (reading.finding, reading.reasons) == (Finding.DUE, {})
    assert short.met == [errno.EMFILE] * 3


def test_a_folder_that_is_gone_meanwhile_is_no_lost_dataset(dataset: Path) -> None:
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        assert scanner(dataset, short).read("Nowhere").finding is Finding.GONE
    assert short.met == [errno.EMFILE] * 3


@pytest.mark.parametrize("kind", [WalkKind.FULL, WalkKind.PASS])
def test_a_walk_goes_on_when_descriptors_are_there_again(dataset: Path, kind: WalkKind) -> None:
    read: list[WalkRead] = []
    undisturbed = walk(scanner(dataset, _never), ("",), lambda _: None, kind=kind, first=True)
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        walked = walk(scanner(dataset, short), ("",), read.append, kind=kind, first=True)
    assert (walked.root, walked.empty, walked.remark) == (undisturbed.root, undisturbed.empty, "")
    assert {each.finding for batch in read for each in batch.readings} <= {Finding.DUE}
    assert short.met == [errno.EMFILE] * 3


def _never(error: OSError) -> None:
    raise AssertionError(error)


def test_what_the_dead_left_is_removed_when_descriptors_are_there_again(dataset: Path) -> None:
    left = dataset / "Song" / ".audiobatch-0123456789ab.tmp"
    left.touch()
    with descriptors(LEAST) as give_back:
        short = Shortage(give_back)
        tidy(FolderKey(str(dataset), "Song"), short)
    assert not left.exists()
    assert short.met


@pytest.mark.parametrize("cause", [Cause.IO, Cause.SPACE])
def test_a_shortage_does_not_say_that_a_disk_is_mended(dataset: Path, cause: Cause) -> None:
    with descriptors(LEAST):
        trouble = probe(FolderKey(str(dataset), "Song"), cause)
    assert trouble == "Too many open files"


@pytest.mark.parametrize("soft", range(LEAST, LEAST + 40))
def test_a_job_without_descriptors_blames_no_folder(dataset: Path, soft: int) -> None:
    bench = Bench(WorkerSettings(), {}, ())
    job = Job(1, os.fsencode(dataset), b"Song", read_folder(str(dataset / "Song")).signature, Policy(), {}, 60.0)
    with descriptors(soft):
        try:
            result = run(job, bench, lambda _doing, _seconds: None)
        except OSError as error:
            result = hindered(job, error)
    told = (result.outcome, result.cause, result.charge)
    assert told in ((Outcome.DONE, Cause.NONE, False), (Outcome.ERROR, Cause.SHORTAGE, False))
    assert not (dataset / "Song.lock").exists() or not (dataset / "Song.lock").read_bytes()


def test_a_process_that_cannot_be_started_leaves_nothing_open() -> None:
    async def spawn() -> tuple[int, int]:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        pool = Pool(WorkerSettings(analyzers=()), heard.put_nowait)
        before, refused = len(os.listdir("/proc/self/fd")), 0
        highest = max(map(int, os.listdir("/proc/self/fd")))
        for soft in range(LEAST, highest + 12):
            with descriptors(soft):
                try:
                    pool.spawn(0)
                    break
                except OSError:
                    refused += 1
            assert len(os.listdir("/proc/self/fd")) == before
        pool.kill(0)
        await heard.get()
        return refused, len(pool.pids())

    refused, left = asyncio.run(spawn())
    assert refused > 0
    assert left == 0


def test_systemd_hears_of_a_service_without_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        view = SystemdView()
        highest = max(map(int, os.listdir("/proc/self/fd")))
        filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest + 1)]
        try:
            with descriptors(min(filler[-1], highest) + 1):
                view.alive()
                view.stopping()
        finally:
            for each in filler:
                os.close(each)
        systemd.settimeout(10)
        assert [systemd.recv(100), systemd.recv(100)] == [b"WATCHDOG=1", b"STOPPING=1"]


def test_threads_that_cannot_be_started_are_started_later(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Event] = []
    broken: list[BaseException] = []
    made = DiskTasks(Catalog(None), SystemClock(), heard.append, lambda: 0, broken.append, lambda _: False)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        made.take_terms({str(dataset): DatasetTerms(str(dataset), Policy())})
        made.take_offers((offer(),))
        made.perform(do.WalkTree(str(dataset)))
        made.perform(do.ReadFolder(FolderKey(str(dataset), "Song")))
        made.again()
        assert {type(event) for event in heard} == {Short}
    made.again()
    eventually(lambda: any(isinstance(event, Walked) for event in heard), 20)
    eventually(lambda: not isinstance(heard[-1], Short) and len({type(event) for event in heard}) >= 4, 20, heard)
    assert broken == []
    made.stop(5)


def _no_thread(thread: threading.Thread) -> None:
    message = "can't start new thread"
    raise RuntimeError(message)


def test_a_reader_without_a_thread_keeps_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", _no_thread)
        readers = Readers(1)
        future = readers.submit(lambda: 7)
        assert readers.grow() == "can't start new thread"
    assert readers.grow() == ""
    assert future.result(20) == 7
    readers.stop(20)
