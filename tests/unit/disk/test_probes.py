"""Asking disks by processes that can be given up, and seeing who sleeps: with a mount that really hangs."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiobatchd.core import actions as do
from audiobatchd.core.events import Event, Probed
from audiobatchd.core.holds import NO_ANSWER
from audiobatchd.disk import filesystems, inquiry
from audiobatchd.disk.probes import Probes, Sleepers
from audiobatchd.locks import kernel
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.states import Cause
from support.hanging_mount import HangingMount, hanging_mount, why_not
from support.service import eventually

PATIENCE = 1.0
needs_a_mount = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[HangingMount]:
    with hanging_mount(tmp_path / "remote", tmp_path / "behind") as made:
        for name in ("Song", "Other"):
            (made.place / name).mkdir()
            (made.place / name / "full_mix.flac").write_bytes(b"?" * 100_000)
        yield made


def answers(action: do.Probe, count: int = 1, patience: float = 10.0, heal: HangingMount | None = None) -> list[Event]:
    """The first `count` answers to a question; after the first one the mount is healed."""

    async def ask() -> list[Event]:
        heard: asyncio.Queue[Event] = asyncio.Queue()
        probes = Probes(heard.put_nowait, patience)
        try:
            probes.start(action)
            found = [await heard.get()]
            if heal is not None:
                heal.heal()
            return found + [await heard.get() for _ in range(count - 1)]
        finally:
            probes.stop()

    return asyncio.run(ask())


def question(root: Path, *, other: str = "", briefly: bool = False) -> do.Probe:
    healthy = FolderKey(str(root), other) if other else None
    return do.Probe(FolderKey(str(root), "" if briefly else "Song"), Cause.HANG, healthy, briefly=briefly)


@pytest.mark.parametrize("briefly", [False, True])
def test_answering_disk_is_left_unchanged(tmp_path: Path, briefly: bool) -> None:
    (tmp_path / "Song").mkdir()
    (tmp_path / "Song" / "full_mix.flac").write_bytes(b"?")
    assert answers(question(tmp_path, briefly=briefly)) == [Probed(str(tmp_path), Cause.HANG)]
    assert os.listdir(tmp_path / "Song") == ["full_mix.flac"]


def test_probe_of_a_mount_that_was_replaced_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = iter(("first", "second"))
    monkeypatch.setattr("audiobatchd.disk.filesystems.mounted_at", lambda _: next(mounts))
    monkeypatch.setattr("audiobatchd.disk.inquiry.command", lambda *_: ["sleep", "600"])

    async def ask() -> list[Event]:
        heard: list[Event] = []
        probes = Probes(heard.append, 1.0)
        probes.start(question(tmp_path))
        probes.start(question(tmp_path))
        await asyncio.sleep(0.5)
        assert heard == [], "the first process was ended by us"
        await asyncio.sleep(1.5)
        probes.stop()
        return heard

    assert asyncio.run(ask()) == [Probed(str(tmp_path), Cause.HANG, NO_ANSWER)]


def test_an_error_is_an_answer(tmp_path: Path) -> None:
    assert answers(question(tmp_path / "nowhere")) == [Probed(str(tmp_path / "nowhere"), Cause.HANG)]


@needs_a_mount
@pytest.mark.parametrize("briefly", [False, True])
def test_hanging_disk_is_told_and_its_late_answer_too(mount: HangingMount, briefly: bool) -> None:
    mount.hang()
    asked = question(mount.place, briefly=briefly)
    heard = answers(asked, 2, PATIENCE, heal=mount)
    assert heard == [Probed(str(mount.place), Cause.HANG, NO_ANSWER), Probed(str(mount.place), Cause.HANG)]


@needs_a_mount
def test_a_folder_that_hangs_alone_is_told_apart(mount: HangingMount) -> None:
    mount.hang("Song")
    heard = answers(question(mount.place, other="Other"), patience=PATIENCE)
    assert heard == [Probed(str(mount.place), Cause.HANG, only=FolderKey(str(mount.place), "Song"))]


@needs_a_mount
def test_cached_data_is_no_answer(mount: HangingMount) -> None:
    inquiry.ask(str(mount.place / "Song"), briefly=False)
    mount.hang(".tmp")
    assert answers(question(mount.place), patience=PATIENCE) == [Probed(str(mount.place), Cause.HANG, NO_ANSWER)]


@needs_a_mount
def test_a_path_on_a_mount_that_hangs_is_not_resolved(mount: HangingMount) -> None:
    assert filesystems.resolved(f"{mount.place}/Song/../Other") == f"{mount.place}/Other"
    mount.hang()
    assert filesystems.resolved(str(mount.place / "Song"), PATIENCE) is None


@needs_a_mount
def test_a_mount_is_told_by_names_alone(mount: HangingMount) -> None:
    before = filesystems.mounted_at(str(mount.place / "Song"))
    assert before != filesystems.mounted_at(str(mount.behind))
    mount.hang()
    assert filesystems.mounted_at(str(mount.place / "Song")) == before
    mount.detach()
    assert filesystems.mounted_at(str(mount.place / "Song")) == filesystems.mounted_at(str(mount.behind))


@needs_a_mount
def test_a_lock_that_hangs_keeps_no_other_from_being_taken(mount: HangingMount, tmp_path: Path) -> None:
    (tmp_path / "Near").mkdir()
    mount.hang()
    caught = threading.Thread(target=_try_to_lock, args=(str(mount.place / "Song"),), daemon=True)
    caught.start()
    eventually(lambda: bool(kernel._opening), what="the lock was not being opened")
    lock = FolderLock(str(tmp_path / "Near"), 60.0)
    lock.acquire()
    lock.release()
    mount.heal()
    caught.join(30)
    assert not caught.is_alive()


def _try_to_lock(folder: str) -> None:
    lock = FolderLock(folder, 60.0)
    lock.acquire()
    lock.release()


def test_a_child_closes_a_lock_that_was_just_opened(tmp_path: Path) -> None:
    path = tmp_path / "Song.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    kernel._opening[0] = path.name
    try:
        assert list(kernel._just_opened()) == [descriptor]
    finally:
        del kernel._opening[0]
        os.close(descriptor)


def test_who_sleeps_and_for_how_long(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.readline(); print(sum(range(10**6)), flush=True); sys.stdin.readline()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        place, sleepers = {"it": f"/proc/{process.pid}"}, Sleepers()
        moment = iter(range(1000))
        eventually(lambda: sleepers.measured(place, next(moment)) == {"it": 3.0})
        assert sleepers.measured(place, 2000.0) == {"it": 5.0}, "this process may have stood still itself"
        few, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, most))
        try:
            assert sleepers.measured(place, 2000.5) == {"it": 5.0}, "without a descriptor it is not known"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        assert sleepers.measured(place, 2001.0) == {"it": 0.0}
        process.stdin.close()
    assert sleepers.measured(place, 2002.0) == {"it": 0.0}
    assert sleepers.measured({"file": str(tmp_path)}, 2003.0) == {"file": 0.0}


def test_what_a_thread_gives_or_raises_reaches_the_loop() -> None:
    assert asyncio.run(in_a_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_a_thread(lambda: 1 // 0))


def test_a_thread_that_waits_for_ever_keeps_no_loop_from_its_end() -> None:
    code = (
        "import asyncio, threading\n"
        "from audiobatchd.scan.readers import in_a_thread\n"
        "async def main():\n"
        "    asked = asyncio.ensure_future(in_a_thread(threading.Event().wait))\n"
        "    await asyncio.wait([asked], timeout=0.1)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
