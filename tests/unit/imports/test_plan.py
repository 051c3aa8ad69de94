"""What an import would do: its track folders and their files, and what is left out with the reason."""

from __future__ import annotations

from pathlib import Path

import mutagen
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.imports import library, plan, tags
from audiobatchd.imports.library import SourceFile
from audiobatchd.imports.naming import USUAL, Names, Template
from audiobatchd.imports.tags import Tags
from audiobatchd.vocabulary.files import FileId
from support.audio_files import write_audio
from support.music_library import write


def planned(root: Path, template: str = USUAL, known: plan.Known = lambda _: None) -> plan.Plan:
    found = library.read([str(root / "music")], str(root / "dataset"))
    return plan.make(found, Names([]), Template(template), None, known)


def names(made: plan.Plan) -> list[str]:
    return [track.name for track in made.tracks]


def test_tracks_are_named_by_path_where_there_are_no_tags(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/01 One.flac", "A/B/02 Two.FLAC", "A/C/CD1/01 One.mp3", "A/C/CD2/01 One.mp3")
    made = planned(tmp_path)
    assert names(made) == ["A - B - One", "A - B - Two", "A - C - One", "A - C - One (2)"]
    assert [list(track.files) for track in made.tracks][1:3] == [["full_mix.flac"], ["full_mix.mp3"]]


def test_tags_go_before_the_path_and_the_path_fills_up(tmp_path: Path) -> None:
    (tmp_path / "music" / "Wrong" / "Album").mkdir(parents=True)
    path = write_audio(tmp_path / "music" / "Wrong" / "Album" / "07 x.flac", np.zeros((2048, 1), np.float32), 44100)
    file = mutagen.File(path)
    assert file is not None
    file["artist"], file["title"], file["tracknumber"], file["date"] = "Right", "Title", "7/12", "1999-01-02"
    file.save()
    template = "{track} {artist} - {album} - {title} ({year}) [{file}]"
    assert names(planned(tmp_path, template)) == ["07 Right - Album - Title (1999) [07 x]"]


def test_stems_lie_beside_their_song_under_its_name(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/01 Song.wav", "A/B/01 Song (drums).wav", "A/B/01 Song (No Vocals).flac")
    made = planned(tmp_path)
    assert names(made) == ["A - B - Song"]
    assert sorted(made.tracks[0].files) == ["drums.wav", "full_mix.wav", "no_vocals.flac"]


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (("A/B/Song/mixture.wav", "A/B/Song/drums.wav"), "A - B - Song"),
        (("A - Song/full_mix.flac",), "A - Song"),
        (("A/B/Song (mix).wav", "A/B/Song (drums).wav"), "A - B - Song"),
    ],
)
def test_a_mix_that_is_called_mix_has_its_song_s_name(tmp_path: Path, paths: tuple[str, ...], name: str) -> None:
    write(tmp_path / "music", *paths)
    assert names(planned(tmp_path)) == [name]


def test_albums_in_one_file_and_lonely_stems_are_told_of(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/album.flac", "A/C/gone (drums).wav", "A/C/Song.flac")
    sheet = 'FILE "album.flac" WAVE\nTRACK 01 AUDIO\nTRACK 02 AUDIO\n'
    (tmp_path / "music" / "A" / "B" / "album.cue").write_text(sheet)
    made = planned(tmp_path)
    assert names(made) == ["A - C - Song"]
    whys = {Path(each.path).name: each.why for each in made.left_out}
    assert "split it first" in whys["album.flac"]
    assert "no song called 'gone'" in whys["gone (drums).wav"]


PIECES = st.sampled_from(
    ["song", "01 song", "1_song", "drums", "Vocals", "full_mix", "mixture", "no_vocals", "CD1", "A"]
)
STEMS = st.sampled_from(["", " (drums)", " [Bass]", "_(Vocals)", "_(Instrumental)_model", " (mix)", "_(No Vocals)"])
PATHS = st.tuples(st.lists(PIECES, max_size=3), PIECES, STEMS, st.sampled_from(["flac", "wav"]))


@given(st.lists(PATHS, min_size=1, max_size=12, unique_by=str))
@settings(max_examples=150, deadline=None)
def test_every_file_is_in_one_track_or_told_of(paths: list[tuple[list[str], str, str, str]]) -> None:
    audio = []
    for number, (below, name, stem, extension) in enumerate(paths):
        path = "/".join(("/nowhere", *below, f"{name}{stem}.{extension}"))
        found = SourceFile(path, tuple(below), f"{name}{stem}.{extension}", 1, 1, FileId(1, number), is_link=False)
        audio.append(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tags, "read", lambda _: Tags())
        made = plan.make(library.Library(audio), Names([]), Template(USUAL), None)
    planned_paths = [file.path for track in made.tracks for file in track.files.values()]
    told = [each.path for each in (*made.left_out, *made.troubles)]
    assert sorted(planned_paths + told) == sorted(file.path for file in audio)
    assert len({track.name for track in made.tracks}) == len(made.tracks)


def test_stems_of_a_song_that_is_left_out_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "music", "song.flac", "song (drums).flac")
    monkeypatch.setattr(tags, "read", lambda _: Tags(tracks=9))
    whys = {Path(each.path).name: each.why for each in planned(tmp_path).left_out}
    assert whys["song (drums).flac"] == "a stem of song.flac, which is left out"


def test_what_is_known_is_counted_or_told(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/1 same.flac", "A/B/2 other.flac", "A/B/3 new.flac")

    def known(files: object) -> str | None:
        text = str(files)
        return "" if "same" in text else "it changed" if "other" in text else None

    made = planned(tmp_path, known=known)
    assert (names(made), made.already) == (["A - B - new"], 1)
    assert [(Path(each.path).name, each.why) for each in made.troubles] == [("2 other.flac", "it changed")]


@pytest.mark.parametrize(
    ("told", "passed_over", "why"),
    [
        (Tags(is_video=True), {"video": 1}, []),
        (Tags(tracks=9), {}, ["an album in one file, with 9 tracks in its own cue sheet: split it first"]),
        (Tags({"title": "T"}, tracks=1), {}, []),
    ],
)
def test_what_the_file_itself_tells_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Tags, passed_over: dict[str, int], why: list[str]
) -> None:
    write(tmp_path / "music", "clip.mp4")
    monkeypatch.setattr(tags, "read", lambda _: told)
    made = planned(tmp_path)
    assert (made.passed_over, [each.why for each in made.left_out]) == (passed_over, why)
    assert len(made.tracks) == (told.tracks == 1)


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    write(tmp_path / "music", "A/B/1.flac", "A/B/2.flac")
    found = library.read([str(tmp_path / "music")], "/nowhere")
    Path(found.audio[0].path).unlink()
    made = plan.make(found, Names([]), Template(USUAL), None)
    assert len(made.tracks) == 1
    assert [each.why for each in made.troubles] == ["cannot read it: No such file or directory"]
