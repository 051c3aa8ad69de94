"""AIFF and AIFF-C (Apple, 1989 and 1991): what COMM counts, and whether SSND is whole."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.audio.window import Window
from audiobatchd.errors import DamagedFileError

_MOST_CHUNKS = 10_000
_INTEGERS = {b"NONE", b"none", b"sowt", b"twos", b"raw ", b"in24", b"in32", b"42ni", b"23ni"}
_LINEAR = _INTEGERS | {b"fl32", b"FL32", b"fl64", b"FL64"}


@dataclass(frozen=True)
class Common:
    """The COMM chunk: sample frames and the rate in Hz; `is_pcm` unless AIFF-C compresses, where frames are packets."""

    frames: int
    rate: float
    is_pcm: bool


def common(window: Window) -> Common | None:
    """The COMM chunk, wherever it stands, or None where there is none that can be read.

    Raises DamagedFileError where the file ends before the chunk of the samples does.
    """
    compressed = window.at(8, 4) == b"AIFC"
    offset, found = 12, None
    for _ in range(_MOST_CHUNKS):
        header = window.at(offset, 8)
        if len(header) < 8:
            break
        kind, size = header[:4], int.from_bytes(header[4:], "big")
        offset += 8
        if kind == b"COMM":
            found = _parse_common(window.at(offset, min(size, 22)), compressed=compressed)
        elif kind == b"SSND" and size > window.size - offset:
            message = f"ends too early: its sound chunk promises {size} bytes and {window.size - offset} are there"
            raise DamagedFileError(message)
        offset += size + size % 2
    return found


def _parse_common(chunk: bytes, *, compressed: bool) -> Common | None:
    if len(chunk) < 18:
        return None
    kind = chunk[18:22] if compressed else b"NONE"
    return Common(int.from_bytes(chunk[2:6], "big"), _extended(chunk[8:18]), kind in _LINEAR)


def _extended(octets: bytes) -> float:
    """An 80-bit extended float (IEEE 754, as the SANE of the Macintosh wrote it); 0.0 beyond what a rate can be."""
    exponent = (int.from_bytes(octets[:2], "big") & 0x7FFF) - 16383 - 63
    mantissa = int.from_bytes(octets[2:10], "big")
    return mantissa * 2.0**exponent if -100 < exponent < 0 else 0.0
