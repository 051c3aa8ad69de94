"""ADTS (ISO/IEC 13818-7, annex 1.2): the headers of raw AAC frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audiobatchd.audio.window import Window

HEADER_BYTES = 7
FRAME_SAMPLES = 1024

_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


@dataclass(frozen=True)
class AdtsHeader:
    """Content of a frame header."""

    length: int
    """Bytes of the frame, with its header."""
    rate: int
    """Rate in Hz of its core; spectral band replication may double it."""


def header_at(window: Window, offset: int) -> AdtsHeader | None:
    """The frame header at `offset`, if one stands there."""
    start = window.at(offset, HEADER_BYTES)
    if len(start) < HEADER_BYTES:
        return None
    length = length_like(start)(start, 0)
    return AdtsHeader(length, _RATES[start[2] >> 2 & 15]) if length else None


def length_like(first: bytes) -> Callable[[bytes, int], int]:
    """Gives the lengths of frames with the profile and rate of the header `first`, for `frames.walk`."""
    profile = first[2] & 0xFC
    known = profile >> 2 & 15 < len(_RATES)

    def length(block: bytes, place: int) -> int:
        if block[place] != 0xFF or block[place + 1] & 0xF6 != 0xF0 or block[place + 2] & 0xFC != profile or not known:
            return 0
        size = (block[place + 3] & 3) << 11 | block[place + 4] << 3 | block[place + 5] >> 5
        # More than one raw block in a frame is allowed and never seen: what it counts is left to the decoder.
        return 0 if size < HEADER_BYTES or block[place + 6] & 3 else size

    return length
