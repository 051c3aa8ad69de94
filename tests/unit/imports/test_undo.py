"""Undoing removes what was imported, and leaves every folder in which anything would be lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.imports import session
from audiobatchd.imports.manifest import Mode
from audiobatchd.imports.undo import Undoings
from audiobatchd.locks import lock_file
from audiobatchd.locks.folder_lock import FolderLock
from support.music_library import folders, import_all, tree, write

SONG = "Artist - Album - Song"
OTHER = "Artist - Album - Other"
FEATURES = {"loudness": frozenset({"lufs", ".BEATS_GRID"}), "rhythm": frozenset({"bpm"})}
RECORD = {"lufs": -9.0, "_audiobatch": {"format": 1, "analyzers": {"loudness": {"full_mix": {}}}}}
MODES = (Mode.COPY, Mode.HARDLINK, Mode.LINK, Mode.MOVE)


class Imported:
    """Two tracks that were imported, and what can be done with them."""

    def __init__(self, root: Path, mode: Mode) -> None:
        self.music = write(root / "music", "Artist/Album/01 Song.flac", "Artist/Album/02 Other.flac")
        self.before = tree(self.music)
        self.dataset = root / "dataset"
        self.id = import_all(self.music, self.dataset, mode).id
        self.song = self.dataset / SONG
        self.mix = self.song / "full_mix.flac"
        self.source = self.music / "Artist" / "Album" / "01 Song.flac"

    def undo(self) -> Undoings:
        found = session.undone(os.path.realpath(self.dataset), self.id, lambda: FEATURES, lambda *_: None)
        assert found is not None
        return found

    def record(self, **more: object) -> None:
        (self.song / f"{SONG}.INFO").write_text(json.dumps({**RECORD, **more}))


@pytest.fixture(params=MODES)
def imported(request: pytest.FixtureRequest, tmp_path: Path) -> Imported:
    return Imported(tmp_path, request.param)


@pytest.fixture
def copied(tmp_path: Path) -> Imported:
    return Imported(tmp_path, Mode.COPY)


def assert_left(made: Imported, why: str) -> None:
    content = {path.name: os.fspath(path) for path in made.song.iterdir()}
    found = made.undo()
    assert [(each.path, why in each.why) for each in found.left] == [(SONG, True)], found.left
    assert found.removed == [OTHER]
    assert {path.name: os.fspath(path) for path in made.song.iterdir()} == content


def test_undo_gives_back_the_library_as_it_was(imported: Imported) -> None:
    found = imported.undo()
    assert (sorted(found.removed), found.left) == ([OTHER, SONG], [])
    assert folders(imported.dataset) == {}
    assert tree(imported.music) == imported.before
    assert imported.undo() == Undoings()


def test_our_own_record_companions_and_lock_are_no_change(imported: Imported) -> None:
    imported.record()
    (imported.song / f"{SONG}.BEATS_GRID").write_text("0.5\n")
    (imported.song / ".audiobatch-0123456789ab.tmp").write_text("{}")
    left_by_the_dead = lock_file.of_this_process(0.0, 60.0, "token")
    (imported.dataset / f"{SONG}.lock").write_bytes(left_by_the_dead)
    assert imported.undo().left == []
    assert list(imported.dataset.iterdir()) == [imported.dataset / ".audiobatch-imports"]
    assert tree(imported.music) == imported.before


def _touch(made: Imported) -> None:
    os.utime(made.mix, ns=(1, 1))


def _chmod(made: Imported) -> None:
    made.mix.chmod(0o600)


def _replace_by_the_same(made: Imported) -> None:
    content = made.mix.read_bytes()
    made.mix.unlink()
    made.mix.write_bytes(content)


@pytest.mark.parametrize("act", [_touch, _chmod, _replace_by_the_same])
def test_the_same_content_is_no_change_of_a_copy(copied: Imported, act: Callable[[Imported], None]) -> None:
    act(copied)
    assert copied.undo().left == []
    assert tree(copied.music) == copied.before


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"mine": 1}, "did not measure: mine"),
        ({"bpm": 120.0}, "did not measure: bpm"),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}, "a, b, c and 2 other keys"),
    ],
)
def test_a_foreign_key_keeps_the_folder(imported: Imported, more: dict[str, object], why: str) -> None:
    imported.record(**more)
    assert_left(imported, why)


@pytest.mark.parametrize("record", ["{", "[]", ""])
def test_a_record_that_is_none_keeps_the_folder(copied: Imported, record: str) -> None:
    (copied.song / f"{SONG}.INFO").write_text(record)
    if record:
        assert_left(copied, "cannot understand the record")
    else:  # nothing is in it
        assert copied.undo().left == []


@pytest.mark.parametrize(
    "name", ["notes.txt", "drums.flac", f"{SONG}.ONSETS", f"{SONG}.BEATS_GRID", ".hidden", "crops"]
)
def test_a_foreign_file_keeps_the_folder(imported: Imported, name: str) -> None:
    # A companion is ours where our record vouches for it.
    (imported.song / name).mkdir() if name == "crops" else (imported.song / name).write_text("theirs")
    assert_left(imported, "holds what was not imported")


def _edit_in_place_keeping_the_time(made: Imported) -> None:
    status = made.mix.stat()
    made.mix.write_bytes(made.mix.read_bytes()[:-1] + b"X")
    os.utime(made.mix, ns=(status.st_atime_ns, status.st_mtime_ns))


def _edit(made: Imported) -> None:
    made.mix.write_bytes(b"edited")


def _remove(made: Imported) -> None:
    made.mix.unlink()


def _remove_the_source(made: Imported) -> None:
    made.source.unlink()


def _change_the_source(made: Imported) -> None:
    made.source.write_bytes(b"edited")


def _link_instead(made: Imported) -> None:
    made.mix.unlink()
    made.mix.symlink_to("/dev/null")


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (_edit, "has changed since"),
        (_edit_in_place_keeping_the_time, "has changed since"),
        (_remove, "is not there any more"),
        (_remove_the_source, "may be the only copy"),
        (_change_the_source, "may be the only copy"),
        (_link_instead, "no regular file"),
    ],
)
def test_a_copy_that_would_be_lost_keeps_the_folder(
    copied: Imported, act: Callable[[Imported], None], why: str
) -> None:
    act(copied)
    assert_left(copied, why)


@pytest.mark.parametrize("act", [_remove_the_source, _replace_by_the_same])
def test_a_hard_link_that_is_the_last_name_keeps_the_folder(tmp_path: Path, act: Callable[[Imported], None]) -> None:
    made = Imported(tmp_path, Mode.HARDLINK)
    act(made)
    assert_left(made, "the only copy" if act is _remove_the_source else "is not the file any more")


def test_a_link_that_was_replaced_keeps_the_folder(tmp_path: Path) -> None:
    made = Imported(tmp_path, Mode.LINK)
    _replace_by_the_same(made)
    assert_left(made, "is not the link")


def test_a_moved_file_goes_back_into_a_directory_made_again(tmp_path: Path) -> None:
    made = Imported(tmp_path, Mode.MOVE)
    made.source.parent.rmdir()
    assert made.undo().left == []
    assert tree(made.music) == made.before


def test_a_moved_file_never_replaces_another(tmp_path: Path) -> None:
    made = Imported(tmp_path, Mode.MOVE)
    made.source.write_bytes(b"theirs")
    assert_left(made, "another file is where full_mix.flac came from")
    assert made.source.read_bytes() == b"theirs"


def test_a_moved_file_that_was_edited_stays(tmp_path: Path) -> None:
    made = Imported(tmp_path, Mode.MOVE)
    _edit(made)
    assert_left(made, "has changed since")


def test_a_folder_at_work_is_left_and_taken_later(copied: Imported) -> None:
    lock = FolderLock(str(copied.song), 60)
    lock.acquire()
    assert_left(copied, "is being measured")
    lock.release()
    assert copied.undo().removed == [SONG]


def test_a_folder_with_another_name_is_left(copied: Imported) -> None:
    copied.song.rename(copied.dataset / "Renamed")
    found = copied.undo()
    assert [(each.path, "has another name" in each.why) for each in found.left] == [(SONG, True)]
    assert "Renamed" in folders(copied.dataset)


def test_an_unknown_import_is_none(copied: Imported) -> None:
    assert session.undone(str(copied.dataset), "nothing", lambda: FEATURES, lambda *_: None) is None


def test_what_comes_between_the_looks_keeps_the_folder(copied: Imported, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def racing(path: Path, target: str) -> Path:
        if path.name == SONG:
            (path / "late.txt").write_text("theirs")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", racing)
    found = copied.undo()
    assert [each.path for each in found.left] == [SONG]
    assert folders(copied.dataset) == {SONG: ["full_mix.flac", "late.txt"]}
    monkeypatch.undo()
    (copied.song / "late.txt").unlink()
    assert copied.undo().removed == [SONG]
