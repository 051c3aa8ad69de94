"""Promises of files before they are decoded: every container's parser, on bytes made by hand."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from audiobatchd.audio import adts, aiff, flac, frames, mp3, mp4, ogg, wav
from audiobatchd.audio.promise import Promise, promised
from audiobatchd.audio.tags import leading_tags, trailing_tags
from audiobatchd.audio.window import Excerpt, Joined, Literally, Swapped, WindowReader, only_zeros
from audiobatchd.errors import DamagedFileError, UnmeasurableError

Healthy = Callable[[str], bytes]


# Windows


def test_an_excerpt_has_nothing_around_it() -> None:
    excerpt = Excerpt(Literally(b"0123456789"), 2, 7)
    assert excerpt.size == 5
    assert [excerpt.at(0, 99), excerpt.at(3, 1), excerpt.at(4, 5)] == [b"23456", b"5", b"6"]
    assert [excerpt.at(-1, 2), excerpt.at(5, 1), excerpt.at(99, 1)] == [b"", b"", b""]
    assert Excerpt(Literally(b"0123"), 3, 99).at(0, 99) == b"3"
    assert Excerpt(Literally(b"0123"), 3, 1).size == 0


def test_windows_put_together_read_as_one() -> None:
    whole = b"0123456789"
    for cuts in ((0, 10), (0, 0, 3, 3, 7, 10), (0, 1, 2, 9, 10)):
        joined = Joined(*(Literally(whole[a:b]) for a, b in pairwise(cuts)))
        assert joined.size == 10
        for offset in range(12):
            for length in range(12):
                assert joined.at(offset, length) == whole[offset : offset + length]
    assert [Joined().at(0, 1), joined.at(-1, 2)] == [b"", b""]
    assert [only_zeros(Literally(bytes(3) + b"x"), 0, end) for end in (3, 4, 99)] == [True, False, False]


def test_swapped_numbers_can_be_read_from_any_byte_on() -> None:
    swapped = Swapped(Literally(b"0123456789x"), 3)
    assert swapped.size == 9
    for offset in range(11):
        for length in range(11):
            assert swapped.at(offset, length) == b"210543876"[offset : offset + length]
    assert swapped.at(-1, 3) == b""


def test_a_reader_is_a_file_and_keeps_the_first_fault() -> None:
    reader = WindowReader(Literally(b"0123456789"))
    assert [reader.read(3), reader.tell(), reader.seek(-2, 1), reader.read(2)] == [b"012", 3, 1, b"12"]
    assert [reader.seek(-3, 2), reader.read(99), reader.read(1)] == [7, b"789", b""]
    assert [reader.seek(99), reader.read(1), reader.seek(-99, 1)] == [99, b"", 0]

    class Failing(Literally):
        def at(self, offset: int, length: int) -> bytes:
            raise OSError(5, f"{length} at {offset}")

    failing = WindowReader(Failing(b"0123456789"))
    assert [failing.read(1), failing.seek(4), failing.read(1)] == [b"", 4, b""]
    assert str(failing.fault) == "[Errno 5] 1 at 0"


# Tags


def id3v2(size: int, flags: int = 0, *, footer: bool = False) -> bytes:
    header = bytes([4, 0, flags, *(size >> shift & 0x7F for shift in (21, 14, 7, 0))])
    return b"ID3" + header + bytes(size) + (b"3DI" + header if footer else b"")


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (b"", 0),
        (b"ID3", 0),
        (id3v2(5) + b"audio", 15),
        (id3v2(300) + b"audio", 310),
        (id3v2(5) + id3v2(200) + b"audio", 15 + 210),
        (id3v2(5, 0x10, footer=True) + b"audio", 25),
        (id3v2(5)[:-1], 0),
        (b"ID3\x04\0\0\0\0\0\x80" + bytes(200), 0),
        (b"x" + id3v2(5), 0),
    ],
)
def test_leading_tags(content: bytes, length: int) -> None:
    assert leading_tags(Literally(content)) == length


def ape(size: int, flags: int = 0) -> bytes:
    return struct.pack("<8sIIII8x", b"APETAGEX", 2000, size + 32, 1, flags)


ID3V1 = b"TAG".ljust(128, b"x")
LYRICS = b"LYRICSBEGIN" + b"x" * 20 + b"000031LYRICS200"


@pytest.mark.parametrize(
    ("behind", "kept"),
    [
        (b"", b""),
        (ID3V1, b""),
        (ID3V1[:-1], ID3V1[:-1]),
        (bytes(7) + ape(7), b""),
        (ape(7, 0xA0000000) + bytes(7) + ape(7, 0x80000000), b""),
        (LYRICS + ID3V1, b""),
        (bytes(7) + ape(7) + ID3V1, b""),
        (ID3V1 + ID3V1, b""),
        (b"TAG+".ljust(227, b"x") + ID3V1, b""),
        (b"TAG+".ljust(227, b"x"), b"TAG+".ljust(227, b"x")),
        (b"LYRICSBEGINla laLYRICSEND" + ID3V1, b""),
        (b"la laLYRICSEND" + ID3V1, b"la laLYRICSEND"),
        (id3v2(9, 0x10, footer=True), b""),
        (b"LYRICSBEGIN" + b"x" * 20 + b"00003xLYRICS200", b"LYRICSBEGIN" + b"x" * 20 + b"00003xLYRICS200"),
        (ape(10_000), ape(10_000)),
        (ID3V1 + b"more", ID3V1 + b"more"),
    ],
)
def test_trailing_tags(behind: bytes, kept: bytes) -> None:
    assert trailing_tags(Literally(b"audio" + behind)) == 5 + len(kept)


# WAV


def riff(*chunks: tuple[bytes, bytes, int | None], order: str = "<", start: bytes = b"RIFF") -> bytes:
    """Chunks, each with the size that it claims (None: its own)."""
    body = b""
    for kind, content, claimed in chunks:
        size = len(content) if claimed is None else claimed
        body += kind + struct.pack(f"{order}I", size) + content + bytes(len(content) % 2)
    return start + struct.pack(f"{order}I", 4 + len(body)) + b"WAVE" + body


def form(
    tag: int = 1, rate: int = 8000, frame: int = 2, order: str = "<", more: bytes = b"", bits: int = 16
) -> tuple[bytes, bytes, None]:
    return b"fmt ", struct.pack(f"{order}HHIIHH", tag, 1, rate, rate * frame, frame, bits) + more, None


def ds64(size: int) -> tuple[bytes, bytes, None]:
    """The chunk that tells sizes beyond 4 GiB (EBU Tech 3306): here that of the data chunk."""
    return b"ds64", struct.pack("<QQQI", 0, size, 0, 0), None


TEN = b"0123456789"
CANNOT_BE = "says what cannot be in its format chunk: samples of"
EXTENSIBLE = struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")


@pytest.mark.parametrize(
    ("content", "frames_", "rate"),
    [
        (riff(form(), (b"data", TEN, None)), 5, 8000),
        (riff((b"JUNK", b"odd", None), form(), (b"LIST", b"INFO", None), (b"data", TEN, None)), 5, 8000),
        (riff(form(3, 44100, 4, bits=32), (b"data", TEN, None)), 2, 44100),
        (riff(form(0xFFFE, more=EXTENSIBLE), (b"data", TEN, None)), 5, 8000),
        (riff(form(order=">"), (b"data", TEN, None), order=">", start=b"RIFX"), 5, 8000),
        (riff(ds64(8), form(), (b"data", TEN, 0xFFFFFFFF), start=b"RF64"), 4, 8000),
        (riff(form(), (b"data", TEN, 0xFFFFFFFF)), 5, 8000),
        (riff(form(), (b"data", TEN[:6], None), (b"tail", b"", None)), 3, 8000),
        (riff(form(7, frame=1, bits=8), (b"data", TEN, None)), 10, 8000),
        (riff(form(2), (b"data", TEN, None)), None, 0.0),
        (riff((b"data", TEN, None), form()), 5, 8000),
    ],
    ids=[
        "plain", "chunks before", "float", "extensible", "big-endian", "RF64", "streamed", "chunk behind",
        "mu-law", "compressed", "format behind",
    ],
)  # fmt: skip
def test_wav(content: bytes, frames_: int | None, rate: float) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, promise.rate) == ("wav", frames_, rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (riff(form(), (b"data", TEN, 11)), "ends too early: its data chunk promises 11 bytes and 10 are there"),
        (
            riff(ds64(1 << 33), form(), (b"data", TEN, 0xFFFFFFFF), start=b"RF64"),
            "ends too early: its data chunk promises 8589934592 bytes and 10 are there",
        ),
        (riff(form(), (b"JUNK", TEN, 1 << 30)), "holds no samples: its header ends without a data chunk"),
        (riff(form()), "holds no samples: its header ends without a data chunk"),
        (riff((b"data", TEN, None)), "holds no samples: its header ends without a format chunk"),
        (riff(form(0xFFFE), (b"data", TEN, None)), "holds a format chunk of 16 bytes, which is too short for its tag"),
        (riff((b"fmt ", b"short", None), (b"data", TEN, None)), "holds a format chunk of 5 bytes, which is too short"),
        (riff(form(rate=0), (b"data", TEN, None)), f"{CANNOT_BE} 16 bits in frames of 2 bytes, 1 channels, 0 Hz"),
        (riff(form(frame=0), (b"data", TEN, None)), f"{CANNOT_BE} 16 bits in frames of 0 bytes, 1 channels, 8000 Hz"),
        (riff(form(2, order=">"), order=">", start=b"RIFX"), "holds no samples: its header ends without a data chunk"),
        (
            riff(form(2, order=">"), (b"data", TEN, None), order=">", start=b"RIFX"),
            r"is RIFX \(codec 0x0002\), which is not read",
        ),
    ],
    ids=[
        "cut", "RF64 cut", "a chunk beyond the end", "no data", "no format", "extensible cut off", "format cut off",
        "no rate", "no width", "RIFX, no data", "RIFX, compressed",
    ],
)  # fmt: skip
def test_damaged_wav(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        wav.wave_data(Literally(content))


# AIFF


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


# MP4


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


# Keeping a promise


@pytest.mark.parametrize(
    ("promise", "rate", "first", "least", "most"),
    [
        ({"frames": 1000, "rate": 8000.0}, 8000, 0, 1000, 1000),
        ({"frames": 1000, "rate": 8000.0}, 8000, 100, 1000, 1000),
        ({"frames": 1000, "rate": 8000.0, "late": True}, 8000, 100, 900, 900),
        ({"frames": 1000, "rate": 8000.0, "below": 10, "above": 20}, 8000, 0, 990, 1020),
        # Spectral band replication doubles the rate that the header says.
        ({"frames": 1000, "rate": 8000.0, "below": 10, "above": 20}, 16000, 0, 1980, 2040),
        ({"frames": None, "rate": 8000.0}, 8000, 0, 0, 1 << 40),
        ({"frames": 1000, "rate": 0.0}, 8000, 0, 0, 1 << 40),
    ],
)
def test_promise_is_kept_within_its_bounds(
    promise: Mapping[str, Any], rate: int, first: int, least: int, most: int
) -> None:
    given = Promise("x", Literally(b""), **promise)
    given.check(least, rate, first)
    given.check(most, rate, first)
    if least:
        with pytest.raises(DamagedFileError, match=rf"^ends too early: {least - 1} of the \d+ samples"):
            given.check(least - 1, rate, first)
        with pytest.raises(
            DamagedFileError, match=rf"^holds more than it promises: {most + 1} samples instead of \d+$"
        ):
            given.check(most + 1, rate, first)


@pytest.mark.parametrize(
    ("promise", "seconds"),
    [
        ({"frames": 12000, "rate": 8000.0}, 1.5),
        ({"frames": 12000, "rate": 8000.0, "late": True}, 1.0),
        ({"frames": 4, "rate": 8000.0, "late": True}, 0.0),
        ({"frames": 12000, "rate": 0.0}, None),
        ({}, None),
    ],
)
def test_promised_seconds(promise: Mapping[str, Any], seconds: float | None) -> None:
    assert Promise("x", Literally(b""), **promise).completed(Fraction(1, 2), None, 8000).seconds == seconds


# MP3


def adts_frame(length: int, rate: int = 4, blocks: int = 0) -> bytes:
    """MPEG-4 AAC LC in stereo, without a checksum; 4 stands for 44.1 kHz."""
    header = bytes(
        [0xFF, 0xF1, 1 << 6 | rate << 2, 2 << 6 | length >> 11, length >> 3 & 0xFF, (length & 7) << 5 | 0x1F]
    )
    return (header + bytes([0xFC | blocks])).ljust(length, b"\0")


AAC = adts_frame(300)


@pytest.mark.parametrize(
    ("header", "length", "samples", "rate"),
    [
        (0xFFFB90, 417, 1152, 44100),
        (0xFFFB92, 418, 1152, 44100),
        (0xFFFB94, 384, 1152, 48000),
        (0xFFFBE8, 1440, 1152, 32000),
        (0xFFFD90, 522, 1152, 44100),
        (0xFFFF92, 316, 384, 44100),
        (0xFFF380, 208, 576, 22050),
        (0xFFE390, 522, 576, 11025),
        (0xFFF590, 522, 1152, 22050),
    ],
    ids=["III", "padded", "48 kHz", "320 kbit/s", "II", "I padded", "MPEG 2", "MPEG 2.5", "MPEG 2 II"],
)
def test_frame_headers(header: int, length: int, samples: int, rate: int) -> None:
    """Bit rates and lengths by hand from the tables of ISO/IEC 11172-3 and 13818-3."""
    content = header.to_bytes(3, "big") + bytes(1)
    assert mp3.header_at(Literally(b"x" + content), 1) == mp3.FrameHeader(length, samples, rate)


@pytest.mark.parametrize(
    "header", [0xFFFB00, 0xFFFBF0, 0xFFFB9C, 0xFFEB90, 0xFFF990, 0xFFDB90, 0xFEFB90],
    ids=["free format", "bad bit rate", "bad rate", "reserved version", "reserved layer", "no sync", "no sync at all"],
)  # fmt: skip
def test_no_frame_header(header: int) -> None:
    assert mp3.header_at(Literally(header.to_bytes(3, "big") + bytes(1)), 0) is None
    assert mp3.header_at(Literally(b"\xff\xfb\x90"), 0) is None


FRAME = b"\xff\xfb\x90\x00".ljust(417, b"\0")
"""128 kbit/s, 44.1 kHz, stereo."""


def counting(frames_: int | None = None, octets: int | None = None, trimmed: tuple[int, int] | None = None) -> bytes:
    """A frame with a Xing header, and LAME's tag behind it where something is trimmed."""
    fields = b"" if frames_ is None else frames_.to_bytes(4, "big")
    fields += b"" if octets is None else octets.to_bytes(4, "big")
    flags = (frames_ is not None) | (octets is not None) << 1
    lame = (
        b"" if trimmed is None else b"LAME3.100".ljust(21, b"\0") + (trimmed[0] << 12 | trimmed[1]).to_bytes(3, "big")
    )
    return (FRAME[:36] + b"Xing" + flags.to_bytes(4, "big") + fields + lame).ljust(417, b"\0")


