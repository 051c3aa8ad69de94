"""What is found in a library, and what is passed over with a count."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd.errors import UsageError
from audiobatchd.imports import library
from support.music_library import write


def found(root: Path, *sources: Path) -> library.Library:
    return library.read([str(each) for each in sources or (root / "music",)], str(root / "dataset"))


def names(made: library.Library) -> list[str]:
    return [each.name for each in made.audio]


def test_audio_is_found_and_the_rest_is_counted_by_kind(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/1.flac", "A/B/2.MP3", "A/B/cover.jpg", "A/B/folder.png", "A/list.m3u8", "clip.mkv")
    write(
        tmp_path / "music", "A/log.txt", "A/old.wma", "A/x.flac.part", ".hidden/3.flac", "A/._1.flac", "@eaDir/1.flac"
    )
    made = found(tmp_path)
    assert names(made) == ["1.flac", "2.MP3"]
    assert made.audio[0].below == ("A", "B")
    assert made.passed_over == {
        "picture": 2,
        "playlist": 1,
        "video": 1,
        library.OTHER: 1,
        library.UNREAD: 1,
        library.UNFINISHED: 1,
        library.HIDDEN: 3,
    }


def test_linked_files_count_and_linked_directories_do_not(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/1.flac", "elsewhere/2.flac", "music/3.flac")
    (tmp_path / "music" / "1.flac").symlink_to(tmp_path / "elsewhere" / "1.flac")
    (tmp_path / "music" / "all").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music" / "round.flac").symlink_to("round.flac")
    made = found(tmp_path)
    assert [(each.name, each.is_link) for each in made.audio] == [("1.flac", True), ("3.flac", False)]
    assert made.passed_over[library.LINKED] == 1
    assert [Path(each.path).name for each in made.troubles] == ["round.flac"]


def test_a_file_that_two_sources_reach_is_one(tmp_path: Path) -> None:
    write(tmp_path, "music/A/1.flac")
    (tmp_path / "music" / "same.flac").symlink_to("A/1.flac")
    made = found(tmp_path, tmp_path / "music", tmp_path / "music" / "A", tmp_path / "music" / "A" / "1.flac")
    assert names(made) == ["1.flac"]


def test_empty_and_special_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "empty.flac").touch()
    os.mkfifo(tmp_path / "music" / "pipe.wav")
    made = found(tmp_path)
    assert not made.audio
    whys = {Path(each.path).name: each.why for each in made.troubles}
    assert whys == {"empty.flac": "it is empty", "pipe.wav": "cannot read it: it is no regular file"}


def test_a_dataset_inside_the_source_is_not_entered(tmp_path: Path) -> None:
    write(tmp_path, "1.flac", "dataset/Song/full_mix.flac")
    assert names(found(tmp_path, tmp_path)) == ["1.flac"]


@pytest.mark.parametrize("source", ["dataset", "dataset/Song", "nowhere"])
def test_a_source_in_the_dataset_or_nowhere_is_refused(tmp_path: Path, source: str) -> None:
    write(tmp_path, "dataset/Song/full_mix.flac")
    with pytest.raises(UsageError, match="cannot import from"):
        found(tmp_path, tmp_path / source)


def test_a_name_outside_utf8_is_found(tmp_path: Path) -> None:
    write(tmp_path / "music", b"caf\xe9.flac")
    assert [os.fsencode(name) for name in names(found(tmp_path))] == [b"caf\xe9.flac"]


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "music/shut/1.flac", "music/2.flac")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    made = found(tmp_path)
    assert names(made) == ["2.flac"]
    assert [each.why for each in made.troubles] == ["cannot read the directory: Permission denied"]


def test_an_inbox_takes_some_names_and_no_links(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/1.flac", "B/2.flac", "3.flac")
    (tmp_path / "music" / "A" / "4.flac").symlink_to("1.flac")
    made = library.read([str(tmp_path / "music")], str(tmp_path / "dataset"), {"A", "3.flac"}, links=False)
    assert names(made) == ["3.flac", "1.flac"]
    assert made.passed_over == {library.FILE_LINK: 1}


@pytest.mark.parametrize(
    ("name", "kind"),
    [("cover.JPG", "picture"), ("list.m3u", "playlist"), ("a.wma", library.UNREAD), ("noext", library.OTHER)],
)
def test_what_is_no_audio_is_of_a_kind(name: str, kind: str) -> None:
    assert library.kind_of(name) == kind
