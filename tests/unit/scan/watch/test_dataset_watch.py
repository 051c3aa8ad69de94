"""The watch on one dataset: set up, refused, lost with its root, and set up again."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyFD

from audiobatchd.core.events import FolderHint
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.vocabulary.states import WatchMode, WatchReport
from support.service import eventually
from support.watch_rig import LAST, Ear, songs

HINT = (FolderHint, "Song")


def test_second_ensure_changes_nothing_unless_renewed(ear: Ear) -> None:
    instance = ear.instance
    ear.full_walk()
    assert ear.instance is instance
    ear.full_walk(renew=True)
    assert ear.instance is not instance
    assert not instance.is_alive()
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert ear.hints() == {HINT}


def _remade(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def _replaced(root: Path) -> None:
    root.rename(root.with_name("old"))
    root.mkdir()


@pytest.mark.parametrize("happens", [_remade, _replaced])
def test_replaced_root_is_told_once_and_watched_again(ear: Ear, happens: Callable[[Path], None]) -> None:
    happens(ear.root)
    eventually(ear.lost)
    songs(ear.root)
    ear.full_walk()
    assert ear.watched() == {"", LAST}
    ear.all_so_far()
    assert len(ear.lost()) == 1
    assert ear.lost()[0] in ("the root was removed", "the root was moved away")


def test_a_root_that_goes_is_not_watched_until_it_is_back(ear: Ear) -> None:
    shutil.rmtree(ear.root)
    gone = WatchReport(False, "cannot watch it (No such file or directory)")
    assert ear.full_walk() == gone
    assert not ear.watches.ensure(str(ear.root), renew=False), "a walk may come just as it does"
    assert ear.full_walk() == gone
    assert not ear.enter("Song", leaf=True)
    songs(ear.root, "Song")
    assert ear.full_walk().events
    (ear.root / "Song" / "full_mix.flac").touch()
    ear.hears(HINT)


def test_a_root_that_is_a_link_is_followed(ear: Ear, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(ear.root)
    linked = Ear(tmp_path / "link")
    assert linked.full_walk() == WatchReport(True, "inotify", parents=1, leaves=3)
    (ear.root / "Song" / "full_mix.flac").touch()
    assert linked.hints() == {HINT}
    linked.watches.stop()


def test_failed_watch_says_why_and_is_tried_again(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    ear.watches.stop()
    threads = threading.active_count()
    again = Ear(ear.root)
    with monkeypatch.context() as patch:
        patch.setattr(InotifyFD, "_create_inotify_fd", full)
        report = again.full_walk()
    assert not report.events
    assert report.reason.startswith("cannot watch it (fs.inotify.max_user_instances is ")
    assert threading.active_count() == threads
    assert again.full_walk().events
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert again.hints() == {HINT}
    again.watches.stop()


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.WEAK])
def test_shared_file_system_is_walked_unless_mode_is_events(
    ear: Ear, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(filesystems, "of", lambda path: (kind, "nfs4"))
    shared, asked = Ear(ear.root, mode=WatchMode.AUTO), Ear(ear.root, mode=WatchMode.EVENTS)
    assert shared.full_walk() == WatchReport(False, "nfs4 sends no events of other machines")
    assert asked.full_walk() == WatchReport(True, "inotify", parents=1, leaves=3)
    monkeypatch.undo()
    assert shared.full_walk().events
    shared.watches.stop()
    asked.watches.stop()
