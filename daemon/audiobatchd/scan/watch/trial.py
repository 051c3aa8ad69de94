"""A trial of the room that inotify has: one instance for each directory that is named, and a watch on it.

Run as a program of its own, by the user that it is to be tried for: the kernel counts by user. A line for each
directory is printed, with the error number that stood in the way, or 0.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Sequence

from watchdog.observers.inotify_c import CallbackId, InotifyConstants, InotifyEvent, InotifyFD, Mask, WatchDescriptor

from audiobatchd.scan.watch.limits import reserve_descriptors

_SECONDS = 20.0
_MASK = Mask(InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_ONLYDIR)


class _Deaf:
    """Callbacks of a watch whose events do not matter."""

    def on_event(self, event: InotifyEvent) -> None:
        """See `WatchCallback`."""

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """See `WatchCallback`."""

    def on_queue_overflow(self) -> None:
        """See `WatchCallback`."""


def tried(paths: Sequence[str], user: int | None = None, groups: Sequence[int] = ()) -> dict[str, int] | None:
    """The error number for each directory; None where the trial could not be made. `user`: another UID to try it for.

    Only root can try it for others, who are given these `groups`, the first one as their own.
    """
    command = [sys.executable, "-m", __name__, *paths]
    group = groups[0] if groups else None
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
            cwd="/",
            user=user,
            group=group if user is not None else None,
            extra_groups=list(groups) if user is not None else None,
        )
        return dict(zip(paths, map(int, done.stdout.split()), strict=True))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _try(path: str, held: list[InotifyFD]) -> int:
    try:
        reserve_descriptors()
        held.append(InotifyFD())
        wd = held[-1].add_callback(os.fsencode(path), _MASK, _Deaf(), CallbackId(0))
    except OSError as error:
        return error.errno or errno.EIO
    return errno.EACCES if wd == -1 else 0


if __name__ == "__main__":
    # All are held until the end: every dataset takes an instance of its own, at the same time as the others.
    instances: list[InotifyFD] = []
    for each in sys.argv[1:]:
        print(_try(each, instances))  # noqa: T201  # what the caller reads
