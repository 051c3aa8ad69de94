"""Chunks of RIFF and FORM files (EA IFF 85; Microsoft's multimedia specification): walking them, forth and back.

A chunk is a name of four characters, a size of 32 bits, and as many bytes, padded to an even number by most writers.
What the chunks mean is told by `wav` and `aiff`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from audiobatchd.audio.window import FAR, Window
from audiobatchd.errors import DamagedFileError

Order = Literal["big", "little"]

MOST_CHUNKS = 10_000
SAMPLES = frozenset({b"data", b"SSND"})
"""The names of the chunks that hold the samples, in RIFF and in FORM."""

FILES = frozenset({b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM"})
"""First bytes of such a file."""

_HEADER = 8
_FILE_HEADER = 12
_BLOCK = 1 << 22

_MOST_TRAILING = (1 << 28) + (1 << 20)
_PRINTABLE = (0x20, 0x7E)


@dataclass(frozen=True)
class Chunk:
    """Chunk of a file."""

    name: bytes
    offset: int
    """Offset at which its content begins."""
    size: int
    """Bytes that it claims to hold."""

    @property
    def end(self) -> int:
        """Offset of the end of its content, the pad byte not counted."""
        return self.offset + self.size


def chunk_at(window: Window, offset: int, order: Order) -> Chunk | None:
    """The chunk whose header stands at `offset`; None where there is none."""
    header = window.at(offset, _HEADER)
    if len(header) < _HEADER or not all(_PRINTABLE[0] <= octet <= _PRINTABLE[1] for octet in header[:4]):
        return None
    return Chunk(header[:4], offset + _HEADER, int.from_bytes(header[4:], order))


def chunk_behind(window: Window, end: int, order: Order) -> Chunk | None:
    """The chunk behind one that ends at `end`; None where there is none.

    Not all writers pad an odd size. Of two places the one is taken where the samples are, or a chunk that fits.
    """
    found = [chunk_at(window, place, order) for place in dict.fromkeys((end + end % 2, end))]
    chunks = [chunk for chunk in found if chunk is not None]
    return min(chunks, key=lambda each: (each.name not in SAMPLES, each.end > window.size), default=None)


def lead_to_end(window: Window, offset: int, order: Order) -> bool:
    """Tell whether the chunks from `offset` on, if any, follow each other to the very end of the window."""
    for _ in range(MOST_CHUNKS):
        if offset <= window.size <= offset + 1:
            return True
        chunk = chunk_behind(window, offset, order)
        if chunk is None:
            return False
        offset = chunk.end
    return False


def trailing_chunks(window: Window, start: int, order: Order) -> int:
    """Return the first offset behind `start` from which chunks lead to the end of the window; its size if none.

    The search goes backwards from the end, through no more than a chunk with the largest tag takes: samples of an
    unknown size may stand before them. That samples look like a chunk which ends exactly where another begins is an
    accident of one in 10,000 files.
    """
    begins = {window.size}
    stop, start = window.size, max(start, window.size - _MOST_TRAILING)
    while stop > start:
        base = max(start, stop - _BLOCK)
        block = window.at(base, min(stop - base + _HEADER - 1, window.size - base))
        begins |= _begins(block, base, begins, order)
        stop = base
    return min(begins)


def check_alone(window: Window, start: int, end: int) -> None:
    """Raise DamagedFileError where another file begins among the samples from `start` to `end`, which have no count."""
    end = min(end, start + FAR)
    while start + _FILE_HEADER <= end:
        block = window.at(start, min(_BLOCK, end - start))
        for word in (b"WAVE", b"AIFF", b"AIFC"):
            place = block.find(word)
            while place >= 0:
                if place >= _HEADER and block[place - _HEADER : place - 4] in FILES:
                    message = f"holds another file behind its own: at byte {start + place - _HEADER}"
                    raise DamagedFileError(message)
                place = block.find(word, place + 1)
        if len(block) < _FILE_HEADER:
            break
        start += len(block) - _FILE_HEADER + 1


def _begins(block: bytes, base: int, ends: set[int], order: Order) -> set[int]:
    """Find in the `block`, which stands at `base`, the chunks that lead to one of the `ends`, or to each other."""
    count = len(block) - _HEADER + 1
    if count <= 0:
        return set()
    octets = np.frombuffer(block, np.uint8)
    printable = (octets >= _PRINTABLE[0]) & (octets <= _PRINTABLE[1])
    named = printable[:count] & printable[1 : count + 1] & printable[2 : count + 2] & printable[3 : count + 3]
    places = np.flatnonzero(named)
    behind = places + (base + _HEADER)
    for at, weight in enumerate((24, 16, 8, 0) if order == "big" else (0, 8, 16, 24)):
        behind += octets[places + 4 + at].astype(np.int64) << weight
    found: set[int] = set()
    while True:
        # A pad byte is there or not, and at the very end it is the first that is left out.
        wanted = np.array([end - pad for end in ends | found for pad in (0, 1)])
        more = {int(place) + base for place in places[np.isin(behind, wanted)]} - found
        if not more:
            return found
        found |= more
