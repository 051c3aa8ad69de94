"""What sends no event: mounts, unmounts, a root that is exchanged, a reader that is gone. The guard finds it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyFD

from audiobatchd.core.events import FolderHint, TreeVanished
from audiobatchd.scan.watch import guard
from support.service import eventually
from support.watch_rig import LAST, ROOT, Ear, songs

Mount = Callable[..., None]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "GUARD_INTERVAL", 0.4)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """A dataset with a song; it is watched from its first walk on."""
    songs(tmp_path / "music", "Song")
    made = Ear(tmp_path / "music")
    yield made
    made.go_on.set()
    made.watches.stop()


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts something, until the test is over at the latest."""
    if not ROOT:
        pytest.skip("mounting takes root")
    places: list[Path] = []

    def make(place: Path, *options: object) -> None:
        command = ["mount", *map(str, options), str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not allowed here")
        places.append(place)

    yield make
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", str(place)], capture_output=True, check=False)


def unmount(place: Path) -> None:
    subprocess.run(["umount", str(place)], check=True)


def test_a_mount_over_the_root_is_noticed_and_its_end_as_well(ear: Ear, tmp_path: Path, mount: Mount) -> None:
    songs(tmp_path / "other", "Strange")
    ear.full_walk()
    mount(ear.root, "--bind", tmp_path / "other")
    another = "another directory has taken the root's place"
    eventually(lambda: ear.lost() == [another], what=ear.lost)
    ear.full_walk()
    assert ear.watched() == {"", "Strange", LAST}
    unmount(ear.root)
    eventually(lambda: ear.lost() == [another, another], what=ear.lost)
    ear.full_walk()
    assert ear.watched() == {"", "Song", LAST}


def test_unmount_under_the_watch_is_noticed(ear: Ear, mount: Mount) -> None:
    mount(ear.root, "-t", "tmpfs", "none")
    songs(ear.root, "Song")
    ear.full_walk()
    unmount(ear.root)
    eventually(lambda: len(ear.lost()) == 1, what=ear.lost)
    assert ear.full_walk().leaves == 2


def test_an_unmount_below_the_root_makes_its_folders_vanish(ear: Ear, mount: Mount) -> None:
    mount(ear.root / "Song", "-t", "tmpfs", "none")
    songs(ear.root / "Song", "Inner")
    ear.full_walk()
    assert "Song/Inner" in ear.watched()
    unmount(ear.root / "Song")
    ear.hears((TreeVanished, "Song"))
    eventually(lambda: ear.watched() == {"", LAST}, what=ear.watched)
    ear.full_walk()
    (ear.root / "Song" / "full_mix.flac").touch()
    ear.hears((FolderHint, "Song"))
    assert ear.lost() == []


def test_the_root_mounted_once_more_below_itself_stays_the_root(ear: Ear, mount: Mount) -> None:
    (ear.root / "Again").mkdir()
    mount(ear.root / "Again", "--bind", ear.root)
    ear.full_walk()
    assert ear.watched() >= {""}
    assert "Again" not in ear.watched()
    (ear.root / "full_mix.flac").touch()
    ear.hears((FolderHint, ""))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every look of a guard came to."""
    looks: list[str] = []
    look = guard.Guard._trouble

    def noted(self: guard.Guard) -> str:
        looks.append(look(self))
        return looks[-1]

    monkeypatch.setattr(guard.Guard, "_trouble", noted)
    return looks


def test_trouble_is_told_once_until_it_is_over(ear: Ear, looks: list[str]) -> None:
    ear.full_walk()
    ear.root.rename(ear.root.with_name("away"))
    eventually(ear.lost)
    instance = ear.instance
    eventually(lambda: looks.count("cannot read the root: No such file or directory") > 2)
    assert ear.lost() == ["the root was moved away"]
    ear.root.with_name("away").rename(ear.root)
    assert ear.full_walk().events
    assert ear.instance is not instance
    shutil.rmtree(ear.root)
    eventually(lambda: len(ear.lost()) == 2)


def test_a_root_whose_way_is_lost_is_noticed_by_looking(tmp_path: Path) -> None:
    songs(tmp_path / "disk" / "music", "Song")
    ear = Ear(tmp_path / "disk" / "music")
    ear.full_walk()
    (tmp_path / "disk").rename(tmp_path / "other disk")
    eventually(ear.lost)
    assert ear.lost() == ["cannot read the root: No such file or directory"]
    assert not ear.full_walk().events
    ear.watches.stop()


def test_events_that_no_longer_arrive_are_missed(ear: Ear) -> None:
    ear.full_walk()
    instance = ear.instance
    ear.go_on.clear()  # the reader hangs
    (ear.root / "Song" / "full_mix.flac").touch()
    eventually(ear.lost)
    assert ear.lost() == ["events no longer arrive"]
    ear.go_on.set()
    ear.full_walk()
    assert ear.instance is not instance
    assert ear.all_so_far() >= {(FolderHint, "Song")}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_has_ended_is_missed(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*arguments: object) -> None:
        raise ZeroDivisionError

    ear.full_walk()
    with monkeypatch.context() as patch:
        patch.setattr(InotifyFD, "handle_event", end)
        eventually(ear.lost)
    assert ear.lost() == ["its thread has ended"]
    assert ear.full_walk().events
    (ear.root / "Song" / "full_mix.flac").touch()
    ear.hears((FolderHint, "Song"))


def test_sentinel_never_heard_is_not_missed(ear: Ear, looks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_path", lambda descriptor: str(ear.root.parent))
    ear.full_walk()
    ear.instance.sentinel = None  # as where opening sends no event
    ear.instance.heard_sentinel = False
    eventually(lambda: len(looks) > 3)
    assert set(looks) == {""}
    assert ear.lost() == []


def test_guard_without_room_for_sentinel_still_looks(
    ear: Ear, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(name: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "memfd_create", full)
        ear.full_walk()
        eventually(lambda: len(looks) > 2)
        assert ear.lost() == []
    eventually(lambda: ear.instance.sentinel is not None)


def test_nothing_is_written_into_the_dataset(ear: Ear, looks: list[str]) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in (ear.root, *ear.root.rglob("*")))
    ear.full_walk()
    eventually(lambda: len(looks) > 3)
    assert sorted((path, path.stat().st_mtime_ns) for path in (ear.root, *ear.root.rglob("*"))) == before
    assert (set(looks), ear.events) == ({""}, [])
