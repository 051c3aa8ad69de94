"""The parser of AIFF and AIFF-C, on bytes made by hand."""

from __future__ import annotations

import struct

import pytest

from audiobatchd.audio import aiff
from audiobatchd.audio.promise import promised
from audiobatchd.audio.window import Literally
from audiobatchd.errors import DamagedFileError
from support.frames_by_hand import TEN


def aiff_file(*chunks: tuple[bytes, bytes], kind: bytes = b"AIFF") -> bytes:
    body = b"".join(
        name + struct.pack(">I", len(content)) + content + bytes(len(content) % 2) for name, content in chunks
    )
    return b"FORM" + struct.pack(">I", 4 + len(body)) + kind + body


def comm(frames_: int, rate: bytes = b"\x40\x0e\xac\x44" + bytes(6), coding: bytes = b"") -> tuple[bytes, bytes]:
    return b"COMM", struct.pack(">HIH", 1, frames_, 16) + rate + coding


SSND = (b"SSND", bytes(8) + TEN)
FRACTION = bytes.fromhex("400eac44800000000000")
"""44100.5 Hz."""


@pytest.mark.parametrize(
    ("content", "frames_", "rate"),
    [
        (aiff_file(comm(5), SSND), 5, 44100.0),
        (aiff_file((b"NAME", b"odd"), SSND, comm(5)), 5, 44100.0),
        (aiff_file(comm(5, FRACTION), SSND), 5, 44100.5),
        (aiff_file(comm(5, bytes.fromhex("400bfa00000000000000")), SSND), 5, 8000.0),
        (aiff_file(comm(5, b"\x7f\xff" + bytes(8)), SSND), 5, 0.0),
        (aiff_file(comm(5, coding=b"sowt\0\0"), SSND, kind=b"AIFC"), 5, 44100.0),
        (aiff_file(comm(2, coding=b"fl32\0\0"), (b"SSND", bytes(16)), kind=b"AIFC"), 2, 44100.0),
        (aiff_file(comm(5, coding=b"ima4\0\0"), SSND, kind=b"AIFC"), None, 0.0),
        (aiff_file(comm(0), (b"SSND", b"")), 0, 44100.0),
    ],
    ids=["plain", "late", "fraction", "8 kHz", "no rate", "sowt", "fl32", "compressed", "streamed, and empty"],
)
def test_aiff(content: bytes, frames_: int | None, rate: float) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, promise.rate) == ("aiff", frames_, rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (aiff_file(comm(5), SSND)[:-1], "ends too early: its sound chunk promises 18 bytes and 17 are there"),
        (aiff_file(comm(4), SSND), "holds more than it promises: 5 samples instead of 4"),
        (aiff_file((b"COMM", b"short"), SSND), "holds a COMM chunk of 5 bytes, which is too short"),
        (aiff_file(SSND), "holds no samples: it has no COMM chunk"),
        (aiff_file(comm(5)), "holds no samples: it has no SSND chunk"),
        (
            aiff_file((b"COMM", struct.pack(">HIH", 1, 5, 0) + comm(5)[1][8:]), SSND),
            "says what cannot be in its COMM chunk: 0 bits a sample, 1 channels",
        ),
        (aiff_file(comm(5), SSND, SSND), "holds another file behind its own, or SSND twice: at byte 64"),
        (aiff_file(comm(5), SSND) + aiff_file(comm(5), SSND), "holds another file behind its own, .*: at byte 64"),
    ],
    ids=["cut", "more than counted", "short", "no COMM", "no SSND", "no bits", "two of a kind", "two files"],
)
def test_damaged_aiff(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=f"^{message}$"):
        aiff.sound(Literally(content))
