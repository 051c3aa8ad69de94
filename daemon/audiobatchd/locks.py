"""The lock of a track folder, `<folder>.lock` beside it: one holder among all processes and machines.

The kernel's lock is the liveness: an open-file-description lock ends with its process, whatever ended it. The file's
content only tells people, and the next holder, who held it. FACTS behind every step are in docs/explanation/locking.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import socket
import stat
import struct
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from audiobatchd import filesystems
from audiobatchd.errors import LockBusyError, LockLostError
from audiobatchd.names import shown

SUFFIX = ".lock"
_ATTEMPTS = 100
_CONTENT_LIMIT = 4096
_GUIDES_TEXT = re.compile(rb"Processing started: [^\n]*\nPID: \d+\nFile: .*", re.DOTALL)
_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Holder(Struct, frozen=True):
    """What a lock file says of its holder. `started` is wall-clock time, for display only."""

    v: int
    host: str
    boot_id: str
    pid: int
    pid_start: int
    started: float
    budget_s: float
    token: str


def path_of(folder: str) -> str:
    """The lock file of `folder`; the whole name is kept, so that `A.B. Name` and `A.B. Other` have one each."""
    return os.path.normpath(folder) + SUFFIX


class FolderLock:
    """The lock of one folder; `budget` seconds is how long observers should expect it to be held.

    Not reentrant. The descriptor is never passed on to another process.
    """

    def __init__(self, folder: str, budget: float) -> None:
        self._folder = folder
        self._path = path_of(folder)
        self._budget = budget
        self._token = secrets.token_hex(8)
        self._descriptor = -1
        self._started = 0.0
        self._local = True
        self._identity = (0, 0)

    def acquire(self) -> None:
        """Take the lock, now or not at all.

        Raises LockBusyError where somebody holds it, OSError where it cannot be made (FileNotFoundError: the parent
        directory is gone).
        """
        status = os.stat(self._folder)
        self._identity = (status.st_dev, status.st_ino)
        for _ in range(_ATTEMPTS):
            if self._try():
                return
        message = f"cannot lock {self._path}: it keeps being replaced"
        raise LockBusyError(message)

    def gate(self) -> None:
        """The last look before a record is published. Raises LockLostError, or OSError, where nothing may be published.

        Writing and syncing through the locked descriptor is what fails (EIO) after a network file system gave the lock
        to another machine; reading would not notice.
        """
        content = self._content()
        os.pwrite(self._descriptor, content, 0)
        os.fsync(self._descriptor)
        if not _names(self._path, self._descriptor) or os.pread(self._descriptor, _CONTENT_LIMIT, 0) != content:
            message = f"lost the lock {self._path}"
            raise LockLostError(message)
        try:
            status = os.stat(self._folder)
        except FileNotFoundError as error:
            message = f"the folder of {self._path} is gone"
            raise LockLostError(message) from error
        if (status.st_dev, status.st_ino) != self._identity:
            message = f"the folder of {self._path} is another one now"
            raise LockLostError(message)

    def release(self) -> None:
        """Give the lock back and leave no trace of it (on a network file system: an empty file)."""
        descriptor, self._descriptor = self._descriptor, -1
        try:
            if not self._local:
                os.ftruncate(descriptor, 0)
            elif _names(self._path, descriptor):
                os.unlink(self._path)
        finally:
            os.close(descriptor)

    def reap(self) -> bool:
        """Remove the lock file without holding it afterwards, if it is ours and nobody holds it; True where it is gone.

        Only a file with our content, or an empty one, is touched, and only while holding it.
        """
        try:
            descriptor = os.open(self._path, _FLAGS)
        except FileNotFoundError:
            return False
        try:
            if not is_ours(os.pread(descriptor, _CONTENT_LIMIT, 0)):
                return False
            try:
                taken = self._take(descriptor)
            except LockBusyError:
                return False
            self._descriptor, descriptor = descriptor, -1
            self.release()
            return taken
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _try(self) -> bool:
        descriptor = os.open(self._path, _FLAGS | os.O_CREAT, 0o660)
        try:
            if not self._take(descriptor):
                return False
            _refuse_foreign(self._path, descriptor)
            self._descriptor, descriptor = descriptor, -1
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        self._started = time.time()
        content = self._content()
        try:
            os.pwrite(self._descriptor, content, 0)
            os.ftruncate(self._descriptor, len(content))
        except OSError:
            self.release()
            raise
        return True

    def _take(self, descriptor: int) -> bool:
        """Lock the open file and make sure that it is the one that the path names."""
        self._local = filesystems.kind_of(descriptor) is filesystems.Kind.LOCAL
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK))
            if self._local:
                # Scripts in the manner of the batch guide hold flock, which an OFD lock does not see.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.ESTALE:
                return False
            if error.errno in (errno.EAGAIN, errno.EACCES):
                message = f"cannot lock {self._path}: somebody else holds it"
                raise LockBusyError(message) from error
            raise
        return _names(self._path, descriptor)

    def _content(self) -> bytes:
        holder = Holder(
            v=1,
            host=socket.gethostname(),
            boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            pid=os.getpid(),
            pid_start=_pid_start(),
            started=self._started,
            budget_s=self._budget,
            token=self._token,
        )
        return msgspec.json.encode(holder) + b"\n"


def reap(folder: str) -> bool:
    """Remove the lock file that a dead holder left beside `folder`; True where there was one and it is gone."""
    return FolderLock(folder, 0.0).reap()


def is_ours(content: bytes) -> bool:
    """Whether a lock file with this content is one that we may remove."""
    if not content or _GUIDES_TEXT.fullmatch(content):
        return True
    try:
        # The first line alone: a holder that died between writing and truncating left the end of the one before it.
        msgspec.json.decode(content.partition(b"\n")[0], type=Holder)
    except msgspec.MsgspecError:
        return False
    return True


def _refuse_foreign(path: str, descriptor: int) -> None:
    """`poetry.lock` beside a track folder `poetry` is somebody's data, and no lock of anybody's."""
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    if not regular or not is_ours(os.pread(descriptor, _CONTENT_LIMIT, 0)):
        raise PermissionError(errno.EPERM, f"{shown(os.path.basename(path))} is no lock file", path)


def _flock(kind: int) -> bytes:
    """`struct flock` over the whole file; l_pid has to be 0 for OFD locks."""
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def _names(path: str, descriptor: int) -> bool:
    """Whether `path` still names the open file. A fresh open is believed, a cached stat on NFS is not."""
    ours = os.fstat(descriptor)
    if ours.st_nlink == 0:
        return False
    try:
        fresh = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE, errno.ELOOP):
            return False
        raise
    try:
        theirs = os.fstat(fresh)
    finally:
        os.close(fresh)
    return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)


def _pid_start() -> int:
    """The start time of this process in clock ticks since boot: with the PID it names one process for good."""
    fields = Path("/proc/self/stat").read_text()
    return int(fields[fields.rindex(")") + 2 :].split()[19])
