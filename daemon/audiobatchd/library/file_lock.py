"""The lock of a track folder for people's own batch scripts: the batch guide's `FileLock`, by the daemon's protocol."""

from __future__ import annotations

import os
import threading
import time
import warnings
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from audiobatchd.errors import LockBusyError, LockUsageError
from audiobatchd.library.tracks import Folder, absolute
from audiobatchd.locks.folder_lock import FolderLock
from audiobatchd.vocabulary.names import shown

DEFAULT_TIMEOUT = 3600.0


class FileLock:
    """One holder of `folder` among all threads, processes and machines; the file is `<folder>.lock` beside it.

    `timeout` is how many seconds the work should take at most: others call the lock overdue after that. It is not how
    long `acquire` waits, and a lock that is held is never taken away for its age. A crash blocks no later holder: the
    kernel ends the lock with its process. As a context manager it tries once, and `acquired` tells what came of it.

    A lock may be shared by threads; acquiring it twice is a mistake, and raises LockUsageError. A forked child does not
    have it. Keep the object for as long as the work takes: one that goes while it is acquired gives its lock back, with
    a ResourceWarning.
    """

    def __init__(self, folder: Folder, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.folder = Path(folder)
        self._lock = FolderLock(absolute(folder), timeout)
        self._threads = threading.Lock()
        self._pid = os.getpid()
        # Not `__del__`: at the end of Python what it needs may be gone. Locks that are held then have their own end.
        weakref.finalize(self, _give_back, self._lock, str(self.folder)).atexit = False

    @property
    def acquired(self) -> bool:
        """True while this process holds the lock through this object."""
        return self._lock.held

    def acquire(self, wait: bool = False, poll_interval: float = 1.0) -> bool:  # noqa: FBT001, FBT002  # the guide's
        """Take the lock; whether it was got. `wait`: try every `poll_interval` seconds until it is.

        Raises LockUsageError where it is acquired already, FileNotFoundError where there is no such folder,
        PermissionError where a file of the lock's name is no lock file, and any other OSError that stands in the way.
        """
        while not self._try():
            if not wait:
                return False
            time.sleep(poll_interval)
        return True

    def release(self) -> None:
        """Give the lock back; does nothing where it is not acquired."""
        with self._guard():
            self._lock.release()

    def _try(self) -> bool:
        with self._guard():
            if self._lock.held:
                message = f"cannot acquire the lock of {shown(str(self.folder))}: it is acquired already"
                raise LockUsageError(message)
            try:
                self._lock.acquire()
            except LockBusyError:
                return False
            return True

    def _guard(self) -> threading.Lock:
        """Mutex for threads. A forked child gets its own: there the parent's may stay taken for ever."""
        if self._pid != os.getpid():
            self._threads, self._pid = threading.Lock(), os.getpid()
        return self._threads

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _give_back(lock: FolderLock, folder: str) -> None:
    """Release what the program forgot to. A forked child has nothing to release, and is told nothing."""
    if lock.held:
        lock.release()
        message = f"the FileLock of {shown(folder)} went while it was acquired: its lock was given back"
        warnings.warn(message, ResourceWarning, stacklevel=2, source=lock)
