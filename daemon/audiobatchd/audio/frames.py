"""Files that are nothing but frames, MP3 and ADTS: walking from header to header to count them.

Every header tells where the next one is, so that the walk knows what no estimate from a bit rate knows: how many frames
there are, and whether the last one is whole. What is inside a frame is the decoder's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audiobatchd.audio.window import Window

_BLOCK = 1 << 20
_MOST_FRAMES = 10_000_000
_SYNC = b"\xff"
_FAR = 1 << 16
_ROW = 2
_LONGEST_FRAME = 1 << 13
_AHEAD = 64
"""Bytes of every frame that are in the block that `Length` sees, where the file has them."""

Length = Callable[[bytes, int], int]
"""Gives the length in bytes of the frame whose header stands at a place in a block, 0 where none does."""


@dataclass(frozen=True)
class Walk:
    """Result of a walk over frames."""

    count: int
    """Number of whole frames."""
    end: int
    """Offset at which the last of them ends."""
    missing: int
    """Bytes, at least, by which one more frame is cut; 0 where none is."""


def walk(window: Window, header: int, length: Length) -> Walk:
    """Walk the frames from the window's first byte on; `header` is how many bytes `length` needs to see.

    Every step goes forward by a frame, and a file of more frames than any encoder makes is given up.
    """
    offset, count, end = 0, 0, window.size
    while offset + header <= end and count < _MOST_FRAMES:
        base = offset
        block = window.at(base, min(_BLOCK + _AHEAD, end - base))
        place, last = 0, min(len(block) - header, _BLOCK)
        while place <= last:
            size = length(block, place)
            if not size:
                return Walk(count, base + place, 0)
            if base + place + size > end:
                return Walk(count, base + place, base + place + size - end)
            place += size
            count += 1
        if not place:
            # Fewer bytes came than the window has: the file is being shortened.
            break
        offset = base + place
    rest = window.at(offset, header)
    return Walk(count, offset, header - len(rest) if rest[:1] == _SYNC and len(rest) < header else 0)


def row(window: Window, offset: int, header: int, like: Callable[[bytes], Length]) -> int | None:
    """Find, at `offset` or not far behind, so many frames in a row that it is no accident; None if there are none.

    `like` gives the lengths of the frames of the stream that begins with a header of `header` bytes.
    """
    block = window.at(offset, _FAR + _ROW * _LONGEST_FRAME)
    place = block.find(_SYNC, 0, _FAR)
    while place >= 0:
        first = block[place : place + header]
        if len(first) == header and _is_row(block, place, header, like(first)):
            return offset + place
        place = block.find(_SYNC, place + 1, _FAR)
    return None


def _is_row(block: bytes, place: int, header: int, length: Length) -> bool:
    for _ in range(_ROW):
        size = length(block, place) if place + header <= len(block) else 0
        if not size:
            return False
        place += size
    return True
