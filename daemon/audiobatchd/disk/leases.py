"""Leases on files of this machine's own disks (fcntl(2), F_SETLEASE): what an NFS or SMB server tells its clients by.

A server that lets a client keep a file to itself (a delegation of NFSv4, a kernel oplock of Samba) has a lease on it.
The kernel asks it back from whichever process opens the file, and meanwhile O_NONBLOCK gives EAGAIN.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

RECALL = 0.5
"""Seconds that a client is given to hand a file back: one that is there takes some milliseconds, one that was cut off
has until its lease ends."""

_PAUSE = 0.005
_NOT_TO_BE_HAD = frozenset({errno.EACCES, errno.EPERM, errno.EAGAIN})


def open_recalled(path: str | bytes | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    """Open as `os.open` does, with O_NONBLOCK, a file that a client of this machine's file server may have to itself.

    Raises BlockingIOError where the client has not handed it back in time, and else as `os.open` does.
    """
    return recalled(lambda: os.open(path, flags | os.O_NONBLOCK, mode, dir_fd=dir_fd))


def recalled(opening: Callable[[], int]) -> int:
    """Open by `opening`, with O_NONBLOCK, as `open_recalled` does."""
    deadline = 0.0
    while True:
        try:
            return opening()
        except BlockingIOError:
            now = time.monotonic()
            deadline = deadline or now + RECALL
            if now > deadline:
                raise
        time.sleep(_PAUSE)


@contextlib.contextmanager
def opened_by_no_other(descriptor: int) -> Iterator[bool]:
    """Tell whether no other open file of this file is there, and keep it so while the context lasts.

    False also where another user owns the file, for then the kernel does not tell. True where its file system has no
    leases. Servers keep a file open for as long as a client has it open: so nothing that a client has is taken away.
    """
    try:
        # Else the kernel would end this process by SIGIO where another one opens the file.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError as error:
        yield error.errno not in _NOT_TO_BE_HAD
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
