"""Tags of every container that is read; files that are none, or hostile, have none."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
from mutagen import id3
from mutagen.mp4 import MP4

from audiobatchd.imports import tags
from support.audio_files import write_audio

ID3: Any = id3
"""Its frames, which have no types."""
SHORT = np.zeros((2048, 2), np.float32)
EXPECTED = {
    "artist": "Sigur Rós",
    "albumartist": "Various",
    "album": "( )",
    "title": "Untitled / 1",
    "track": "3/8",
    "disc": "2",
    "year": "2002-10-28",
}


def tagged(path: Path) -> Path:
    """Make a short file with all tags, each written by mutagen's own class for the container."""
    write_audio(path, SHORT, 48000 if path.suffix == ".opus" else 44100)
    file = mutagen.File(path)
    assert file is not None
    if path.suffix in (".mp3", ".wav", ".aiff"):
        if file.tags is None:
            file.add_tags()
        frames = {
            ID3.TPE1: "artist",
            ID3.TPE2: "albumartist",
            ID3.TALB: "album",
            ID3.TIT2: "title",
            ID3.TRCK: "track",
            ID3.TPOS: "disc",
        }
        for frame, name in {**frames, ID3.TDRC: "year"}.items():
            file.tags.add(frame(encoding=3, text=[EXPECTED[name]]))
        file.tags.add(ID3.APIC(encoding=3, mime="image/png", type=3, data=bytes(100_000)))
    elif isinstance(file, MP4):
        texts = {"\xa9ART": "artist", "aART": "albumartist", "\xa9alb": "album", "\xa9nam": "title", "\xa9day": "year"}
        for key, name in texts.items():
            file[key] = [EXPECTED[name]]
        file["trkn"], file["disk"] = [(3, 8)], [(2, 0)]
    else:
        keys = {"artist": "artist", "albumartist": "albumartist", "album": "album", "title": "title"}
        for key, name in {**keys, "tracknumber": "track", "discnumber": "disc", "date": "year"}.items():
            file[key] = [EXPECTED[name]]
    file.save()
    return path


@pytest.mark.parametrize("extension", ["flac", "mp3", "ogg", "opus", "m4a", "wav", "aiff"])
def test_tags_of_a_container_are_read(tmp_path: Path, extension: str) -> None:
    found = tags.read(str(tagged(tmp_path / f"x.{extension}")))
    expected = {**EXPECTED, "track": "3"} if extension == "m4a" else EXPECTED
    assert found == tags.Tags(expected)


@pytest.mark.parametrize(
    "content", [b"rubbish", b"fLaC" + bytes(99), b"ID3\x04\x00\x00\x7f\x7f\x7f\x7fTIT2", b"OggS" * 99]
)
@pytest.mark.parametrize("extension", ["flac", "mp3", "m4a", "wav"])
def test_a_file_that_is_none_has_no_tags(tmp_path: Path, content: bytes, extension: str) -> None:
    path = tmp_path / f"x.{extension}"
    path.write_bytes(content)
    assert tags.read(str(path)).values == {}


def test_a_tag_of_any_promised_size_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    with path.open("wb") as file:
        file.write(b"ID3\x04\x00\x00\x7f\x7f\x7f\x7fTXXX\x7f\x7f\x7f\x00\x00\x00")
        file.truncate(300 << 20)
    tracemalloc.start()
    try:
        assert tags.read(str(path)).values == {}
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()


def test_a_value_is_one_bounded_line_and_several_are_joined(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "x.flac", SHORT, 44100)
    file = mutagen.File(path)
    file["artist"] = ["One", "Two"]
    file["title"] = ["a\nb\0c" + "x" * 100_000]
    file["album"] = ["\u202e"]
    file.save()
    found = tags.read(str(path)).values
    assert found["artist"] == "One, Two"
    assert found["title"].startswith("a bcx")
    assert len(found["title"]) <= 1000
    assert "album" not in found


@pytest.mark.parametrize("extension", ["flac", "mp3"])
def test_an_embedded_cue_sheet_is_counted(tmp_path: Path, extension: str) -> None:
    path = write_audio(tmp_path / f"x.{extension}", SHORT, 44100)
    sheet = 'FILE "x.flac" WAVE\n' + "".join(f"  TRACK {number:02} AUDIO\n" for number in range(1, 13))
    file = mutagen.File(path)
    if extension == "mp3":
        file.tags.add(ID3.TXXX(encoding=3, desc="CUESHEET", text=[sheet]))
        file.tags.add(ID3.TCOM(encoding=3, text=["x"]))
    else:
        file["cuesheet"] = [sheet]
    file.save()
    assert tags.read(str(path)).tracks == 12


def test_the_cue_sheet_block_of_flac_is_counted(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "x.flac", SHORT, 44100)
    tracks = b"".join(
        struct.pack(">QB12sB13xB", 0, number, b"", 0, int(number < 170)) + (bytes(12) if number < 170 else b"")
        for number in (1, 2, 3, 170)
    )
    block = struct.pack(">128sQB258xB", b"", 0, 0x80, 4) + tracks
    content = path.read_bytes()
    assert content[4:8] == b"\0\0\0\x22"  # STREAMINFO comes first
    head = b"\x05" + len(block).to_bytes(3, "big")
    path.write_bytes(content[:42] + head + block + content[42:])
    assert tags.read(str(path)).tracks == 3


def test_an_mp4_with_pictures_that_move_is_a_video(tmp_path: Path) -> None:
    sound = write_audio(tmp_path / "x.m4a", SHORT, 44100).rename(tmp_path / "x.mp4")
    assert not tags.read(str(sound)).is_video
    content = sound.read_bytes()
    assert content.count(b"soun") == 1
    # The same box with the other handler, and a sound track before it for mutagen's sake.
    moving = content.replace(b"soun", b"vide")
    at, length = content.index(b"trak") - 4, struct.unpack(">I", content[content.index(b"trak") - 4 :][:4])[0]
    head = content.index(b"moov") - 4
    size = struct.unpack(">I", content[head:][:4])[0]
    both = content[:head] + struct.pack(">I", size + length) + content[head + 4 : at + length]
    sound.write_bytes(both + moving[at : at + length] + content[at + length :])
    assert tags.read(str(sound)).is_video


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.flac")
    assert tags.read(str(tmp_path / "x.flac")) == tags.Tags()
