"""Reading of tags within bounds: hostile ones say that they are endless, go in circles, or have a million parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

MOST_BYTES = 64 << 20
"""Bytes that are read for the tags of one file, pictures among them."""
MOST_READS = 400_000
"""Number of readings of one file: an MP4 in fragments takes thousands."""
MOST_ENTRIES = 50_000
"""Number of Vorbis comments of one file."""
LONGEST_ENTRY = 1 << 16
"""Bytes that are kept of one comment: only pictures have more."""

_CHUNK = 1 << 16


class TagsTooLargeError(Exception):
    """Raised where the tags of a file are beyond these bounds."""


class Rationed:
    """A file object of `size` bytes that raises TagsTooLargeError once too much is read of it, or too often."""

    def __init__(self, file: BinaryIO | Rationed, size: int, most: int | None = None) -> None:
        self._file = file
        self.size = size
        self._most = self._bytes = MOST_BYTES if most is None else most
        self._reads = MOST_READS

    def read(self, length: int = -1) -> bytes:
        """See `io.RawIOBase.read`."""
        left = max(0, self.size - self._file.tell())
        length = left if length < 0 else min(length, left)
        self._bytes -= length
        self._reads -= 1
        if self._bytes < 0:
            message = f"they take more than {self._most >> 20} MiB"
            raise TagsTooLargeError(message)
        if self._reads < 0:
            message = f"they take more than {MOST_READS:,} readings"
            raise TagsTooLargeError(message)
        return self._file.read(length)

    def at(self, offset: int, length: int) -> bytes:
        """Read `length` bytes from `offset`, fewer at the end."""
        self.seek(offset)
        return self.read(length)

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `offset` piece by piece, fewer at the end."""
        end = offset + length
        while offset < end and (chunk := self.at(offset, min(_CHUNK, end - offset))):
            yield chunk
            offset += len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """See `io.RawIOBase.seek`."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """See `io.RawIOBase.tell`."""
        return self._file.tell()


class Comments:
    """A block of Vorbis comments, given in `chunks`, as the file object that mutagen reads.

    Of an entry that is longer than `LONGEST_ENTRY` only the beginning is given, as if that were all: a picture as large
    as the file is never held. Raises TagsTooLargeError where there are too many entries.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._place = 0
        self._position = 0
        self._reads = 2 * MOST_ENTRIES

    def read(self, length: int) -> bytes:
        """Pass over `length` bytes, and give as many of them as are kept."""
        self._reads -= 1
        if self._reads < 0:
            message = f"they are more than {MOST_ENTRIES:,} comments"
            raise TagsTooLargeError(message)
        kept, room = bytearray(), LONGEST_ENTRY
        while length > 0:
            if self._place == len(self._chunk):
                self._chunk, self._place = next(self._chunks, b""), 0
                if not self._chunk:
                    break
            taken = min(length, len(self._chunk) - self._place)
            kept += self._chunk[self._place : self._place + min(taken, room)]
            room = LONGEST_ENTRY - len(kept)
            self._place += taken
            self._position += taken
            length -= taken
        return bytes(kept)

    def tell(self) -> int:
        """Return the number of bytes that were passed."""
        return self._position
