"""Memory as the kernel counts it: kills for want of memory, and how much the service may have.

A worker that was killed for want of memory and one that a person killed both end by SIGKILL. The kernel counts its own
kills: those of a control group's processes, whichever limit was met, in that group; all of the machine's in
/proc/vmstat.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LATE = 10.0
"""Seconds that a process takes at most, from the kernel's count of its kill until we hear of its end."""

_UNLIMITED = 1 << 62
_V1_COUNT, _V2_COUNT = "memory.oom_control", "memory.events"


class Kills:
    """The kills in this process's control group, or where that is not to be seen, of the machine."""

    def __init__(self, counted: Path | None = None) -> None:
        self._counted = counted or next((path for path in _counts_of(_group()) if _count_in(path) >= 0), _VMSTAT)
        self._count = _count_in(self._counted)
        self._rises: deque[float] = deque()
        """Moment when each kill was noticed for which no process of ours has ended since."""

    def notice(self) -> None:
        """Look at the count; to be called every second or so, lest a kill of another process pass for a later one."""
        count, now = _count_in(self._counted), time.monotonic()
        if count >= 0:
            self._rises.extend([now] * (count - self._count))
            self._count = count
        while self._rises and now - self._rises[0] > _LATE:
            self._rises.popleft()

    def explains_one(self) -> bool:
        """Tell whether the kernel killed a process just now; each kill explains one end."""
        self.notice()
        is_one = bool(self._rises)
        if is_one:
            self._rises.popleft()
        return is_one


def on_this_machine() -> int:
    """Count the processes that the kernel has killed since the machine was booted; -1 where it does not tell."""
    return _count_in(_VMSTAT)


def limit() -> int:
    """Return how many bytes our control group may have: the least of its own limit, those above it, and all memory."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    hierarchy, path = _group()
    if hierarchy is None:
        return limits[0]
    while True:
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max", or no such file: nothing here sets a limit
                limits.append(int((hierarchy / path / name).read_text(encoding="ascii")))
        if path == path.parent:
            return min(each for each in limits if each < _UNLIMITED)
        path = path.parent


_VMSTAT = Path("/proc/vmstat")


def _group() -> tuple[Path | None, Path]:
    """Return where the hierarchy that counts our memory is mounted, and our control group's path in it."""
    for line in _lines(Path("/proc/self/cgroup")):
        _, controllers, path = line.split(":", 2)
        places = ("memory",) if "memory" in controllers.split(",") else ("", "unified") if not controllers else ()
        for place in places:
            hierarchy, below = Path("/sys/fs/cgroup", place), Path(path.lstrip("/"))
            if any((hierarchy / below / name).exists() for name in (_V1_COUNT, _V2_COUNT)):
                return hierarchy, below
    return None, Path()


def _counts_of(group: tuple[Path | None, Path]) -> Iterator[Path]:
    hierarchy, path = group
    if hierarchy is not None:
        yield from (hierarchy / path / name for name in (_V2_COUNT, _V1_COUNT))


def _count_in(path: Path) -> int:
    """The kernel's count of kills in a file that has one in a line `oom_kill N`; -1 where it has none."""
    for line in _lines(path):
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.isdecimal():
            return int(number)
    return -1


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