@pytest.mark.parametrize(
    ("frame", "count"),
    [
        (counting(7, 4000, (576, 1000)), mp3.Count(7, 4000, 1576)),
        (counting(7, 4000), mp3.Count(7, 4000, 0)),
        (counting(7), mp3.Count(7, 0, 0)),
        (counting(octets=4000), mp3.Count(0, 4000, 0)),
        (counting(), mp3.Count(0, 0, 0)),
        (FRAME[:36] + b"VBRI" + bytes(10) + b"\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xfb\x90\xc0" + bytes(17) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xf3\x90\x00" + bytes(17) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (b"\xff\xf3\x90\xc0" + bytes(9) + b"Info\0\0\0\1\0\0\0\x07", mp3.Count(7, 0, 0)),
        (FRAME, None),
        (b"\xff\xfb", None),
    ],
    ids=["LAME", "no LAME", "frames", "bytes", "nothing", "VBRI", "mono", "MPEG 2", "MPEG 2 mono", "music", "short"],
)
def test_first_frame_is_read_as_a_count(frame: bytes, count: mp3.Count | None) -> None:
    assert mp3.info_count(frame) == count


WHOLE = 8 * len(FRAME)


@pytest.mark.parametrize(
    ("content", "frames_", "slack"),
    [
        (FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE, (576, 1000)) + FRAME * 7, 7 * 1152 - 1576, (1152, 1576 + 1152)),
        # Not all encoders count the same frames. Their count of bytes settles it, or else one frame is forgiven.
        (counting(8, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(6, WHOLE) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(8) + FRAME * 7, 7 * 1152, (1152, 1152)),
        (counting(6) + FRAME * 7, 7 * 1152, (1152, 1152)),
        # Behind what was counted there may be what was not.
        (counting(7, WHOLE) + FRAME * 7 + bytes(1 << 16), 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7 + FRAME[:99], 7 * 1152, (1152, 1152)),
        (counting(7, WHOLE) + FRAME * 7 + b"junk", 7 * 1152, (1152, 1152)),
        (counting(6, WHOLE) + FRAME * 7 + b"junk", 7 * 1152, (1152, 1152)),
        (FRAME * 7 + bytes(4096), 7 * 1152, (1152, 1152)),
        (FRAME * 3 + id3v2(9) + FRAME * 4, 7 * 1152, (1152, 1152)),
        (FRAME * 3 + ID3V1 + id3v2(9) + FRAME * 4, 7 * 1152, (1152, 1152)),
    ],
    ids=[
        "uncounted", "counted", "trimmed", "one counted too many", "one too few", "too many, no bytes",
        "too few, no bytes", "zeros behind", "a part of a frame behind", "junk behind",
        "one too few, junk behind", "few zeros", "a tag between", "tags between",
    ],
)  # fmt: skip
def test_mp3(content: bytes, frames_: int | None, slack: tuple[int, int]) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, (promise.below, promise.above)) == ("mp3", frames_, slack)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FRAME * 7 + FRAME[:400], "ends too early: its last frame lacks 17 bytes"),
        (FRAME * 7 + FRAME[:3], "ends too early: its last frame lacks 1 bytes"),
        (counting(8, WHOLE + 417) + FRAME * 7, "ends too early: 7 of the 8 frames that its header counts are there"),
        (counting(9) + FRAME * 7, "ends too early: 7 of the 9 frames that its header counts are there"),
        (counting(5) + FRAME * 7, "holds more than it promises: 7 frames where its header counts 5"),
        (counting(6, WHOLE - 417) + FRAME * 7, "holds more than it promises: 7 frames where its header counts 6"),
        (
            counting(7, WHOLE) + FRAME * 3 + b"junk" + FRAME * 4,
            "holds no frame at byte 1668: 3 of the 7 frames that its header counts are there",
        ),
        (FRAME + b"junk" + FRAME * 6, "holds no frame at byte 417"),
        (FRAME * 4 + b"junk" + FRAME * 2, "holds no frame at byte 1668"),
        (FRAME * 7 + FRAME[:200] + FRAME * 3, "holds no frame at byte 3336"),
        (FRAME * 7 + bytes(4097), "holds no frame at byte 2919"),
        (FRAME * 7 + b"junk", "holds no frame at byte 2919"),
        (counting(7, WHOLE) + FRAME * 7 + b"junk" + FRAME * 7, "holds no frame at byte 3336"),
        (counting(7, WHOLE) + FRAME * 14, "holds more than it promises: 14 frames where its header counts 7"),
    ],
    ids=[
        "cut", "cut in a header", "one lacks", "two lack", "two on top", "one on top", "hole, counted",
        "hole behind the first", "hole", "a frame too short", "many zeros", "junk", "frames behind junk",
        "frames that were not counted",
    ],
)  # fmt: skip
def test_damaged_mp3(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        promised(Literally(content))


@pytest.mark.parametrize(
    "before",
    [b"", bytes(1000), b"junk", b"\xff\xe0\x00", b"\xff" * 99, id3v2(7), bytes(5) + id3v2(1 << 17)],
    ids=["nothing", "zeros", "junk", "half a header", "ones", "ID3v2", "zeros and a large ID3v2"],
)
@pytest.mark.parametrize("behind", [b"", bytes(100), ID3V1], ids=["nothing", "zeros", "ID3v1"])
def test_mp3_begins_behind_what_is_none(before: bytes, behind: bytes) -> None:
    promise = promised(Literally(before + FRAME * 7 + behind))
    assert promise.frames == 7 * 1152
    assert promise.audio.at(0, 1 << 20) == FRAME * 7


@pytest.mark.parametrize(
    "behind", [bytes(1 << 16), FRAME[:99], FRAME[:99] + bytes(7)], ids=["zeros", "a part of a frame", "both"]
)
def test_the_decoder_gets_what_was_counted(behind: bytes) -> None:
    content = counting(7, WHOLE) + FRAME * 7
    assert promised(Literally(content + behind)).audio.at(0, 1 << 20) == content


def parts(content: bytes) -> list[tuple[bytes, int | None]]:
    """The bytes of each part that is decoded by itself, and how many frames it promises."""
    first = promised(Literally(content))
    return [(part.audio.at(0, 1 << 20), part.frames) for part in (first, *first.behind)]


APE = ape(0, 0xA0000000) + ape(0, 0x80000000)
COUNTED = counting(3, 4 * len(FRAME), (576, 1000)) + FRAME * 3


@pytest.mark.parametrize("between", [b"", ID3V1, id3v2(300), ID3V1 + bytes(9) + id3v2(9), LYRICS + ID3V1, APE])
def test_mp3s_put_together_are_decoded_one_by_one(between: bytes) -> None:
    one = (COUNTED, 3 * 1152 - 1576)
    assert parts(COUNTED + between + COUNTED + between) == [one, one]
    assert parts(FRAME * 7 + between + COUNTED) == [(FRAME * 7, 7 * 1152), one]
    other = b"\xff\xfb\x94\x00".ljust(384, b"\0") * 7
    assert parts(FRAME * 7 + between + other) == [(FRAME * 7, 7 * 1152), (other, 7 * 1152)]
    assert parts(AAC * 5 + between + FRAME * 7) == [(AAC * 5, 5 * 1024), (FRAME * 7, 7 * 1152)]
    assert parts(AAC * 5 + between + AAC * 5) == [(AAC * 10, 10 * 1024)]


@pytest.mark.parametrize(("content", "samples"), [(FRAME * 5000, 1152), (AAC * 5000, 1024)], ids=["MP3", "ADTS"])
def test_a_walk_that_was_given_up_goes_on(content: bytes, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_MOST_FRAMES", 300)
    assert promised(Literally(content)).frames == 5000 * samples


@pytest.mark.parametrize(
    ("content", "is_"),
    [
        (FRAME + b"junk", "of no kind that is read: .*"),
        (b"junk" * 1000, "text, which is not read"),
        (b"\xff\xfb\x90", "of no kind that is read: .*"),
        (b"", "a tag without any audio behind it"),
        (b"\xff" + b"j" * (1 << 16) + FRAME * 7, "of no kind that is read: no audio begins in its first 64 KiB"),
    ],
    ids=["one frame", "junk", "half a header", "nothing", "far behind"],
)
def test_single_frame_is_an_accident_and_the_search_ends(content: bytes, is_: str) -> None:
    with pytest.raises(DamagedFileError, match=f"^is {is_}$"):
        promised(Literally(content))


# ADTS


@pytest.mark.parametrize(
    ("content", "frames_", "rate"),
    [
        (AAC * 5, 5 * 1024, 44100),
        (b"".join(map(adts_frame, (7, 300, 8191, 20))), 4 * 1024, 44100),
        (adts_frame(300, 11) * 5, 5 * 1024, 8000),
        (AAC * 5 + bytes(3000), 5 * 1024, 44100),
        (bytes(50) + AAC * 5, 5 * 1024, 44100),
        (b"junk" + AAC * 5, 5 * 1024, 44100),
        (AAC * 2 + id3v2(9) + AAC * 3, 5 * 1024, 44100),
        (AAC * 3 + adts_frame(300, 3) * 3, 3 * 1024, 44100),
    ],
    ids=[
        "plain", "lengths", "8 kHz", "zeros behind", "zeros before", "junk before", "tags between", "two streams",
    ],
)  # fmt: skip
def test_adts(content: bytes, frames_: int | None, rate: float) -> None:
    promise = promised(Literally(content))
    assert (promise.demuxer, promise.frames, promise.rate) == ("aac", frames_, rate)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (AAC * 5 + AAC[:299], "ends too early: its last frame lacks 1 bytes"),
        (AAC * 5 + AAC[:4], "ends too early: its last frame lacks 3 bytes"),
        (AAC * 2 + b"junk" + AAC * 3, "holds no frame at byte 600"),
        (AAC + bytes(9) + AAC * 3, "holds no frame at byte 300"),
        (AAC * 5 + b"junk", "holds no frame at byte 1500"),
    ],
)
def test_damaged_adts(content: bytes, message: str) -> None:
    with pytest.raises(DamagedFileError, match=rf"^{message}$"):
        promised(Literally(content))


