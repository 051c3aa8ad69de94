"""The watch on all datasets: what it watches as trees come and go, and what is left when it ends."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from audiobatchd.core.events import FolderHint, FolderTouched, TreeAppeared, TreeVanished
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.vocabulary.states import WatchMode, WatchReport
from support.service import eventually
from support.shortage import no_thread
from support.watch_rig import LAST, ROOT, Ear, songs

HINT = (FolderHint, "Song")


def test_a_tree_that_is_copied_in_is_at_least_announced(ear: Ear, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "outside", ear.root / "Copy")
    assert (TreeAppeared, "Copy") in ear.hints()
    assert ear.watched() >= {"Copy", "Copy/Song", "Copy/Other"}


def test_tree_moved_in_is_told_once_and_watched_throughout(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "outside").rename(ear.root / "Come")
    assert ear.hints() == {(TreeAppeared, "Come")}
    assert [event for event in ear.events if isinstance(event, TreeAppeared)] == [ear.events[0]]
    assert ear.watched() >= {"Come", "Come/Song", "Come/Other"}
    (ear.root / "Come" / "Song" / "full_mix.flac").write_bytes(b"more")
    ear.hears((FolderHint, "Come/Song"))


def test_directory_moved_out_is_silent(ear: Ear, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "outside", ear.root / "Genre")
    ear.hears((TreeAppeared, "Genre"))
    eventually(lambda: "Genre/Song" in ear.watched())
    (ear.root / "Genre").rename(tmp_path / "away")
    ear.hears((TreeVanished, "Genre"))
    before = ear.seen()
    (tmp_path / "away" / "Song" / "full_mix.flac").write_bytes(b"more")
    (tmp_path / "away" / "Song" / "New").mkdir()
    assert ear.all_so_far() == {each for each in before if each[1] != LAST}
    assert ear.watched() == {"", "Song", "Other", LAST}
    assert ear.report().leaves == 3
    in_kernel = Path(f"/proc/self/fdinfo/{ear.instance._descriptor._fd._inotify_fd}")
    assert in_kernel.read_text().count("inotify wd:") > 5
    ear.instance.sweep()
    assert in_kernel.read_text().count("inotify wd:") == 5  # and the guard's cookie


def test_directory_that_comes_back_is_heard_by_its_name(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "Song").rename(tmp_path / "away")
    (tmp_path / "away").rename(ear.root / "Song")
    (ear.root / "Song").rename(ear.root / "Renamed")
    ear.hears((TreeAppeared, "Renamed"))
    ear.instance.sweep()
    (ear.root / "Renamed" / "full_mix.flac").write_bytes(b"more")
    ear.hears((FolderHint, "Renamed"))
    assert HINT not in ear.seen()


def test_a_directory_that_takes_an_empty_one_s_place_is_watched(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "Empty").mkdir()
    ear.hears((TreeAppeared, "Empty"))
    (tmp_path / "outside" / "Song").rename(ear.root / "Empty")
    eventually(lambda: ear.events.count(ear.events[0]) > 1)
    assert ear.all_so_far() >= {(TreeAppeared, "Empty")}
    (ear.root / "Empty" / "drums.flac").unlink()
    ear.hears((FolderHint, "Empty"))


def test_a_new_directory_is_watched_as_well(ear: Ear) -> None:
    (ear.root / "New").mkdir()
    ear.hears((TreeAppeared, "New"))
    (ear.root / "New" / "caf\udce9").mkdir()
    ear.hears((TreeAppeared, "New/caf\udce9"))
    (ear.root / "New" / "caf\udce9" / "full_mix.flac").touch()
    ear.hears((FolderHint, "New/caf\udce9"))
    assert "New" in ear.instance.tree.parents


# What it lives through


@pytest.mark.skipif(not ROOT, reason="becoming another user takes root")
def test_unreadable_directory_is_reported_until_readable() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "music"
        songs(root, "Shut")
        for path in (root, root / "Shut", root / LAST):
            os.chown(path, 65534, 65534)
        Path(place).chmod(0o755)
        root.chmod(0)
        ear = Ear(root)
        os.seteuid(65534)
        try:
            reason = "cannot watch it (Permission denied)"
            assert ear.full_walk() == WatchReport(False, reason, reason, lacks=frozenset({errno.EACCES}))
            root.chmod(0o700)
            (root / "Shut").chmod(0)
            report = ear.full_walk()
            assert report.degraded == "1 directory is not watched: Permission denied"
            assert (report.parents, report.leaves) == (1, 1)
            (root / "Shut").chmod(0o700)
            ear.hears((FolderTouched, "Shut"))
            assert ear.full_walk() == WatchReport(True, "inotify", parents=1, leaves=2)
        finally:
            os.seteuid(0)
        ear.watches.stop()


def test_stop_leaves_no_thread_descriptor_or_directory(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads, descriptors, names = threading.active_count(), os.listdir("/proc/self/fd"), os.listdir(tmp_path)
    other = Ear(ear.root)
    other.full_walk()
    other.full_walk(renew=True)
    assert threading.active_count() == threads + 2
    other.watches.stop()
    other.watches.stop()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == len(descriptors)
    assert os.listdir(tmp_path) == names
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert ear.hints() == {HINT}
    assert other.events == []
    assert not other.full_walk().events


# What is asked for


def test_other_terms_end_the_watch_and_begin_another(ear: Ear) -> None:
    root, instance = str(ear.root), ear.instance
    ear.watches.replace({root: WatchTerms(("skip*",), WatchMode.EVENTS)})
    assert ear.instance is instance
    ear.watches.replace({root: WatchTerms(("Oth*",), WatchMode.EVENTS)})
    assert ear.report() == WatchReport(False, "not watched yet")
    eventually(lambda: not instance.is_alive())
    ear.ignore = ("Oth*",)
    assert ear.full_walk().leaves == 2
    ear.watches.replace({root: WatchTerms((), WatchMode.WALK)})
    assert ear.full_walk() == WatchReport(False, "mode = walk")
    assert not ear.enter("Song")
    ear.watches.replace({})
    assert ear.full_walk() == WatchReport(False, "no such dataset")


def test_watch_for_whose_end_no_thread_is_there_ends_later(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    root, instance = str(ear.root), ear.instance
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", no_thread)
        ear.watches.replace({root: WatchTerms((), WatchMode.WALK)})
    assert ear.report() == WatchReport(False, "mode = walk")
    assert instance.is_alive()
    ear.watches.look(root)
    eventually(lambda: not instance.is_alive())


def test_forgotten_directory_is_silent_until_entered(ear: Ear) -> None:
    ear.watches.forget(str(ear.root), "Song")
    assert ear.report().leaves == 2
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert ear.hints() == set()
    assert ear.enter("Song", leaf=True)
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    ear.hears(HINT)


def test_plain_file_is_neither_watched_nor_lacking(ear: Ear, tmp_path: Path) -> None:
    (ear.root / "Link").symlink_to(tmp_path)
    assert not ear.enter("Link")
    assert not ear.enter("Gone", leaf=True)
    assert not ear.enter("Song/full_mix.flac", leaf=False)
    assert ear.report() == WatchReport(True, "inotify", parents=1, leaves=3)
