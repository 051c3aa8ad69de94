"""The system calls of a lock: open-file-description locks, `flock`, and whether a path still names an open file.

An OFD lock belongs to the open file, not to the process: it excludes threads too, and closing the same file elsewhere
in the process does not lose it. The kernel drops it when the last descriptor of the open file is closed, in whichever
process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from audiobatchd.disk.leases import open_recalled
from audiobatchd.vocabulary.files import FileId

OPEN_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A link is not followed, a FIFO not waited for, and nothing is passed on to a program that is started."""

CONTENT = 4096
"""Bytes at the beginning of a lock file that no lock of ours covers: SMB servers refuse to let others read what is
locked. A lock of the whole file, as fasteners and earlier versions take one, excludes ours all the same."""

_BUSY = (errno.EAGAIN, errno.EACCES)
_UNSUPPORTED = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
_FLOCK = "hhqqi4x"  # struct flock: type, whence, start, length (0: to any end), PID (0 for OFD locks)

_guard = threading.RLock()  # a lock may be given back by the garbage collector, amid what it guards
_open: set[int] = set()
"""Descriptors of locks. A forked child closes them at once: one that kept the descriptors would keep the locks."""
_opening: dict[int, str] = {}
"""The base name of what each thread is opening: that may hang with its disk, so it is not done under the guard."""


def open_lock(path: str, flags: int, mode: int = 0) -> int:
    """Open a lock file, made with `mode`; its descriptor, which a forked child will not have. Raises OSError."""
    return _opened(path, flags | OPEN_FLAGS, mode)


def open_folder(path: str) -> int:
    """Get hold of a directory without reading it: while it is open, no other one gets its inode number. Raises OSError.

    It is closed by `close_lock`, and a forked child will not have it.
    """
    return _opened(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0)


def close_lock(descriptor: int) -> None:
    """Close what `open_lock` or `open_folder` opened; every lock on it is gone then."""
    with _guard:
        _open.discard(descriptor)
        os.close(descriptor)


def take(descriptor: int, *, local: bool) -> bool:
    """Lock the open file, now or not at all; False where another one holds it.

    On a `local` file system `flock` is taken as well: scripts in the manner of the batch guide hold that, and neither
    kind of lock sees the other. Where the file system has no OFD locks, `flock` alone has to do. Raises OSError
    (ESTALE: the file is gone on its server; ENOLCK and its like: there are no locks at all).
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _exclusive(CONTENT))
    except OSError as error:
        if error.errno in _BUSY:
            return False
        if error.errno not in _UNSUPPORTED:
            raise
        local = True
    if local:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
    return True


def is_held(descriptor: int) -> bool:
    """Tell whether another process holds an OFD or POSIX lock on the open file, without trying to take one."""
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _exclusive(CONTENT))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return is_flocked(descriptor)
        raise
    kind: int = struct.unpack(_FLOCK, answer)[0]
    return kind != fcntl.F_UNLCK


def holding_process(descriptor: int) -> int:
    """The process that keeps us from an ordinary POSIX lock of the whole file, as fasteners takes one.

    0 where none does, or it is in another PID namespace; below 0 where it is no single process. Raises OSError.
    """
    answer: int = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, _exclusive(0)))[4]
    return answer


def is_flocked(descriptor: int) -> bool:
    """Tell whether another process holds `flock` on the open file, as the batch guide's scripts do.

    The kernel answers no such question: a shared lock is tried for an instant, so this is only for files that look like
    a script's.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _BUSY:
            return True
        raise
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def names(path: str, descriptor: int) -> bool:
    """Tell whether `path` still names the open file. A fresh open is believed; a `stat` may be stale on NFS."""
    ours = os.fstat(descriptor)
    if ours.st_nlink == 0:
        return False
    try:
        fresh = open_recalled(path, os.O_RDONLY | OPEN_FLAGS)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ELOOP):
            return False
        raise
    try:
        theirs = os.fstat(fresh)
    finally:
        os.close(fresh)
    return FileId.of(ours) == FileId.of(theirs)


def _exclusive(start: int) -> bytes:
    """A `struct flock` of an exclusive lock from `start` to any end that the file may have."""
    return struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, 0, 0)


def _opened(path: str, flags: int, mode: int) -> int:
    thread = threading.get_ident()
    with _guard:
        _opening[thread] = os.path.basename(path)
    descriptor = -1
    try:
        descriptor = open_recalled(path, flags, mode)
    finally:
        with _guard:
            del _opening[thread]
            if descriptor >= 0:
                _open.add(descriptor)
    return descriptor


def _just_opened() -> Iterator[int]:
    """Yield descriptors that other threads may have opened and not yet noted, by the names of their files."""
    names = set(_opening.values())
    with contextlib.suppress(OSError):
        for each in Path("/proc/self/fd").iterdir() if names else ():
            with contextlib.suppress(OSError):
                if each.readlink().name in names:
                    yield int(each.name)


def _after_fork_in_child() -> None:
    for descriptor in (*_open, *_just_opened()):
        # One that other code has closed must not leave the others open, and the guard taken.
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _open.clear()
    _opening.clear()
    _guard.release()


# Taken around the fork, so that no descriptor is on its way into the set at that moment without its name being known.
os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_after_fork_in_child)