@pytest.mark.parametrize("frame", [adts_frame(300, 13), adts_frame(300, blocks=1), adts_frame(6), b"\xff\xf1"])
def test_no_adts_header(frame: bytes) -> None:
    assert adts.header_at(Literally(frame), 0) is None


def test_walk_counts_across_blocks_and_row_finds_its_start() -> None:
    length = adts.length_like(AAC)
    walk = frames.walk(Literally(AAC * 8000), adts.HEADER_BYTES, length)
    assert walk == frames.Walk(8000, 8000 * 300, 0)
    assert frames.walk(Literally(AAC * 8000 + AAC[:5]), adts.HEADER_BYTES, length) == frames.Walk(8000, 8000 * 300, 2)
    assert frames.walk(Literally(b""), adts.HEADER_BYTES, length) == frames.Walk(0, 0, 0)
    behind = Literally(AAC * 2 + b"junk" + AAC * 2)
    assert frames.row(behind, 0, adts.HEADER_BYTES, adts.length_like) == 0
    assert frames.row(behind, 1, adts.HEADER_BYTES, adts.length_like) == 604
    assert frames.row(behind, 605, adts.HEADER_BYTES, adts.length_like) is None


def test_a_file_that_is_shortened_meanwhile_ends_the_walk() -> None:
    class Shorter(Literally):
        def at(self, offset: int, length: int) -> bytes:
            return super().at(offset, length)[:3]

    assert frames.walk(Shorter(AAC * 2), adts.HEADER_BYTES, adts.length_like(AAC)).count == 0


