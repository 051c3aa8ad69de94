"""Bounded positioned reading: the bytes of a file between two offsets, by `pread` alone.

Owns no descriptor and moves none: parsers and the decoder may read the same file without disturbing each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

import numpy as np

_BLOCK = 1 << 20
FAR = 1 << 30
"""Bytes that a search goes through at most: a file may be nearly all hole."""


class Window(Protocol):
    """Bytes that can be read at any place, without a position."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer at the end; none before the beginning or behind the end."""


class FileWindow:
    """The first `size` bytes of an open file. Raises OSError as the file system gives it.

    `on_read` is told how many have been read, each time.
    """

    def __init__(self, fd: int, size: int, on_read: Callable[[int], None] = lambda _: None) -> None:
        self._fd = fd
        self.size = size
        self._on_read = on_read

    def at(self, offset: int, length: int) -> bytes:
        """See `Window.at`; what was cut off the file since it was measured is missing."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        block = os.pread(self._fd, length, offset)
        while 0 < len(block) < length:
            more = os.pread(self._fd, length - len(block), offset + len(block))
            if not more:
                break
            block += more
        self._on_read(len(block))
        return block


class Excerpt:
    """The bytes of another window from `start` up to `end`, counted from 0."""

    def __init__(self, window: Window, start: int, end: int) -> None:
        self._window = window
        self._start = start
        self.size = max(0, min(end, window.size) - start)

    def at(self, offset: int, length: int) -> bytes:
        """See `Window.at`."""
        if not 0 <= offset < self.size:
            return b""
        return self._window.at(self._start + offset, min(length, self.size - offset))


class Joined:
    """Several windows, one behind the other."""

    def __init__(self, *parts: Window) -> None:
        self._parts = parts
        self.size = sum(part.size for part in parts)

    def at(self, offset: int, length: int) -> bytes:
        """See `Window.at`."""
        block = b""
        for part in self._parts:
            if length <= 0 or offset < 0:
                break
            if offset < part.size:
                piece = part.at(offset, length)
                block = block + piece if block else piece
                if len(piece) < min(length, part.size - offset):
                    break
                length -= len(piece)
                offset = part.size
            offset -= part.size
        return block


class Literally:
    """Bytes as a window."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def at(self, offset: int, length: int) -> bytes:
        """See `Window.at`."""
        return self._content[offset : offset + length] if offset >= 0 and length > 0 else b""


class Swapped:
    """Window on another one of numbers of `width` bytes each, with the bytes of every number in reversed order."""

    def __init__(self, window: Window, width: int) -> None:
        self._window = window
        self._width = width
        self.size = window.size - window.size % width

    def at(self, offset: int, length: int) -> bytes:
        """See `Window.at`."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        lead = offset % self._width
        count = -(-(lead + length) // self._width)
        block = self._window.at(offset - lead, count * self._width)
        whole = np.frombuffer(block, np.uint8, len(block) // self._width * self._width)
        return whole.reshape(-1, self._width)[:, ::-1].tobytes()[lead : lead + length]


def contains(window: Window, wanted: bytes, start: int) -> bool:
    """Tell whether the bytes `wanted` stand anywhere from `start` on, as far as `FAR` goes."""
    overlap, end = len(wanted) - 1, start + FAR
    while start < end and len(block := window.at(start, _BLOCK)) > overlap:
        if wanted in block:
            return True
        start += len(block) - overlap
    return False


def only_zeros(window: Window, start: int, end: int) -> bool:
    """Tell whether all bytes from `start` to `end`, as far as there are any, are zeros."""
    while block := window.at(start, min(_BLOCK, end - start)):
        if block.count(0) != len(block):
            return False
        start += len(block)
    return True


class WindowReader:
    """A window as the seekable file object that PyAV reads from.

    PyAV loses an exception that is raised while FFmpeg reads, or prints it: the first OSError is kept in `fault`
    instead, and the file seems to end there. The decoder looks at `fault` before it judges the file.
    """

    def __init__(self, window: Window) -> None:
        self._window = window
        self._position = 0
        self.fault: OSError | None = None

    def read(self, length: int) -> bytes:
        """Up to `length` bytes; none at the end of the window."""
        if self.fault is not None:
            return b""
        try:
            block = self._window.at(self._position, length)
        except OSError as error:
            self.fault = error
            return b""
        self._position += len(block)
        return block

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the reader's own position, which may lie behind the end as in any file."""
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._window.size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def tell(self) -> int:
        """The reader's own position."""
        return self._position
