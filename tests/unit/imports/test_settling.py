"""What is dropped into an inbox: what belongs together, when it is at rest, and what becomes of its directories."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest

from audiobatchd.errors import AudiobatchError
from audiobatchd.imports import settling
from audiobatchd.imports.settling import LOOSE, Rest, Unit, is_unfinished, look, remove_empty
from support.music_library import write


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return write(tmp_path / "inbox", "Artist/Album/CD1/1.flac", "Artist/Album/cover.jpg", "loose.wav", "Other/2.flac")


def test_a_directory_goes_as_a_whole_and_loose_files_too(inbox: Path) -> None:
    units = look(str(inbox))
    assert {name: len(unit.files) for name, unit in units.items()} == {"Artist": 2, "Other": 1, LOOSE: 1}
    assert (units["Artist"].names, units[LOOSE].names) == ({"Artist"}, {"loose.wav"})


def test_hidden_names_and_links_are_not_entered(inbox: Path, tmp_path: Path) -> None:
    write(inbox, ".Trash/3.flac", "Other/.hidden", settling.CLAIM)
    write(tmp_path / "elsewhere", "4.flac")
    (inbox / "Other" / "link").symlink_to(tmp_path / "elsewhere")
    units = look(str(inbox))
    assert units[".Trash"].files == []
    assert units["Other"].files == [str(inbox / "Other" / "2.flac"), str(inbox / "Other" / "link")]
    assert settling.CLAIM not in {name for unit in units.values() for name in unit.names}


@pytest.mark.parametrize("change", ["content", "time", "new", "gone", "replaced", "rights", "directory"])
def test_every_change_gives_another_digest(inbox: Path, change: str) -> None:
    file, before = inbox / "Artist" / "Album" / "CD1" / "1.flac", look(str(inbox))
    match change:
        case "content":
            file.write_bytes(b"longer than it was before, and so on")
        case "time":
            os.utime(file, ns=(1, 1))
        case "new":
            write(inbox, "Artist/Album/CD2/1.flac")
        case "gone":
            file.unlink()
        case "replaced":
            status = file.stat()
            file.rename(file.with_name("old"))
            file.write_bytes(file.with_name("old").read_bytes())
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
            file.with_name("old").unlink()
        case "rights":
            file.chmod(0o600)
        case "directory":
            file.parent.chmod(0o700)
    after = look(str(inbox))
    assert after["Artist"].digest != before["Artist"].digest
    assert after["Other"].digest == before["Other"].digest


def test_rest_begins_again_with_every_change() -> None:
    rest, units = Rest(), {"A": Unit(digest=b"1"), "B": Unit(digest=b"1")}
    assert rest.settled(units, 10.0, 0.0) == set()
    units["B"] = Unit(digest=b"2")
    assert rest.settled(units, 10.0, 9.0) == set()
    assert rest.settled(units, 10.0, 10.0) == {"A"}
    assert rest.settled(units, 10.0, 19.0) == {"A", "B"}
    units["A"].unfinished = "A/x.part"
    assert rest.settled(units, 10.0, 99.0) == {"B"}


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [
        ("a.flac.part", True),
        ("a.flac.crdownload", True),
        ("a.flac.tmp", True),
        (".a.flac.Xa81bc", True),
        (".syncthing.a.flac.tmp", True),
        ("a.flac", False),
        ("notes.tmp", False),
        (".DS_Store", False),
    ],
)
def test_names_of_what_is_still_written(name: str, unfinished: bool) -> None:
    assert is_unfinished(name) is unfinished


def test_a_unit_names_what_is_still_written(inbox: Path) -> None:
    write(inbox, "Artist/Album/2.flac.part")
    assert look(str(inbox))["Artist"].unfinished == str(inbox / "Artist" / "Album" / "2.flac.part")


def test_a_directory_that_cannot_be_read_counts(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> object:
        if path.endswith("CD1"):
            raise PermissionError(path)
        return original(path)

    original = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    assert str(inbox / "Artist/Album/CD1") in look(str(inbox))["Artist"].files


def test_a_directory_that_cannot_be_entered_hinders_no_other(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(NamedTuple):
        name: str
        path: str

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            raise PermissionError(self.path, follow_symlinks)

    def scandir(path: str) -> object:
        if path.endswith("CD1"):
            return nullcontext([Closed("1.flac", f"{path}/1.flac")])
        return original(path)

    original = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    units = look(str(inbox))
    assert str(inbox / "Artist/Album/CD1/1.flac") in units["Artist"].files
    assert units["Other"].files == [str(inbox / "Other" / "2.flac")]


def test_too_many_files_are_refused(inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "MOST", 3)
    with pytest.raises(AudiobatchError, match="holds more than 3 files"):
        look(str(inbox))


def test_an_inbox_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        look(str(tmp_path / "nowhere"))


def test_empty_directories_go_up_to_the_inbox(tmp_path: Path) -> None:
    for each in ("A/B/C", "D/E"):
        (tmp_path / "inbox" / each).mkdir(parents=True)
    write(tmp_path / "inbox", "D/cover.jpg")
    inbox = str(tmp_path / "inbox")
    remove_empty({f"{inbox}/A/B/C", f"{inbox}/A/B", f"{inbox}/D/E", inbox, str(tmp_path)}, inbox)
    assert sorted(path.name for path in (tmp_path / "inbox").rglob("*")) == ["D", "cover.jpg"]
