"""ID3 tags before mutagen has them: of what names a track nothing is lost, of a crowd of frames little is left."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutagen import id3 as mutagen_id3

from audiobatchd.imports import tags
from audiobatchd.imports.id3 import HEADER_BYTES, length_of, reduced
from support.audio_files import write_audio

ID3: Any = mutagen_id3
"""Its frames, which have no types."""
TITLE = "Ágætis ÿ\u0100 byrjun " * 20
"""Longer than 127 bytes, whose length both ways of writing it tell alike; its bytes look like a frame's sync."""


def frame(name: bytes, text: str, *, safe: bool = False) -> bytes:
    """A text frame in UTF-16, by hand: of version 2.2 where the name has three letters."""
    content = b"\1" + text.encode("utf-16")
    if len(name) == 3:
        return name + len(content).to_bytes(3, "big") + content
    return name + (synchsafe(len(content)) if safe else len(content).to_bytes(4, "big")) + b"\0\0" + content


def synchsafe(number: int) -> bytes:
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


def tag(major: int, body: bytes, flags: int = 0) -> bytes:
    return b"ID3" + bytes([major, 0, flags]) + synchsafe(len(body)) + body


def texts(content: bytes) -> dict[str, list[str]]:
    """Texts by frame, as mutagen reads them."""
    found: Any = ID3.ID3(io.BytesIO(content + bytes(128)))
    return {key: list(map(str, each.text)) for key, each in found.items() if key.startswith("T")}


def frames_of(major: int) -> bytes:
    names = (b"TT2", b"TP1", b"TAL") if major == 2 else (b"TIT2", b"TPE1", b"TALB")
    picture = b"PIC\0\x03\xe8" if major == 2 else b"APIC\0\0\x03\xe8\0\0"
    if major == 4:
        picture = b"APIC" + synchsafe(1000) + b"\0\0"
    made = [frame(name, text, safe=major == 4) for name, text in zip(names, (TITLE, "Sigur Rós", "Á"), strict=True)]
    return made[0] + picture + b"\7" * 1000 + b"".join(made[1:])


PLAIN = {f"2.{major}": tag(major, frames_of(major) + bytes(99)) for major in (2, 3, 4)}
UNSYNCHRONISED = {
    f"2.{major} unsynchronised": tag(major, mutagen_id3._util.unsynch.encode(frames_of(major)), 0x80)
    for major in (2, 3)
}
CASES = {**PLAIN, **UNSYNCHRONISED, "2.4 with lengths of 2.3": tag(4, frames_of(3))}


@pytest.mark.parametrize("case", CASES)
def test_mutagen_reads_the_same_of_a_reduced_tag(case: str) -> None:
    whole = CASES[case]
    header, body = whole[:HEADER_BYTES], whole[HEADER_BYTES:]
    made = reduced(header, body)
    assert (length_of(header), len(made)) == (len(body), len(body))
    assert texts(header + made) == texts(whole)
    assert texts(whole)["TIT2"] == [TITLE]
    assert made.count(b"\7" * 1000) == 0


@pytest.mark.parametrize("header", [b"", b"ID3", b"TAG\4\0\0\0\0\0\1", b"ID3\4\0\0\0\0\0\0", b"ID3\4\0\0\0\0\0\1\0"])
def test_what_is_no_tag_has_no_length(header: bytes) -> None:
    assert length_of(header) == 0


def test_frames_in_a_chapter_are_not_handed_on() -> None:
    chapter = b"one\0" + bytes(16) + frame(b"TIT2", "x", safe=True) * 1000
    body = b"CHAP" + synchsafe(len(chapter)) + b"\0\0" + chapter + frame(b"TIT2", "song", safe=True)
    whole = tag(4, body)
    made = reduced(whole[:HEADER_BYTES], body)
    assert (made.count(b"CHAP"), made.count(b"TIT2")) == (0, 1)
    assert texts(whole[:HEADER_BYTES] + made) == {"TIT2": ["song"]}


def test_long_frames_are_left_out_and_many_end_somewhere() -> None:
    long, most = frame(b"TXXX", "x" * 33_000, safe=True), frame(b"TXXX", "y" * 32_000, safe=True)
    body = long + most * 9 + frame(b"TIT2", "song", safe=True)
    made = reduced(tag(4, body)[:HEADER_BYTES], body)
    assert (made.count(b"x"), made.count(b"y")) == (0, 4 * 32_000)
    assert made.rstrip(b"\0").endswith("song".encode("utf-16-le").rstrip(b"\0"))


@pytest.mark.parametrize("body", [b"", b"TIT2", b"TIT2\xff\xff\xff\xff\0\0x", b"\xff\0" * 50, bytes(500)])
@pytest.mark.parametrize("major", [2, 3, 4, 200])
def test_any_body_keeps_its_length(major: int, body: bytes) -> None:
    assert len(reduced(tag(major, body, 0x80)[:HEADER_BYTES], body)) == len(body)


@pytest.mark.parametrize(("before", "title"), [(9_999, "song"), (10_000, None)])
@pytest.mark.parametrize("extended", [False, True])
def test_a_crowd_of_frames_has_an_end(tmp_path: Path, before: int, title: str | None, extended: bool) -> None:
    body = frame(b"PRIV", "", safe=True) * before + frame(b"TIT2", "song", safe=True)
    if extended:
        body = synchsafe(6) + b"\1\0" + body
    sound = write_audio(tmp_path / "sound.mp3", np.zeros((4096, 2), np.float32), 44100).read_bytes()
    path = tmp_path / "song.mp3"
    path.write_bytes(tag(4, body, 0x40 if extended else 0) + sound)
    assert tags.read(str(path)).values.get("title") == title
