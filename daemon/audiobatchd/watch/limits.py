"""What inotify may use on this machine, how much of that leaves may take, and how a shortage is told."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

MOST_LEAVES = 65_536
_PLACE = Path("/proc/sys/fs/inotify")
_PLENTY = 524_288
_DEFAULTS = {"max_user_watches": 8192, "max_queued_events": 16_384, "max_user_instances": 128}


def limit(name: str) -> int:
    """The kernel's limit of this name; its oldest default where it cannot be read."""
    try:
        return int((_PLACE / name).read_text())
    except (OSError, ValueError):
        return _DEFAULTS[name]


class Budget:
    """How many leaves may be watched, over all datasets. Any thread may take of it."""

    def __init__(self, most: int | None) -> None:
        self._left = min(limit("max_user_watches") // 2, MOST_LEAVES) if most is None else most
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Whether one more leaf may be watched; it is counted."""
        with self._lock:
            if self._left <= 0:
                return False
            self._left -= 1
            return True

    def is_used_up(self) -> bool:
        """Whether no more leaf may be watched just now."""
        return self._left <= 0

    def give(self, count: int = 1) -> None:
        """So many leaves are watched no more."""
        with self._lock:
            self._left += count


def shortage(lacks: Mapping[int, int]) -> str:
    """What is not watched, in words. `lacks` is how many directories for each error number."""
    return "; ".join(
        f"{count} {'directory is' if count == 1 else 'directories are'} not watched: {why(number)}"
        for number, count in sorted(lacks.items())
        if count
    )


def why(number: int) -> str:
    """What stands behind an error number of inotify, and the line that mends it where there is one."""
    if number == errno.ENOSPC:
        return _too_low("max_user_watches", _PLENTY)
    if number == errno.EMFILE:
        return _too_low("max_user_instances", 4 * _DEFAULTS["max_user_instances"])
    return os.strerror(number)


def _too_low(name: str, enough: int) -> str:
    now = limit(name)
    return f"fs.inotify.{name} is {now}; sysctl fs.inotify.{name}={max(enough, 2 * now)}"
