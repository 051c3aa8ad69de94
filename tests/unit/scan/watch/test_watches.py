"""Real events of a real directory: which hints they become, which they do not, and what the watch lives through."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyFD

from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished
from audiobatchd.disk import filesystems
from audiobatchd.disk.filesystems import Kind
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.vocabulary.states import WatchMode, WatchReport
from support.service import eventually
from support.watch_rig import LAST, ROOT, Ear, Seen, songs


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
    assert made.full_walk() == WatchReport(True, "inotify", parents=1, leaves=3)
    yield made
    made.watches.stop()


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


def _directory_like_a_source(root: Path, outside: Path) -> None:
    (root / "Song" / "bass.flac").mkdir()


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
        (_directory_renamed, [(TreeVanished, "Song"), (TreeAppeared, "Renamed")]),
        (_directory_moved_out, [(TreeVanished, "Song")]),
        (_directory_moved_in, [(TreeAppeared, "Come")]),
        (_directory_removed, [(TreeVanished, "Song"), HINT]),
        (_file_in_the_root, [(FolderHint, "")]),
        (_directory_like_a_source, [HINT, (TreeAppeared, "Song/bass.flac")]),
        (_no_text, [(TreeAppeared, "caf\udce9")]),
    ],
)
def test_what_happens_becomes_a_hint(
    ear: Ear, tmp_path: Path, happens: Callable[[Path, Path], None], expected: list[Seen]
) -> None:
    happens(ear.root, tmp_path / "outside")
    assert ear.hints() == set(expected)
    assert ear.lost() == []


def test_a_tree_that_is_copied_in_is_at_least_announced(ear: Ear, tmp_path: Path) -> None:
    _tree_copied(ear.root, tmp_path / "outside")
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
    eventually(lambda: "Genre/Song" in ear.watched(), 20)
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
    eventually(lambda: ear.events.count(ear.events[0]) > 1, 20)
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


@pytest.mark.parametrize("path", ["Song", "Other"])
def test_permissions_of_a_directory_are_heard_of(ear: Ear, path: str) -> None:
    (ear.root / path).chmod(0o700)
    assert ear.all_so_far() == {(FolderTouched, path)}


def test_permissions_of_the_root_are_heard_of(ear: Ear) -> None:
    ear.root.chmod(0o700)
    assert ear.all_so_far() == {(FolderTouched, "")}


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


def _folder_named_like_a_feature(root: Path, outside: Path) -> None:
    (root / "Other" / "N.W.A").mkdir()
    (root / "Other" / "N.W.A").chmod(0o700)
    (root / "Other" / "Live at N.W.A").touch()


def test_directory_named_like_a_feature_is_no_hint_to_its_parent(ear: Ear, tmp_path: Path) -> None:
    _folder_named_like_a_feature(ear.root, tmp_path)
    assert (FolderHint, "Other") not in ear.hints()


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


# What it lives through


def test_an_exception_on_the_way_ends_nothing(ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def post(event: Event) -> None:
        heard.append(event)
        if len(heard) <= 3:
            raise ZeroDivisionError

    fragile = Ear(ear.root)
    fragile.watches.stop()
    fragile.watches.listen(post)
    fragile.watches.replace({str(ear.root): WatchTerms((), WatchMode.EVENTS)})
    fragile.full_walk()
    try:
        (ear.root / "Song" / "full_mix.flac").write_bytes(b"more")
        (ear.root / "Song" / "bass.flac").write_bytes(b"more")
        eventually(lambda: len(heard) >= 3, 20)
        (ear.root / "New").mkdir()
        eventually(lambda: any(isinstance(event, TreeAppeared) for event in heard), 20)
    finally:
        fragile.watches.stop()
    assert "ZeroDivisionError" in caplog.text
    assert {record.getMessage().split()[0] for record in caplog.records} == {"watch-event"}


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
    eventually(ear.lost, 20)
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
    eventually(lambda: not instance.is_alive(), 20)
    ear.ignore = ("Oth*",)
    assert ear.full_walk().leaves == 2
    ear.watches.replace({root: WatchTerms((), WatchMode.WALK)})
    assert ear.full_walk() == WatchReport(False, "mode = walk")
    assert not ear.enter("Song")
    ear.watches.replace({})
    assert ear.full_walk() == WatchReport(False, "no such dataset")


def test_the_marker_that_makes_a_folder_ready_is_heard(ear: Ear) -> None:
    ear.watches.replace({str(ear.root): WatchTerms(ear.ignore, WatchMode.EVENTS, "READY")})
    ear.full_walk()
    (ear.root / "Other" / "notes.txt").touch()
    (ear.root / "Song" / "READY").touch()
    assert ear.hints() == {(FolderHint, "Song")}


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
