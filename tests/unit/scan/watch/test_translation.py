"""Real events of a real directory: which hints they become, and which they do not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.core.events import Event, FolderHint, FolderTouched, TreeAppeared, TreeVanished
from audiobatchd.scan.watch.contract import WatchTerms
from audiobatchd.vocabulary.states import WatchMode
from support.service import eventually
from support.watch_rig import Ear, Seen


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


@pytest.mark.parametrize("path", ["Song", "Other"])
def test_permissions_of_a_directory_are_heard_of(ear: Ear, path: str) -> None:
    (ear.root / path).chmod(0o700)
    assert ear.all_so_far() == {(FolderTouched, path)}


def test_permissions_of_the_root_are_heard_of(ear: Ear) -> None:
    ear.root.chmod(0o700)
    assert ear.all_so_far() == {(FolderTouched, "")}


# What is no hint


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
        eventually(lambda: len(heard) >= 3)
        (ear.root / "New").mkdir()
        eventually(lambda: any(isinstance(event, TreeAppeared) for event in heard))
    finally:
        fragile.watches.stop()
    assert "ZeroDivisionError" in caplog.text
    assert {record.getMessage().split()[0] for record in caplog.records} == {"watch-event"}


def test_the_marker_that_makes_a_folder_ready_is_heard(ear: Ear) -> None:
    ear.watches.replace({str(ear.root): WatchTerms(ear.ignore, WatchMode.EVENTS, "READY")})
    ear.full_walk()
    (ear.root / "Other" / "notes.txt").touch()
    (ear.root / "Song" / "READY").touch()
    assert ear.hints() == {(FolderHint, "Song")}