# FLAC


def stream_info(
    rate: int = 44100, channels: int = 2, bits: int = 16, count: int = 1000, md5: bytes = b"m" * 16
) -> bytes:
    packed = rate << 44 | channels - 1 << 41 | bits - 1 << 36 | count
    return struct.pack(">HH6x", 4608, 4608) + packed.to_bytes(8, "big") + md5


@pytest.mark.parametrize(
    ("block", "info"),
    [
        (stream_info(), flac.StreamInfo(44100, 2, 16, 1000, b"m" * 16)),
        (stream_info(192_000, 8, 24, (1 << 36) - 1), flac.StreamInfo(192_000, 8, 24, (1 << 36) - 1, b"m" * 16)),
        (stream_info(8000, 1, 32, 0, bytes(16)), flac.StreamInfo(8000, 1, 32, None, None)),
        (stream_info(rate=0), None),
        (stream_info()[:-1], None),
    ],
)
def test_stream_info(block: bytes, info: flac.StreamInfo | None) -> None:
    assert flac.parse_stream_info(block) == info


def test_a_flac_promises_what_stream_info_says() -> None:
    content = b"fLaC\0\0\0\x22" + stream_info() + b"\x81\0\0\4pad!" + b"audio"
    promise = promised(Literally(id3v2(3) + content + ID3V1))
    assert (promise.demuxer, promise.frames, promise.rate) == ("flac", 1000, 44100)
    assert promise.audio.at(0, 999) == content
    assert flac.audio_offset(Literally(content)) == flac.AudioOffset(50, stream_info())
    assert promised(Literally(b"fLaC\x80\0\0\x21" + stream_info()[:-1])).frames is None


