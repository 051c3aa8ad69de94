"""Separated stems find their song, by the layouts of the tools that write them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from audiobatchd.errors import UsageError
from audiobatchd.imports import library, stems
from support.music_library import write

FOUR = ("drums", "bass", "other", "vocals")
SIX = (*FOUR, "guitar", "piano")


def songs(root: Path, *paths: str, own: str | None = None) -> stems.Songs:
    write(root / "music", *paths)
    found = library.read([str(root / "music")], str(root / "dataset"))
    return stems.find(found.audio, stems.pattern(own) if own else None)


def files(root: Path, found: stems.Songs) -> list[Mapping[str, str]]:
    return [
        {role: str(Path(file.path).relative_to(root / "music")) for role, file in song.files.items()}
        for song in found.songs
    ]


LAYOUTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "in brackets": (
        ("A/song.wav", "A/song (drums).wav", "A/song (Vocals).flac", "A/another.wav"),
        {"full_mix": "A/song.wav", "drums": "A/song (drums).wav", "vocals": "A/song (Vocals).flac"},
    ),
    "Demucs, 4 stems": (
        ("A/song.flac", *(f"separated/htdemucs/song/{stem}.wav" for stem in FOUR)),
        {"full_mix": "A/song.flac", **{stem: f"separated/htdemucs/song/{stem}.wav" for stem in FOUR}},
    ),
    "Demucs, 6 stems": (
        ("song.flac", *(f"separated/htdemucs_6s/song/{stem}.mp3" for stem in SIX)),
        {"full_mix": "song.flac", **{stem: f"separated/htdemucs_6s/song/{stem}.mp3" for stem in SIX}},
    ),
    "Demucs, two stems": (
        ("song.flac", "separated/htdemucs/song/vocals.wav", "separated/htdemucs/song/no_vocals.wav"),
        {
            "full_mix": "song.flac",
            "vocals": "separated/htdemucs/song/vocals.wav",
            "no_vocals": "separated/htdemucs/song/no_vocals.wav",
        },
    ),
    "Ultimate Vocal Remover": (
        ("song.mp3", "uvr/1_song_(Vocals).wav", "uvr/1_song_(Instrumental).wav"),
        {"full_mix": "song.mp3", "vocals": "uvr/1_song_(Vocals).wav", "instrumental": "uvr/1_song_(Instrumental).wav"},
    ),
    "its kin, with the model": (
        ("song.mp3", "out/song_(Vocals)_UVR-MDX-NET.wav", "out/song_(No Vocals)_UVR-MDX-NET.wav"),
        {
            "full_mix": "song.mp3",
            "vocals": "out/song_(Vocals)_UVR-MDX-NET.wav",
            "no_vocals": "out/song_(No Vocals)_UVR-MDX-NET.wav",
        },
    ),
    "a data set for separation": (
        ("train/Band - Song/mixture.wav", *(f"train/Band - Song/{stem}.wav" for stem in FOUR)),
        {"full_mix": "train/Band - Song/mixture.wav", **{stem: f"train/Band - Song/{stem}.wav" for stem in FOUR}},
    ),
    "a track folder": (("Song/full_mix.ogg",), {"full_mix": "Song/full_mix.ogg"}),
    "the song beside its stems": (
        ("Song/Song.wav", "Song/drums.wav", "Song/bass.wav"),
        {"full_mix": "Song/Song.wav", "drums": "Song/drums.wav", "bass": "Song/bass.wav"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_known(tmp_path: Path, layout: str) -> None:
    paths, expected = LAYOUTS[layout]
    assert files(tmp_path, songs(tmp_path, *paths)) == [expected]


@pytest.mark.parametrize(
    "paths",
    [
        ("A/song.flac", "A/song (Instrumental).flac"),
        ("A/song.flac", "A/song (Piano).flac"),
        ("A/01 Vocals.flac", "A/02 Drums.flac"),
        ("A/Other.flac", "A/Song.flac"),
        ("A/(drums).flac", "A/song (drums) remix.flac"),
    ],
)
def test_songs_that_are_called_like_stems_stay_songs(tmp_path: Path, paths: tuple[str, ...]) -> None:
    found = songs(tmp_path, *paths)
    assert (found.songs, found.without_mix) == ([], [])


def test_stems_without_a_song_or_with_two_are_told(tmp_path: Path) -> None:
    found = songs(tmp_path, "A/song.wav", "B/song.wav", "out/song (drums).wav", "out/lost (bass).wav")
    assert sorted(song.title for song in found.without_mix) == ["lost", "song"]


def test_the_nearest_song_of_a_name_counts(tmp_path: Path) -> None:
    found = songs(
        tmp_path,
        "A/song.wav",
        "B/song.wav",
        "A/separated/htdemucs/song/drums.wav",
        "A/separated/htdemucs/song/bass.wav",
    )
    assert [each["full_mix"] for each in files(tmp_path, found)] == ["A/song.wav"]


def test_the_better_format_and_the_fuller_set_count(tmp_path: Path) -> None:
    four = [f"sep/b/song/{stem}.wav" for stem in FOUR]
    found = songs(tmp_path, "song.flac", *four, "sep/b/song/drums.flac", "sep/a/song/drums.wav", "sep/a/song/bass.wav")
    assert files(tmp_path, found)[0]["drums"] == "sep/b/song/drums.flac"
    assert sorted(Path(file.path).relative_to(tmp_path / "music").as_posix() for file in found.spare) == [
        "sep/a/song/bass.wav",
        "sep/a/song/drums.wav",
        "sep/b/song/drums.wav",
    ]


def test_a_pattern_of_the_user_s_names_stems(tmp_path: Path) -> None:
    own = r"(?P<stem>\w+)/(?P<title>[^/]+)$"
    found = songs(tmp_path, "mix/song.wav", "drums/song.wav", "bass/song.wav", own=own)
    assert files(tmp_path, found) == [{"full_mix": "mix/song.wav", "drums": "drums/song.wav", "bass": "bass/song.wav"}]


@pytest.mark.parametrize("text", ["(", "(?P<title>.*)", "(?P<stem>.*)", "x"])
def test_a_pattern_without_its_groups_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot understand --stems"):
        stems.pattern(text)
