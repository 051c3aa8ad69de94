"""A descriptor of inotify that cannot be had, whose queue overflows, and whose watches end by and by."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import threading
from pathlib import Path

import pytest

from audiobatchd.core.events import FolderHint, TreeVanished
from audiobatchd.vocabulary.states import WatchReport
from support.service import eventually
from support.watch_rig import LAST, MakeEar, kernel_limit, songs


def test_failed_instances_leave_no_descriptor(made: MakeEar, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = made(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = set(os.listdir("/proc/self/fd"))
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(before) + 20, hard))
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/", os.O_PATH))
        for _ in range(2):
            os.close(held.pop())
            assert ear.watches.ensure(str(ear.root), renew=False)
            assert ear.report().degraded == "cannot watch it (Too many open files)"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in held:
            os.close(descriptor)
    assert set(os.listdir("/proc/self/fd")) == before
    assert ear.watches.look(str(ear.root))


@pytest.mark.parametrize("name", ["watch", "guard"])
def test_watch_without_a_thread_is_tried_again(made: MakeEar, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith(name):
            message = "can't start new thread"
            raise RuntimeError(message)
        start(thread)

    ear = made(1)
    before = set(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert ear.watches.ensure(str(ear.root), renew=False)
        assert ear.report().lacks == {errno.EAGAIN}
    eventually(lambda: set(os.listdir("/proc/self/fd")) == before)
    assert ear.watches.look(str(ear.root))


@pytest.mark.alone
def test_queue_overflow_is_told_and_all_is_watched_again(made: MakeEar) -> None:
    ear = made(3)
    with kernel_limit("max_queued_events", 100):
        ear.full_walk()
    instance = ear.instance
    ear.go_on.clear()
    (ear.root / "Song 0000" / "full_mix.flac").touch()
    eventually(lambda: ear.events)
    for number in range(200):
        (ear.root / f"New {number}").mkdir()
    ear.go_on.set()
    eventually(ear.lost)
    assert ear.lost() == ["the kernel's queue overflowed: events were lost"]
    report = ear.full_walk()
    assert ear.instance is not instance
    assert report == WatchReport(True, "inotify", parents=1, leaves=204)
    (ear.root / "New 199" / "full_mix.flac").touch()
    ear.hears((FolderHint, "New 199"))
    assert len(ear.lost()) == 1


@pytest.mark.alone
def test_large_tree_moved_out_does_not_overflow_the_queue(made: MakeEar, tmp_path: Path) -> None:
    ear = made(0)
    songs(ear.root / "Genre", *(f"Song {number}" for number in range(500)))
    with kernel_limit("max_queued_events", 100):
        assert ear.full_walk().leaves == 502
    (ear.root / "Genre").rename(tmp_path / "away")
    ear.hears((TreeVanished, "Genre"))
    assert ear.report() == WatchReport(True, "inotify", parents=1, leaves=1)
    while ear.instance._descriptor._let_go:
        ear.instance.sweep()
        ear.events.clear()
        (ear.root / LAST / "full_mix.flac").touch()
        eventually(lambda: ear.events)
        assert ear.lost() == []


def test_thousands_of_folders_lie_there_without_an_event(made: MakeEar) -> None:
    ear = made(8000)
    for renew in (False, False, True):
        report = ear.full_walk(renew=renew)
        assert report == WatchReport(True, "inotify", parents=1, leaves=8001)
    for path in os.listdir(ear.root):
        (ear.root / path / "full_mix.flac").read_bytes()
    assert ear.all_so_far() == set()
    assert {event.key.path for event in ear.events if isinstance(event, FolderHint)} == {LAST}
    assert ear.lost() == []