@pytest.mark.parametrize("bits", [8, 12, 16, 20, 24, 32])
def test_the_md5_of_pcm(bits: int) -> None:
    """Compute it by its definition: every sample in as many whole bytes as it needs, little-endian, signed."""
    values = np.random.default_rng(bits).integers(-(1 << bits - 1), 1 << bits - 1, 600)
    values[:2] = -(1 << bits - 1), (1 << bits - 1) - 1
    stored = (bits + 7) // 8
    expected = hashlib.md5(usedforsecurity=False)
    for value in values.tolist():
        expected.update(value.to_bytes(stored, "little", signed=True))
    # As decoders give them: left-justified.
    samples = (values << 16 - bits).astype(np.int16) if bits <= 16 else (values << 32 - bits).astype(np.int32)
    digest = flac.PcmDigest(bits)
    digest.add(samples[:200])
    digest.add(samples[200:])
    assert digest.digest() == expected.digest()


# Ogg


def page(packet: bytes, *, flags: int = 0, granule: int = 0, serial: int = 7) -> bytes:
    """A page of one packet; its checksum is not checked here."""
    segments = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    return struct.pack("<4sBBqIIIB", b"OggS", 0, flags, granule, serial, 0, 0, len(segments)) + segments + packet


def vorbis(rate: int = 44100, channels: int = 2, serial: int = 7) -> bytes:
    return page(b"\x01vorbis" + struct.pack("<IBI", 0, channels, rate) + bytes(14), flags=2, serial=serial)


