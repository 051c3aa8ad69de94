"""Folders that are tracks, their order, and those of their files that count."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from audiobatchd import find_organized_folders, get_full_mix, get_stem_files
from support.audio_files import path_of


def make(root: Path, *names: str) -> None:
    """Empty files, each in its folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    places = ["b", "a/z", "B", "a b", "a", "a/b/c", "é", "10", "9", "a-b"]
    make(tmp_path, *(f"{place}/full_mix.flac" for place in places))
    found = find_organized_folders(tmp_path)
    assert found == sorted(tmp_path / place for place in places)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["10", "9", "B", "a", "a/b/c", "a/z", "a b", "a-b", "b", "é"]


@pytest.mark.parametrize(
    ("name", "is_track"),
    [
        ("Song/full_mix.flac", True),
        ("Song/full_mix.FLAC", True),
        ("Song/full_mix.aif", True),
        ("Artist/Album/Song/full_mix.mp3", True),
        ("Song/Full_Mix.flac", True),
        ("Song/FULL_MIX.OGA", True),
        ("Song/full_mix.m4b", True),
        ("Song/full_mix.wv", False),
        ("Song/full_mix.txt", False),
        ("Song/full_mix", False),
        ("Song/drums.flac", False),
        ("Song/full_mix.flac.part", False),
        (".hidden/full_mix.flac", False),
        ("Song/.hidden/full_mix.flac", False),
        ("crops/full_mix.flac", False),
        ("crops/Song/full_mix.flac", False),
        ("@eaDir/full_mix.flac", False),
        ("lost+found/full_mix.flac", False),
        (".stfolder/full_mix.flac", False),
        ("crops of mine/full_mix.flac", True),
    ],
)
def test_tracks_are_found_and_ignored_folders_not_entered(tmp_path: Path, name: str, is_track: bool) -> None:
    make(tmp_path, name)
    assert find_organized_folders(tmp_path) == ([(tmp_path / name).parent] if is_track else [])


def test_link_to_a_folder_is_not_entered_but_to_the_root_is(tmp_path: Path) -> None:
    make(tmp_path, "music/Song/full_mix.flac", "elsewhere/Other/full_mix.flac")
    (tmp_path / "music" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "music" / "Song" / "round").symlink_to(tmp_path / "music")
    (tmp_path / "root").symlink_to(tmp_path / "music")
    assert find_organized_folders(tmp_path / "music") == [tmp_path / "music" / "Song"]
    assert find_organized_folders(tmp_path / "root") == [tmp_path / "root" / "Song"]


def test_ignored_patterns_are_not_entered(tmp_path: Path) -> None:
    make(tmp_path, "Song/full_mix.flac", "Old/Song/full_mix.flac", "take 1/full_mix.flac", "take 2/full_mix.flac")
    assert find_organized_folders(tmp_path, ("Old", "take *")) == [tmp_path / "Song"]


def test_the_root_may_be_a_track_with_tracks_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "full_mix.flac", "Inner/full_mix.flac")
    assert find_organized_folders(str(tmp_path)) == [tmp_path, tmp_path / "Inner"]
    monkeypatch.chdir(tmp_path)
    assert find_organized_folders(".") == [Path(), Path("Inner")]


@pytest.mark.parametrize(
    ("name", "error"), [("nowhere", FileNotFoundError), ("music/Song/full_mix.flac", NotADirectoryError)]
)
def test_a_root_that_is_no_directory_is_an_error(tmp_path: Path, name: str, error: type[OSError]) -> None:
    make(tmp_path, "music/Song/full_mix.flac")
    with pytest.raises(error):
        find_organized_folders(tmp_path / name)
    assert find_organized_folders(tmp_path / "music" / "Song") == [tmp_path / "music" / "Song"]


def test_names_outside_utf_8_are_found_and_lead_to_their_files(tmp_path: Path) -> None:
    folder = path_of(tmp_path, b"caf\xe9 \\ \x01")
    folder.mkdir()
    (folder / "full_mix.flac").write_bytes(b"mix")
    (folder / "bass.flac").write_bytes(b"bass")
    (found,) = find_organized_folders(tmp_path)
    assert os.fsencode(found.name) == b"caf\xe9 \\ \x01"
    mix = get_full_mix(found)
    assert mix is not None
    assert mix.read_bytes() == b"mix"
    assert get_stem_files(found)["bass"].read_bytes() == b"bass"


@pytest.mark.parametrize(
    ("names", "best"),
    [
        ((), None),
        (("drums.flac",), None),
        (("full_mix.mp3",), "full_mix.mp3"),
        (("full_mix.mp3", "full_mix.flac"), "full_mix.flac"),
        (("full_mix.mp3", "full_mix.wav"), "full_mix.wav"),
        (("full_mix.aif", "full_mix.aiff", "full_mix.aac"), "full_mix.aac"),
        (("full_mix.ogg", "full_mix.OPUS"), "full_mix.ogg"),
        (("full_mix.flac/inner.txt", "full_mix.mp3"), "full_mix.mp3"),
    ],
)
def test_better_format_of_two_mixes_counts(tmp_path: Path, names: tuple[str, ...], best: str | None) -> None:
    make(tmp_path, *names)
    assert get_full_mix(tmp_path) == (None if best is None else tmp_path / best)
    assert get_full_mix(str(tmp_path)) == get_full_mix(tmp_path)


def test_stems_come_in_order_each_in_its_best_format(tmp_path: Path) -> None:
    make(tmp_path, "vocals.mp3", "other.flac", "drums.wav", "drums.flac", "piano.flac", "full_mix.flac", "bass.txt")
    stems = get_stem_files(tmp_path)
    assert stems == {name: tmp_path / file for name, file in (
        ("drums", "drums.flac"), ("other", "other.flac"), ("vocals", "vocals.mp3"),
    )}  # fmt: skip
    assert list(stems) == ["drums", "other", "vocals"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        get_full_mix(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        get_stem_files(tmp_path / "nowhere")


def test_files_are_found_in_any_case_the_exact_one_first(tmp_path: Path) -> None:
    make(tmp_path, *(f"Song/{name}" for name in ("FULL_MIX.FLAC", "full_mix.wav", "Drums.OGA", "BASS.wave")))
    assert get_full_mix(tmp_path / "Song") == tmp_path / "Song" / "full_mix.wav"
    assert get_stem_files(tmp_path / "Song") == {
        "drums": tmp_path / "Song" / "Drums.OGA",
        "bass": tmp_path / "Song" / "BASS.wave",
    }
