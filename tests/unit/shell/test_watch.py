"""Real events of a real directory: which hints they become, which they do not, and what the watch lives through."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.events import DirMovedEvent, FileMovedEvent, FileSystemEvent
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, Mask, WatchDescriptor

from audiobatchd import watch
from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished, WatchLost
from audiobatchd.model import FolderKey
from audiobatchd.watch import OverflowHandler, Watch
from support.service import eventually

ROOT = os.geteuid() == 0
LAST = "last"
HINTS = (FolderHint, FolderTouched, TreeAppeared, TreeVanished)
Seen = tuple[type[Event], str]


class Ear:
    """A watched dataset, and everything that was heard of it."""

    def __init__(self, root: Path, ignore: tuple[str, ...] = ()) -> None:
        self.root = root
        self.events: list[Event] = []
        self.watch = Watch(str(root), ignore, self.events.append)

    def seen(self) -> set[Seen]:
        hints = [event for event in list(self.events) if isinstance(event, HINTS)]
        assert all(hint.key.dataset == str(self.root) for hint in hints)
        return {(type(hint), hint.key.path) for hint in hints}

    def hears(self, *expected: Seen) -> None:
        """Wait until these have been heard."""
        eventually(lambda: self.seen() >= set(expected), 20, self.seen)

    def all_so_far(self) -> set[Seen]:
        """What was heard of everything that has happened until now; it may be asked once."""
        (self.root / LAST / "full_mix.flac").touch()
        self.hears((FolderHint, LAST))
        return {(kind, path) for kind, path in self.seen() if path != LAST}

    def hints(self) -> set[Seen]:
        """The same without directories of which something changed, which means little."""
        return {(kind, path) for kind, path in self.all_so_far() if kind is not FolderTouched}


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    """A dataset with two songs, watched, with a directory beside it for what is moved in and out."""
    root = tmp_path / "music"
    for path in ("Song", "Other", LAST):
        (root / path).mkdir(parents=True)
    for path in ("Song/full_mix.flac", "Song/drums.flac", "Song/notes.txt", "Song/Song.INFO", "Other/full_mix.flac"):
        (root / path).write_bytes(b"sound")
    shutil.copytree(root, tmp_path / "outside")
    made = Ear(root, ("skip*",))
    assert made.watch.ensure() == ""
    yield made
    made.watch.stop()


# What becomes which hint


def _directory_made(root: Path, outside: Path) -> None:
    (root / "New").mkdir()


def _file_made(root: Path, outside: Path) -> None:
    (root / "Song" / "bass.flac").touch()


def _file_written(root: Path, outside: Path) -> None:
    with (root / "Song" / "full_mix.flac").open("ab") as file:
        file.write(b"more")


def _file_touched(root: Path, outside: Path) -> None:
    os.utime(root / "Song" / "full_mix.flac", (1, 1))


def _mode_of_a_file(root: Path, outside: Path) -> None:
    (root / "Song" / "full_mix.flac").chmod(0o600)


def _file_renamed(root: Path, outside: Path) -> None:
    (root / "Song" / "drums.flac").rename(root / "Song" / "bass.flac")


def _file_arrived(root: Path, outside: Path) -> None:
    (root / "Song" / ".bass.flac.x8Yz2a").touch()
    (root / "Song" / ".bass.flac.x8Yz2a").rename(root / "Song" / "bass.flac")


def _file_moved_across(root: Path, outside: Path) -> None:
    (root / "Song" / "drums.flac").rename(root / "Other" / "drums.flac")


def _file_moved_out(root: Path, outside: Path) -> None:
    (root / "Song" / "drums.flac").rename(outside / "drums.flac")


def _file_moved_in(root: Path, outside: Path) -> None:
    (outside / "Song" / "drums.flac").rename(root / "Other" / "drums.flac")


def _file_removed(root: Path, outside: Path) -> None:
    (root / "Song" / "drums.flac").unlink()


def _file_on_its_way(root: Path, outside: Path) -> None:
    (root / "Song" / "bass.flac.part").touch()


def _record_published(root: Path, outside: Path) -> None:
    (root / "Song" / ".audiobatch-0123456789ab.tmp").write_bytes(b"{}")
    (root / "Song" / ".audiobatch-0123456789ab.tmp").rename(root / "Song" / "Song.INFO")


def _record_removed(root: Path, outside: Path) -> None:
    (root / "Song" / "Song.INFO").unlink()


def _directory_renamed(root: Path, outside: Path) -> None:
    (root / "Song").rename(root / "Renamed")


def _directory_moved_out(root: Path, outside: Path) -> None:
    (root / "Song").rename(outside / "gone")


def _directory_moved_in(root: Path, outside: Path) -> None:
    (outside / "Song").rename(root / "Come")


def _directory_removed(root: Path, outside: Path) -> None:
    shutil.rmtree(root / "Song")


def _tree_copied(root: Path, outside: Path) -> None:
    shutil.copytree(outside, root / "Copy")


def _file_in_the_root(root: Path, outside: Path) -> None:
    (root / "full_mix.flac").touch()


def _no_text(root: Path, outside: Path) -> None:
    (root / "caf\udce9").mkdir()


HINT = (FolderHint, "Song")


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        (_directory_made, [(TreeAppeared, "New")]),
        (_file_made, [HINT]),
        (_file_written, [HINT]),
        (_file_touched, [HINT]),
        (_mode_of_a_file, [HINT]),
        (_file_renamed, [HINT]),
        (_file_arrived, [HINT]),
        (_file_moved_across, [HINT, (FolderHint, "Other")]),
        (_file_moved_out, [HINT]),
        (_file_moved_in, [(FolderHint, "Other")]),
        (_file_removed, [HINT]),
        (_file_on_its_way, [HINT]),
        (_record_published, [HINT]),
        (_record_removed, [HINT]),
        (
            _directory_renamed,
            [(TreeVanished, "Song"), (TreeAppeared, "Renamed"), HINT, (FolderHint, "Renamed")],
        ),
        (_directory_moved_out, [(TreeVanished, "Song")]),
        (_directory_moved_in, [(TreeAppeared, "Come"), (FolderHint, "Come")]),
        (_directory_removed, [(TreeVanished, "Song"), HINT]),
        (_file_in_the_root, [(FolderHint, "")]),
        (_no_text, [(TreeAppeared, "caf\udce9")]),
    ],
)
def test_what_happens_becomes_a_hint(
    ear: Ear, tmp_path: Path, happens: Callable[[Path, Path], None], expected: list[Seen]
) -> None:
    happens(ear.root, tmp_path / "outside")
    assert ear.hints() == set(expected)


def test_a_tree_that_is_copied_in_is_at_least_announced(ear: Ear, tmp_path: Path) -> None:
    _tree_copied(ear.root, tmp_path / "outside")
    assert (TreeAppeared, "Copy") in ear.hints()


def test_a_new_directory_is_watched_as_well(ear: Ear) -> None:
    (ear.root / "New").mkdir()
    ear.hears((TreeAppeared, "New"))
    (ear.root / "New" / "caf\udce9").mkdir()
    ear.hears((TreeAppeared, "New/caf\udce9"))
    (ear.root / "New" / "caf\udce9" / "full_mix.flac").touch()
    ear.hears((FolderHint, "New/caf\udce9"))


@pytest.mark.parametrize("path", ["Song", "Other"])
def test_permissions_of_a_directory_are_heard_of(ear: Ear, path: str) -> None:
    (ear.root / path).chmod(0o700)
    assert ear.all_so_far() == {(FolderTouched, path)}


# What does not


def _lock(root: Path, outside: Path) -> None:
    (root / "Song.lock").touch()
    (root / "Song.lock").write_bytes(b"{}")
    (root / "Song.lock").unlink()


def _temporary_record(root: Path, outside: Path) -> None:
    path = root / "Song" / ".audiobatch-0123456789ab.tmp"
    path.write_bytes(b"{}")
    path.chmod(0o600)
    path.unlink()


def _others_files(root: Path, outside: Path) -> None:
    (root / "Song" / "notes.txt").write_bytes(b"notes")
    (root / "Song" / "cover.jpg").touch()
    (root / "Song" / "scratch.tmp").touch()
    (root / "Song" / "Song.INFO.lock").touch()
    (root / "Song" / "notes.txt").rename(root / "Song" / "more notes.txt")


def _reading(root: Path, outside: Path) -> None:
    for path in root.rglob("*"):
        path.stat()
        if path.is_file():
            path.read_bytes()


def _link_to_a_directory(root: Path, outside: Path) -> None:
    (root / "Link").symlink_to(outside)


def _outside(root: Path, outside: Path) -> None:
    (outside / "Song" / "full_mix.flac").write_bytes(b"more")
    (root.parent / "music.lock").touch()


def _never_entered(root: Path, outside: Path) -> None:
    for name in (".hidden", "crops", "@eaDir", "lost+found", ".stfolder", "skipped"):
        (root / name / "Track").mkdir(parents=True)
        (root / name / "full_mix.flac").touch()
        (root / name / "Track" / "full_mix.flac").touch()
        (root / name).rename(root / f".{name}")
        shutil.rmtree(root / f".{name}")


@pytest.mark.parametrize(
    "happens",
    [_lock, _temporary_record, _others_files, _reading, _link_to_a_directory, _outside, _never_entered],
)
def test_what_happens_and_is_no_hint(ear: Ear, tmp_path: Path, happens: Callable[[Path, Path], None]) -> None:
    happens(ear.root, tmp_path / "outside")
    assert ear.hints() == set()


@pytest.mark.parametrize("happens", [_reading, _outside])
def test_what_is_not_heard_of_at_all(ear: Ear, tmp_path: Path, happens: Callable[[Path, Path], None]) -> None:
    happens(ear.root, tmp_path / "outside")
    assert ear.all_so_far() == set()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (DirMovedEvent("/music/Song", ""), [TreeVanished(FolderKey("/music", "Song"))]),
        (DirMovedEvent("", "/music/Song"), [TreeAppeared(FolderKey("/music", "Song"))]),
        (DirMovedEvent("/music/Song", "/music/.trash"), [TreeVanished(FolderKey("/music", "Song"))]),
        (DirMovedEvent("/elsewhere/Song", "/music/Song"), [TreeAppeared(FolderKey("/music", "Song"))]),
        (FileMovedEvent("", "/music/Song/drums.flac"), [FolderHint(FolderKey("/music", "Song"))]),
        (FileMovedEvent("/music/Song/drums.flac", ""), [FolderHint(FolderKey("/music", "Song"))]),
        (FileMovedEvent("/musical/full_mix.flac", "/music/..Song/x"), []),
    ],
)
def test_half_of_a_move_is_understood(
    caplog: pytest.LogCaptureFixture, event: FileSystemEvent, expected: list[Event]
) -> None:
    heard: list[Event] = []
    watch._Translator("/music", (), heard.append).dispatch(event)
    assert heard == expected
    assert caplog.records == []


# What it lives through


def test_an_exception_on_the_way_ends_nothing(ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def post(event: Event) -> None:
        heard.append(event)
        if len(heard) <= 3:
            raise ZeroDivisionError

    fragile = Watch(str(ear.root), (), post)
    assert fragile.ensure() == ""
    try:
        (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
        eventually(lambda: len(heard) >= 3, 20)
        (ear.root / "New").mkdir()
        eventually(lambda: TreeAppeared(FolderKey(str(ear.root), "New")) in heard, 20)
    finally:
        fragile.stop()
    assert "ZeroDivisionError" in caplog.text
    assert {record.getMessage().split()[0] for record in caplog.records} == {"watch-event"}


def test_ensuring_twice_changes_nothing(ear: Ear) -> None:
    observer = ear.watch._observer
    assert ear.watch.ensure() == ""
    assert ear.watch._observer is observer


def _remade(root: Path) -> None:
    shutil.rmtree(root)
    root.mkdir()


def _replaced(root: Path) -> None:
    root.rename(root.with_name("old"))
    root.mkdir()


@pytest.mark.parametrize("happens", [_remade, _replaced])
def test_a_root_that_is_another_directory_is_watched_anew(ear: Ear, happens: Callable[[Path], None]) -> None:
    happens(ear.root)
    (ear.root / LAST).mkdir()

    def hears_again() -> bool:
        # The death of the old root's watch may not have been noticed yet.
        assert ear.watch.ensure() == ""
        (ear.root / LAST / "full_mix.flac").write_bytes(b"more")
        return (FolderHint, LAST) in ear.seen()

    eventually(hears_again, 20)


def test_a_root_that_goes_is_not_watched_until_it_is_back(ear: Ear) -> None:
    shutil.rmtree(ear.root)
    assert ear.watch.ensure() == ""
    assert ear.watch._observer is None
    assert ear.watch.ensure() == ""
    (ear.root / LAST).mkdir(parents=True)
    (ear.root / "Song").mkdir()
    assert ear.watch.ensure() == ""
    (ear.root / "Song" / "full_mix.flac").touch()
    ear.hears(HINT)


def test_a_watch_that_cannot_be_set_up_says_why_and_is_tried_again(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    ear.watch.stop()
    threads = threading.active_count()
    with monkeypatch.context() as patch:
        patch.setattr(BaseObserver, "start", full)
        assert ear.watch.ensure() == "no events: cannot watch it (No space left on device)"
    assert threading.active_count() == threads
    assert ear.watch.ensure() == ""
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert ear.hints() == {HINT}


@pytest.mark.skipif(not ROOT, reason="becoming somebody else takes root")
def test_a_root_that_may_not_be_read_says_so() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "music"
        root.mkdir(mode=0o700)
        Path(place).chmod(0o755)
        ear = Ear(root)
        os.seteuid(65534)
        try:
            assert ear.watch.ensure() == "no events: cannot watch it (Permission denied)"
        finally:
            os.seteuid(0)
        assert ear.watch.ensure() == ""
        (root / LAST).mkdir()
        ear.hears((TreeAppeared, LAST))
        ear.watch.stop()


def test_stopping_ends_its_threads_and_hints(ear: Ear) -> None:
    observer = ear.watch._observer
    assert observer is not None
    ear.watch.stop()
    ear.watch.stop()
    assert not observer.is_alive()
    assert not any(emitter.is_alive() for emitter in observer.emitters)
    (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
    assert ear.watch.ensure() == ""
    assert ear.hints() == set()


# What the kernel could not keep


@pytest.fixture
def lost() -> Iterator[list[Event]]:
    """What is said of lost events; the logger is put back at the end."""
    logger = logging.getLogger("watchdog.observers.inotify_c")
    before = logger.handlers[:], logger.propagate
    heard: list[Event] = []
    OverflowHandler(lambda: ("/music", "/more music"), heard.append)
    yield heard
    logger.handlers[:], logger.propagate = before


def test_a_queue_that_overflows_has_every_dataset_walked(ear: Ear, lost: list[Event]) -> None:
    overflow = InotifyEvent(WatchDescriptor(-1), Mask(InotifyConstants.IN_Q_OVERFLOW), 0, b"")
    assert ear.watch._observer is not None
    (emitter,) = ear.watch._observer.emitters
    assert isinstance(emitter, InotifyEmitter)
    emitter._inotify_fd.handle_event(overflow)
    reason = "Inotify queue overflowed; filesystem events were lost"
    assert lost == [WatchLost("/music", reason), WatchLost("/more music", reason)]
    assert ear.hints() == set()


@pytest.mark.parametrize(("level", "told"), [(logging.INFO, 0), (logging.WARNING, 2), (logging.ERROR, 2)])
def test_only_what_is_a_warning_is_passed_on_and_shortened(lost: list[Event], level: int, told: int) -> None:
    logging.getLogger("watchdog.observers.inotify_c").log(level, "a path: %s", "x" * 100_000)
    assert len(lost) == told
    assert all(isinstance(event, WatchLost) and len(event.reason) == 200 for event in lost)