def opus(skip: int = 312, channels: int = 2) -> bytes:
    return page(b"OpusHead" + struct.pack("<BBHIHB", 1, channels, skip, 44100, 0, 0), flags=2)


AUDIO = page(b"x" * 300, granule=500)
LAST = page(b"x" * 300, flags=4, granule=1000)
CHANGES = "changes its sample rate or its channels on the way"
NOWHERE = page(b"x" * 300, granule=-1)
NIL = page(b"", flags=4)[:26] + b"\0"
"""A last page without any packet."""


@pytest.mark.parametrize(
    ("content", "links"),
    [
        (vorbis() + AUDIO + LAST, [(44100, 2, 1000, 2)]),
        (vorbis() + NOWHERE + LAST, [(44100, 2, 1000, 1)]),
        (opus() + AUDIO + LAST, [(48000, 2, 688, 2)]),
        (page(b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + stream_info(), flags=2) + LAST, [(44100, 2, 1000, 1)]),
        (vorbis() + LAST + vorbis() + AUDIO + LAST, [(44100, 2, 1000, 1), (44100, 2, 1000, 2)]),
        # A picture stream beside the audio, whose pages do not count.
        (
            vorbis() + page(b"theora", flags=2, serial=8) + page(b"", granule=1 << 40, serial=8) + LAST,
            [(44100, 2, 1000, 1)],
        ),
        (vorbis() + vorbis(serial=8) + LAST + page(b"", flags=4, granule=77, serial=8), [(44100, 2, 1000, 1)]),
        (page(b"skeleton", flags=2) + page(b""), []),
        (vorbis() + LAST + b"tail", [(44100, 2, 1000, 1)]),
        (vorbis() + AUDIO + page(b"", flags=4), [(44100, 2, 500, 1)]),
        (vorbis() + AUDIO + NIL, [(44100, 2, 500, 1)]),
        # The end of a packet of 255 bytes, which is no empty one.
        (vorbis() + AUDIO + page(b"", flags=5, granule=900), [(44100, 2, 900, 2)]),
    ],
    ids=[
        "Vorbis", "page without an end", "Opus", "FLAC", "chain", "beside others", "two at once", "no audio", "tail",
        "an empty packet ends it", "an empty page ends it", "the rest of a packet ends it",
    ],
)  # fmt: skip
def test_ogg(content: bytes, links: list[tuple[int, int, int, int]]) -> None:
    found = ogg.audio_links(Literally(content))
    assert [(link.rate, link.channels, link.end, link.pages) for link in found] == links
    promise = promised(Literally(content))
    assert promise.demuxer == "ogg"
    assert [part.frames for part in (promise, *promise.behind)] == (
        [end for _, _, end, _ in links] if links else [None]
    )


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (vorbis() + AUDIO, DamagedFileError, "ends too early: its last page is missing"),
        (vorbis(), DamagedFileError, "ends too early: its last page is missing"),
        (vorbis() + AUDIO + LAST[:-1], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + AUDIO + LAST[:20], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + AUDIO + b"Og", DamagedFileError, "ends too early: inside a page"),
        (vorbis() + LAST + LAST[:99], DamagedFileError, "ends too early: inside a page"),
        (vorbis() + LAST + vorbis() + AUDIO, DamagedFileError, "ends too early: its last page is missing"),
        (vorbis() + AUDIO + b"junk" + LAST, DamagedFileError, "holds no page at byte 387"),
        (vorbis() + LAST + b"junk" + vorbis() + LAST, DamagedFileError, "holds no page at byte 387"),
        (vorbis() + LAST + vorbis(48000) + LAST, UnmeasurableError, CHANGES),
        (vorbis() + LAST + vorbis(channels=1) + LAST, UnmeasurableError, CHANGES),
    ],
)
def test_damaged_ogg(content: bytes, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=rf"^{message}$"):
        promised(Literally(content))


# All of them


@pytest.mark.parametrize(
    ("kind", "demuxer"),
    [
        ("flac", "flac"), ("wav", "wav"), ("mp3", "mp3"), ("mp3 uncounted", "mp3"), ("ogg", "ogg"), ("opus", "ogg"),
        ("ogg flac", "ogg"), ("m4a", "mov"), ("m4a alac", "mov"), ("aac", "aac"), ("aiff", "aiff"), ("aif", "aiff"),
    ],
)  # fmt: skip
def test_no_bytes_are_too_odd_for_a_parser(healthy: Healthy, kind: str, demuxer: str) -> None:
    """Cut anywhere and stirred, a file is judged or left to the decoder; no parser comes to grief."""
    whole, random = healthy(kind), np.random.default_rng(6)
    assert promised(Literally(whole)).demuxer == demuxer
    for _ in range(200):
        content = bytearray(whole[: int(random.integers(1, 4000))])
        for place in random.integers(0, len(content), 4):
            content[place] = int(random.choice((0, 1, 0x7F, 0x80, 0xFF)))
        try:
            promise = promised(Literally(bytes(content)))
        except (DamagedFileError, UnmeasurableError):
            continue
        assert promise.seconds is None or promise.seconds >= 0
