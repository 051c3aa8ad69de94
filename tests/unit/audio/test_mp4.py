"""The parser of MP4's boxes, on bytes made by hand."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest

from audiobatchd.audio import mp4
from audiobatchd.audio.promise import Promise, promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError


def box(kind: bytes, size: int, *, length: int | None = None, long: bool = False) -> bytes:
    """A box that claims `size` bytes and has `length` (None: as many)."""
    header = struct.pack(">I4sQ", 1, kind, size) if long else struct.pack(">I4s", size, kind)
    return header.ljust(size if length is None else length, b"\0")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (box(b"ftyp", 20) + box(b"mdat", 50) + box(b"moov", 30), None),
        (box(b"ftyp", 20) + box(b"mdat", 50, long=True) + box(b"moov", 30), None),
        (box(b"ftyp", 20) + box(b"moov", 30) + box(b"mdat", 0, length=40), None),
        (box(b"ftyp", 20) + box(b"moov", 30) + box(b"mdat", 51, length=50), "its mdat box promises 51 bytes and 50"),
        (box(b"ftyp", 20) + box(b"mdat", 50) + box(b"moov", 30, length=8), "its moov box promises 30 bytes and 8"),
        (box(b"ftyp", 20) + box(b"mdat", 9999, length=50, long=True), "its mdat box promises 9999 bytes and 50"),
        (box(b"ftyp", 20) + box(b"moof", 30, length=20), "its moof box promises 30 bytes and 20"),
        (box(b"ftyp", 20) + box(b"mdat", 50) + box(b"moov", 30) + box(b"free", 99, length=9), None),
        (box(b"ftyp", 20) + box(b"mdat", 50) + box(b"moov", 30) + b"zeros?" + bytes(99), None),
    ],
    ids=["plain", "long", "to the end", "mdat", "moov", "long mdat", "moof", "free", "junk"],
)  # fmt: skip
def test_mp4_boxes(content: bytes, fault: str | None) -> None:
    if fault is None:
        mp4.check_boxes(Literally(content))
        assert promised(Literally(content)).demuxer == "mov"
    else:
        with pytest.raises(DamagedFileError, match=rf"^ends too early: {fault} are there$"):
            promised(Literally(content))


@pytest.mark.parametrize(
    ("demuxer", "start", "duration", "frames_", "slack"),
    [
        ("mov", None, Fraction(2), 96000, (97, 4096)),
        ("mov", None, None, None, (0, 0)),
        ("mp3", None, Fraction(2), None, (0, 0)),
    ],
)
def test_ffmpeg_is_asked_for_the_duration_of_mp4_alone(
    demuxer: str, start: Fraction | None, duration: Fraction | None, frames_: int | None, slack: tuple[int, int]
) -> None:
    promise = Promise(demuxer, Literally(b"")).completed(start, duration, 48000)
    assert (promise.frames, (promise.below, promise.above)) == (frames_, slack)
