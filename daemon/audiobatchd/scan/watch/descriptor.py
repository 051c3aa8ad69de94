"""A descriptor of inotify and the thread that reads it: what watchdog's `InotifyFD` (docs/adr/0012) leaves to do."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterable

from watchdog.observers.inotify_c import CallbackId, InotifyFD, Mask, WatchCallback, WatchDescriptor

from audiobatchd.scan.watch.limits import limit, reserve_descriptors

_ID = CallbackId(0)
PATIENCE = 5.0
"""Seconds to wait for the end of a thread of the watch, which may hang with a disk."""
# A directory that comes back before it was let go is registered twice, of which watchdog warns; that is no matter.
# Known by the place that it comes from, since its words are watchdog's.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.|audiobatchd\.scan\.watch\.")


class Descriptor:
    """An inotify instance of the kernel, read from the start until it is stopped.

    Raises OSError where the kernel has no more of them, or no thread can be had. Its user sees to it that one thread at
    a time adds and removes watches.
    """

    def __init__(self, name: str, callbacks: WatchCallback) -> None:
        self._callbacks = callbacks
        self._let_go: set[int] = set()
        """Watches that are to end by and by: each end sends an event, and thousands overflow the queue."""
        self._portion = max(limit("max_queued_events") // 4, 1)
        reserve_descriptors()
        self._fd = InotifyFD()
        self._fd.name = name
        self._fd.daemon = True  # a mount that hangs must not keep the service from ending
        try:
            self._fd.start()
        except RuntimeError as error:  # no thread can be had; closing would leave the rest to one that reads
            self._fd._is_reading = False  # noqa: SLF001  # there is no other way to give the descriptors back
            self._fd.close()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error

    def add(self, path: bytes, mask: Mask) -> int:
        """Watch what is at `path`; its watch descriptor, which it has already where it is watched. Raises OSError."""
        wd = self._fd.add_callback(path, mask, self._callbacks, _ID)
        if wd == -1:
            # watchdog swallows this one error, and enters a watch that there is not.
            self._fd.remove_callbacks([(wd, _ID)])
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._let_go.discard(wd)
        return wd

    def remove(self, wd: int | None) -> None:
        """End this watch now; None: there is none."""
        if wd is not None:
            self._fd.remove_callbacks([(WatchDescriptor(wd), _ID)])

    def let_go(self, watches: Iterable[int]) -> None:
        """End these watches by and by: by `sweep`."""
        self._let_go.update(watches)

    def is_over(self, wd: int) -> None:
        """Learn that the kernel has ended this watch."""
        self._let_go.discard(wd)

    def sweep(self) -> bool:
        """End a portion of the watches that were let go; whether there was one."""
        portion = [self._let_go.pop() for _ in range(min(self._portion, len(self._let_go)))]
        if portion:
            self._fd.remove_callbacks([(WatchDescriptor(wd), _ID) for wd in portion])
        return bool(portion)

    def is_alive(self) -> bool:
        """Tell whether the thread reads the events."""
        return self._fd.is_alive()

    def stop(self) -> None:
        """End all watches and the thread, which is not waited for without end."""
        self._fd.stop()
        self._fd.join(PATIENCE)
