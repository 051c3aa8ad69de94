"""The limits of inotify on this machine, the share of leaves in them, and the words for a shortage."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

MOST_LEAVES = 65_536
"""Most leaves that are watched, over all datasets; they take about 60 MB (docs/explanation/watching.md)."""
_PLACE = Path("/proc/sys/fs/inotify")
_PLENTY = 524_288
"""The limit of watches that is recommended where it is too low."""
_OF_NAMESPACE = {
    "max_user_instances": Path("/proc/sys/user/max_inotify_instances"),
    "max_user_watches": Path("/proc/sys/user/max_inotify_watches"),
}
_SHORTAGES = frozenset({errno.ENOSPC, errno.ENOMEM, errno.EMFILE, errno.ENFILE})
"""Errors of inotify that say that room is lacking; ENOSPC is about watches."""
_DESCRIPTORS = 3
"""One for the instance, two for the pipe that wakes its thread."""
_DEFAULTS = {"max_user_watches": 8192, "max_queued_events": 16_384, "max_user_instances": 128}


def limit(name: str) -> int:
    """Read the kernel's limit of this name; its oldest default where it cannot be read."""
    try:
        return int((_PLACE / name).read_text())
    except (OSError, ValueError):
        return _DEFAULTS[name]


class Budget:
    """The leaves that may still be watched, over all datasets. Any thread may take of it."""

    def __init__(self, most: int | None) -> None:
        self._left = min(limit("max_user_watches") // 2, MOST_LEAVES) if most is None else most
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take one more leaf, if there is one left; whether there was."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True

    def is_used_up(self) -> bool:
        """Tell whether no more leaf may be watched just now."""
        return self._left <= 0

    def give(self, count: int = 1) -> None:
        """Give back leaves that are watched no more."""
        with self._lock:
            self._left += count


def is_shortage(number: int) -> bool:
    """Tell whether this error number says that room is lacking, which may come back by itself."""
    return number in _SHORTAGES


def reserve_descriptors() -> None:
    """Raise OSError where the process has no descriptors left for an instance and for the pipe that wakes its thread.

    The library opens the instance first, and would leave it behind where the pipe cannot be made.
    """
    held: list[int] = []
    try:
        held.extend(os.open("/", os.O_PATH | os.O_CLOEXEC) for _ in range(_DESCRIPTORS))
    finally:
        for descriptor in held:
            os.close(descriptor)


def shortage(lacks: Mapping[int, int]) -> str:
    """Say what is not watched. `lacks` is how many directories are not, by error number."""
    return "; ".join(
        f"{count} {'directory is' if count == 1 else 'directories are'} not watched: {why(number)}"
        for number, count in sorted(lacks.items())
        if count
    )


def why(number: int) -> str:
    """Say what stands behind an error number of inotify, with the command that mends it where there is one."""
    if number == errno.ENOSPC:
        return _too_low("max_user_watches", _PLENTY)
    if number == errno.EMFILE and _has_descriptors():
        return _too_low("max_user_instances", 4 * _DEFAULTS["max_user_instances"])
    return os.strerror(number)


def _has_descriptors() -> bool:
    """Tell whether the process may open more files: EMFILE means that it may not, or that no instance is left."""
    try:
        reserve_descriptors()
    except OSError:
        return False
    return True


def _too_low(name: str, enough: int) -> str:
    key, now = f"fs.inotify.{name}", limit(name)
    # In a user namespace, as of a container, a second limit counts.
    place = _OF_NAMESPACE[name]
    try:
        inner = int(place.read_text())
    except (OSError, ValueError):
        inner = now
    if inner < now:
        key, now = f"user.{place.name}", inner
    return f"{key} is {now}; sysctl {key}={max(enough, 2 * now)}"
