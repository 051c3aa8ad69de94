"""Source files: how one is opened without waiting on it, whether it stayed the same, and the digest of its content."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from audiobatchd.audio.flac import AudioOffset, audio_offset
from audiobatchd.audio.tags import leading_tags
from audiobatchd.audio.window import Excerpt, FileWindow
from audiobatchd.disk.leases import open_recalled
from audiobatchd.errors import DamagedFileError
from audiobatchd.vocabulary.files import FileStamp, in_64_bits

_BLOCK = 1 << 20
_DIGEST_BYTES = 16
READINGS = 16
"""Number of times that a file is read over at most, by parsers, the digest and a decoder that jumps about together."""


_KINDS = {
    stat.S_IFIFO: "is a FIFO",
    stat.S_IFDIR: "is a directory",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a character device",
    stat.S_IFBLK: "is a block device",
}


class SourceFile:
    """An open source file; a context manager that closes it.

    It keeps the directory descriptor that it was opened by, unowned: it must stay open as long as `unchanged` is asked.
    `on_progress` is called, often, while the file is read or decoded: it has come a little further. Reading the same
    again and again, as a decoder may for ever, is none.
    """

    def __init__(self, folder_fd: int, name: bytes, fd: int, on_progress: Callable[[], None] = lambda: None) -> None:
        self._folder_fd = folder_fd
        self._name = name
        self.fd = fd
        self.on_progress = on_progress
        status = os.fstat(fd)
        self._identity = _identity(status)
        self.stamp = FileStamp(name, status.st_size, in_64_bits(status.st_mtime_ns))
        self._worth_telling = READINGS * status.st_size + _BLOCK
        """Of how many more bytes read it is told."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.fd)

    def window(self) -> FileWindow:
        """Return all of its bytes."""
        return FileWindow(self.fd, self.stamp.size, self.was_read)

    def was_read(self, count: int) -> None:
        """Take note of so many bytes that were read."""
        self._worth_telling -= count
        if count and self._worth_telling > 0:
            self.on_progress()

    def unchanged(self) -> bool:
        """Tell whether both the open file and the file that its name leads to now are what was opened.

        Device, inode, size and mtime are compared. Raises OSError where that cannot be told.
        """
        if _identity(os.fstat(self.fd)) != self._identity:
            return False
        try:
            current = os.stat(self._name, dir_fd=self._folder_fd)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            if error.errno in {errno.ESTALE, errno.ELOOP}:
                return False
            raise
        return _identity(current) == self._identity


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def open_source(folder_fd: int, name: bytes, on_progress: Callable[[], None] = lambda: None) -> SourceFile:
    """Open the source file `name` in the directory open as `folder_fd`, following symbolic links; see `SourceFile`.

    Raises DamagedFileError where the name leads to anything but a regular file ("is a FIFO", "is a dangling link"),
    FileNotFoundError where there is no such name, and any other OSError as it is.
    """
    # Looking first: opening a device may already do something.
    _check_kind(_followed(folder_fd, name).st_mode)
    # Without O_NONBLOCK a FIFO put there in the meantime would be waited on for ever.
    fd = open_recalled(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder_fd)
    try:
        _check_kind(os.fstat(fd).st_mode)
        return SourceFile(folder_fd, name, fd, on_progress)
    except BaseException:
        os.close(fd)
        raise


def _followed(folder_fd: int, name: bytes) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder_fd)
    except OSError as error:
        if error.errno == errno.ELOOP:
            message = "is a link loop"
            raise DamagedFileError(message) from error
        dangling = isinstance(error, FileNotFoundError | NotADirectoryError) and _is_link(folder_fd, name)
        if dangling:
            message = "is a dangling link"
            raise DamagedFileError(message) from error
        raise


def _is_link(folder_fd: int, name: bytes) -> bool:
    return stat.S_ISLNK(os.lstat(name, dir_fd=folder_fd).st_mode)


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise DamagedFileError(_KINDS.get(stat.S_IFMT(mode), "is no regular file"))


class Digests(NamedTuple):
    """Digests of one file: `kind:<hexadecimal>`."""

    content: str
    """See `digest`."""
    whole: str
    """Of every byte: "blake2b:<hex>"."""


def digest(source: SourceFile) -> str:
    """The digest of the file's content, by one sequential read: "blake2b:<hex>", of FLAC "flac:<hex>".

    For FLAC it covers STREAMINFO and everything behind the last metadata block, so that other tags or another padding
    leave it as it is. FLAC whose metadata cannot be followed is digested whole. Raises OSError.
    """
    audio = _audio_of(source)
    if audio is None:
        return _named("blake2b", _digested(source, 0, _hasher()))
    return _named("flac", _digested(source, audio.offset, _hasher(audio.stream_info)))


def digests(source: SourceFile) -> Digests:
    """Both digests of the file, by one sequential read. Raises OSError."""
    audio, whole = _audio_of(source), _hasher()
    if audio is None:
        both = _named("blake2b", _digested(source, 0, whole))
        return Digests(both, both)
    content = _hasher(audio.stream_info)
    _digested(source, 0, whole, audio.offset)
    _digested(source, audio.offset, content, None, whole)
    return Digests(_named("flac", content), _named("blake2b", whole))


def _audio_of(source: SourceFile) -> AudioOffset | None:
    """Find the audio of a FLAC file, behind its metadata; None for all others."""
    window = source.window()
    start = leading_tags(window)
    audio = audio_offset(Excerpt(window, start, window.size))
    return None if audio is None else AudioOffset(start + audio.offset, audio.stream_info)


def _hasher(beginning: bytes = b"") -> hashlib.blake2b:
    return hashlib.blake2b(beginning, digest_size=_DIGEST_BYTES)


def _named(kind: str, hasher: hashlib.blake2b) -> str:
    return f"{kind}:{hasher.hexdigest()}"


def _digested(
    source: SourceFile,
    start: int,
    hasher: hashlib.blake2b,
    end: int | None = None,
    other: hashlib.blake2b | None = None,
) -> hashlib.blake2b:
    """Update `hasher`, and an `other` one, with the file's bytes from `start` to `end`, and return it."""
    # Not to the end of a file that grows meanwhile: it is not the one that was opened any more.
    offset, end = start, source.stamp.size if end is None else end
    os.posix_fadvise(source.fd, offset, 0, os.POSIX_FADV_SEQUENTIAL)
    block = memoryview(bytearray(_BLOCK))
    while offset < end and (count := os.preadv(source.fd, [block[: end - offset]], offset)):
        hasher.update(block[:count])
        if other is not None:
            other.update(block[:count])
        offset += count
        source.was_read(count)
    return hasher
