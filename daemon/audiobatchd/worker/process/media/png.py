"""PNG of pictures with a palette, and the palette: black over purple and orange to pale yellow, even to the eye."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WITH_PALETTE, _BITS = 3, 8
_EFFORT = 6

_ANCHORS = "000004 1b0c42 4b0c6b 781c6d a52c60 cf4446 ed6925 fb9a06 f7d03c fcffa4"
"""Ten colours of the map "inferno" (S. van der Walt and N. Smith, CC0), at even distances; between them it is nearly
straight. Its lightness rises evenly, so that twice as bright is as many decibels everywhere, in grey as well."""


def palette() -> NDArray[np.uint8]:
    """Give the 256 colours, from the lowest value to the highest: red, green and blue of each."""
    anchors = np.array([tuple(bytes.fromhex(each)) for each in _ANCHORS.split()], np.float64)
    places = np.linspace(0, len(anchors) - 1, 256)
    parts = [np.interp(places, np.arange(len(anchors)), part) for part in anchors.T]
    return np.stack(parts, axis=1).round().astype(np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture of the shape (rows, columns), the top row first, whose values are places in the palette."""
    rows, columns = picture.shape
    header = struct.pack(">IIBBBBB", columns, rows, _BITS, _WITH_PALETTE, 0, 0, 0)
    lines = np.zeros((rows, columns + 1), np.uint8)  # each line begins with the number of its filter: none
    lines[:, 1:] = picture
    chunks = (
        (b"IHDR", header),
        (b"PLTE", palette().tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), _EFFORT)),
        (b"IEND", b""),
    )
    return _SIGNATURE + b"".join(map(_chunk, *zip(*chunks, strict=True)))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
