"""Bounded reading of a file that other programs may have put there: regular files only, and no more than a limit.

A dataset, and any other directory, may hold a sparse file of 50 GB, a FIFO, or a link to /dev/zero under every name
that is read. None of them holds up the reader, and none fills its memory.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from audiobatchd.disk.leases import open_recalled
from audiobatchd.errors import UnfitFileError
from audiobatchd.vocabulary.quantities import exact_size

SETTINGS_LIMIT = 1 << 20
"""Bytes of a configuration, of a list of digests, and of other small files."""

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY  # a FIFO of this name would hang the open for ever
_BLOCK = 1 << 16


def read(path: str | Path, limit: int, *, dir_fd: int | None = None) -> tuple[bytes, os.stat_result]:
    """Read the regular file at `path`, of at most `limit` bytes; its content, and its status before that.

    Raises UnfitFileError where something else is there, and where there is more, also where the file grows meanwhile.
    Raises OSError where it cannot be read.
    """
    try:
        descriptor = open_recalled(path, _FLAGS, dir_fd=dir_fd)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise UnfitFileError(errno.ENXIO, "it is not a regular file") from error  # a socket
        raise
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise UnfitFileError(errno.EISDIR, "it is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise UnfitFileError(errno.ENXIO, "it is not a regular file")
        if status.st_size > limit:
            raise _too_large(status.st_size, limit)
        return _content(descriptor, status.st_size, limit), status
    finally:
        os.close(descriptor)


def text(path: str | Path, limit: int = SETTINGS_LIMIT) -> str:
    """Read the file at `path` as UTF-8. Raises as `read` does, and UnicodeDecodeError."""
    return read(path, limit)[0].decode()


def _content(descriptor: int, size: int, limit: int) -> bytes:
    """Read all that is there; one byte more than the limit shows that there is too much."""
    blocks: list[bytes] = []
    found = 0
    while block := os.read(descriptor, min(max(size - found, _BLOCK), limit + 1 - found)):
        blocks.append(block)
        found += len(block)
        if found > limit:
            raise _too_large(max(found, os.fstat(descriptor).st_size), limit)
    return b"".join(blocks)


def _too_large(size: int, limit: int) -> UnfitFileError:
    return UnfitFileError(errno.EFBIG, f"its {size:,} bytes are more than the {exact_size(limit)} allowed")
