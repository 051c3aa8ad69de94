"""MPEG audio layers I to III: frame headers, and what a Xing, Info or VBRI frame counts.

The inventors of the Xing header and of the LAME tag behind it described neither; the layout here is that of LAME's
"mp3 info tag" revision 1 and of FFmpeg's reader, which takes delay and padding from the same place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from audiobatchd.audio.window import Window

HEADER_BYTES = 4
_SAME_STREAM = 0x1E0C
"""Bits of the second and third byte that no frame of a stream changes: version, layer and sample rate."""

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (True, 3): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 1): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}

_COUNTS = frozenset({b"Xing", b"Info"})


@dataclass(frozen=True)
class FrameHeader:
    """Content of a frame header."""

    length: int
    """Bytes of the frame, with its header."""
    samples: int
    """Samples of each channel that the frame decodes to."""
    rate: int
    """Sample rate in Hz."""


@dataclass(frozen=True)
class Count:
    """Count of a Xing, Info or VBRI frame; 0 stands for a number that it does not have."""

    frames: int = 0
    """Frames of the stream, without the one that counts them."""
    octets: int = 0
    """Bytes of the stream, with the frame that counts them."""
    trimmed: int = 0
    """Samples at both ends that are no music, by LAME's tag."""


@cache
def frame_header(key: int) -> FrameHeader | None:
    """The header with `key` as its second and third byte (ISO/IEC 11172-3, 2.4.1.3); None for no or free format."""
    version, layer = key >> 11 & 3, key >> 9 & 3
    bit_rate, rate_index, padding = key >> 4 & 15, key >> 2 & 3, key >> 1 & 1
    if key >> 13 != 7 or version == 1 or not layer or bit_rate in {0, 15} or rate_index == 3:
        return None
    rate = _RATES[version][rate_index]
    bits = _KBITS[version == 3, layer][bit_rate] * 1000
    if layer == 3:
        return FrameHeader((12 * bits // rate + padding) * 4, 384, rate)
    samples = 576 if layer == 1 and version != 3 else 1152
    return FrameHeader(samples // 8 * bits // rate + padding, samples, rate)


def header_at(window: Window, offset: int) -> FrameHeader | None:
    """The frame header at `offset`, if one stands there."""
    start = window.at(offset, HEADER_BYTES)
    if len(start) < HEADER_BYTES or start[0] != 0xFF:
        return None
    return frame_header(start[1] << 8 | start[2])


def stream_of(first: bytes) -> bytes:
    """Reduce the header of a frame to what all frames of its stream share: version, layer and sample rate."""
    return (int.from_bytes(first[1:3], "big") & _SAME_STREAM).to_bytes(2, "big")


def is_free_format(start: bytes) -> bool:
    """Tell whether this is the header of a frame that does not tell its bit rate, and so not its length either."""
    key = int.from_bytes(start[1:3], "big")
    return start[:1] == b"\xff" and not key >> 4 & 15 and frame_header(key | 1 << 4) is not None


def length_like(first: bytes, *, counts: bool = False) -> Callable[[bytes, int], int]:
    """Gives the lengths of frames of the same stream as the frame header `first`, for `frames.walk`.

    Unless with `counts`, a frame that holds a count is none: another stream begins with it.
    """
    wanted = (first[1] << 8 | first[2]) & _SAME_STREAM

    def length(block: bytes, place: int) -> int:
        if block[place] != 0xFF:
            return 0
        key = block[place + 1] << 8 | block[place + 2]
        if key & _SAME_STREAM != wanted:
            return 0
        header = frame_header(key)
        return header.length if header and (counts or not _holds_count(block, place)) else 0

    return length


def _holds_count(block: bytes, place: int) -> bool:
    """Tell whether the frame at `place` holds a count instead of music."""
    tag = place + _tag_place(block[place + 1], block[place + 3])
    return block[tag : tag + 4] in _COUNTS or block[place + 36 : place + 40] == b"VBRI"


def _tag_place(second: int, fourth: int) -> int:
    """Return where the tag of a Xing or Info frame begins, by two bytes of its header: behind the side information."""
    mpeg1, mono = second >> 3 & 3 == 3, fourth >> 6 == 3
    return HEADER_BYTES + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))


def info_count(frame: bytes) -> Count | None:
    """Read the count of the first frame, if it is one that holds a count instead of music."""
    if len(frame) < HEADER_BYTES:
        return None
    if frame[36:40] == b"VBRI":
        return Count(int.from_bytes(frame[50:54], "big"))
    tag = _tag_place(frame[1], frame[3])
    if frame[tag : tag + 4] not in _COUNTS:
        return None
    flags = int.from_bytes(frame[tag + 4 : tag + 8], "big")
    place = tag + 8
    frames = octets = 0
    if flags & 1:
        frames = int.from_bytes(frame[place : place + 4], "big")
        place += 4
    if flags & 2:
        octets = int.from_bytes(frame[place : place + 4], "big")
        place += 4
    lame = place + (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    return Count(frames, octets, _trimmed(frame[lame : lame + 24]))


def _trimmed(lame: bytes) -> int:
    """Encoder delay and padding from LAME's tag, or from FFmpeg's of the same layout."""
    if len(lame) < 24 or lame[:4] not in {b"LAME", b"Lavf", b"Lavc"}:
        return 0
    packed = int.from_bytes(lame[21:24], "big")
    return (packed >> 12) + (packed & 0xFFF)
