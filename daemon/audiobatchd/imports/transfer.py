"""Bringing one file from a library into a folder: as a reflink, a copy, a hard link or a symbolic link.

A source is never written to, and never replaced. Its mtime comes along; its rights do as far as the umask, or the
folder's default ACL, lets them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from audiobatchd.disk.leases import open_recalled
from audiobatchd.errors import AudiobatchError, SourceChangedError
from audiobatchd.imports.manifest import Mode, Origin, Placed
from audiobatchd.vocabulary.names import parsed, shown

HIDDEN = ".audiobatch-import-"
"""Beginning of the name that a file or a folder has before it is whole."""
_FICLONE = 0x40049409
"""Of ioctl_ficlonerange(2), which Python has no name for before 3.14."""
_BLOCK = 1 << 20
_AT_ONCE = 1 << 30
_CANNOT_CLONE = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM})
_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
_CANNOT_COPY_RANGE = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.EPERM, errno.EIO})


class CannotError(AudiobatchError):
    """Raised where the file systems cannot do what a mode asks for: no file can be imported so."""


def bring(origin: Origin, target: str, mode: Mode) -> None:
    """Make `target`, which must not be there, of a source by a mode; a moved one stays where it was for now.

    Raises SourceChangedError where the source is not as it was when it was looked at, CannotError where the file
    systems do not do this, OSError for all else.
    """
    source = parsed(origin.source)
    match mode:
        case Mode.LINK:
            _refuse_changed(origin, os.stat(source))
            Path(target).symlink_to(source)
        case Mode.HARDLINK:
            _link(origin, source, target, follows=True)
        case Mode.MOVE:
            try:
                _link(origin, source, target, follows=False)
            except CannotError:
                _copied_surely(origin, source, target)
        case _:
            _copied(origin, source, target, mode)


def placed(path: str) -> Placed:
    """The file in the folder, as it is now. Raises OSError."""
    status = os.lstat(path)
    return Placed(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def is_as_it_was(origin: Origin) -> bool:
    """Tell whether a source has the size and the time that it was imported with."""
    try:
        _refuse_changed(origin, os.stat(parsed(origin.source)))
    except (OSError, SourceChangedError):
        return False
    return True


def same_bytes(one: str, other: str) -> bool:
    """Tell whether two files have the same content, as their disks have it. Raises OSError."""
    with open(one, "rb", buffering=0) as first, open(other, "rb", buffering=0) as second:
        for file in (first, second):
            # What was just written would come from memory, and prove nothing.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
            return False
        while block := first.read(_BLOCK):
            if block != _read_exactly(second.fileno(), len(block)):
                return False
    return True


def put_back(target: str, origin: Origin) -> None:
    """Make the source of a moved file again, where nothing is in its place: it is the target itself, or a copy of it.

    Raises FileExistsError, OSError.
    """
    source = parsed(origin.source)
    Path(source).parent.mkdir(parents=True, exist_ok=True)
    status = os.stat(target)
    kept = Origin(shown(target), status.st_size, status.st_mtime_ns)
    try:
        bring(kept, source, Mode.HARDLINK)
    except CannotError:
        # A copy that a crash cut off must not stand under the file's name.
        half = os.path.join(os.path.dirname(source), f"{HIDDEN}{status.st_ino}")
        with suppress(FileNotFoundError):
            os.unlink(half)
        _copied_surely(kept, target, half)
        if os.path.lexists(source):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source) from None
        Path(half).rename(source)


def _copied_surely(origin: Origin, source: str, target: str) -> None:
    """Copy a file that is going to be removed, and compare what the disk has of both."""
    _copied(origin, source, target, Mode.AUTO, os.O_NOFOLLOW)
    if not same_bytes(source, target):
        os.unlink(target)
        message = f"the copy of {shown(source)} is not what was read"
        raise OSError(errno.EIO, message)


def _link(origin: Origin, source: str, target: str, *, follows: bool) -> None:
    _refuse_changed(origin, os.stat(source, follow_symlinks=follows))
    try:
        os.link(source, target, follow_symlinks=follows)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        message = f"cannot make a hard link to {shown(source)}: {error.strerror}"
        raise CannotError(message) from error


def _copied(origin: Origin, source: str, target: str, mode: Mode, more: int = 0) -> None:
    """Copy a file, by sharing its blocks where `mode` wants that, and sync it. Removes what is half made.

    `more`: flags that the source is opened with besides.
    """
    reading = open_recalled(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | more)
    try:
        before = os.fstat(reading)
        _refuse_changed(origin, before)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        # Of a file on a foreign disk everything may be executable; its owner can read what is imported.
        writing = os.open(target, flags, stat.S_IMODE(before.st_mode) & 0o666 | 0o400)
        try:
            if mode is Mode.COPY or not _cloned(reading, writing, source, must=mode is Mode.REFLINK):
                _copy_content(reading, writing, before.st_size)
            _refuse_changed(origin, os.fstat(reading))
            if os.fstat(writing).st_size != before.st_size:
                message = f"cannot copy {shown(source)}: it changed meanwhile"
                raise SourceChangedError(message)
            os.utime(writing, ns=(before.st_atime_ns, before.st_mtime_ns))
            os.fsync(writing)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _cloned(reading: int, writing: int, source: str, *, must: bool) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as error:
        if error.errno not in _CANNOT_CLONE:
            raise
        if must:
            message = f"cannot make a reflink of {shown(source)}: {error.strerror}; try --mode copy"
            raise CannotError(message) from error
        return False
    return True


def _copy_content(reading: int, writing: int, size: int) -> None:
    """Copy by the kernel, and by hand what it does not copy between these file systems."""
    left = size
    while left > 0:
        try:
            done = os.copy_file_range(reading, writing, min(left, _AT_ONCE))
        except OSError as error:
            if error.errno not in _CANNOT_COPY_RANGE:
                raise
            break
        if not done:  # at the end, or on a file system that copies nothing and says so by this
            break
        left -= done
    while block := os.read(reading, _BLOCK):
        view = memoryview(block)
        while view:
            view = view[os.write(writing, view) :]


def _read_exactly(descriptor: int, size: int) -> bytes:
    blocks = []
    while size > 0 and (block := os.read(descriptor, size)):
        blocks.append(block)
        size -= len(block)
    return b"".join(blocks)


def _refuse_changed(origin: Origin, now: os.stat_result) -> None:
    if not stat.S_ISREG(now.st_mode) or (now.st_size, now.st_mtime_ns) != (origin.size, origin.mtime_ns):
        message = f"{origin.source} changed since it was looked at"
        raise SourceChangedError(message)
