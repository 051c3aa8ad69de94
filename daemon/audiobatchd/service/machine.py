"""The machine as schedules see it: its clock and zone, the load that others make, free memory, and the battery.

The clock is read in the loop, as it must not stand still; what stands in /proc and /sys is read in a thread, where an
answer that does not come keeps nothing else.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import math
import os
import struct
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psutil

from audiobatchd.core.events import Event, MachineSeen
from audiobatchd.core.schedule import Conditions, MachineFacts
from audiobatchd.disk import bounded
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.service.clock import Clock

_Found = TypeVar("_Found")

_PULSE = 1.0
_LOOKS_KEPT = 60
"""Looks, of one a second, for which what was read last counts while nothing newer comes."""
_MINUTE = 60.0
"""Seconds over which the kernel's load average of one minute is smoothed."""
_CHILDREN_EVERY = 5
"""Every so many looks descendants are looked for: that goes through all processes of the machine."""
_LOCALTIME = Path("/etc/localtime")
_SUPPLIES = Path("/sys/class/power_supply")
_COUNTS = frozenset((b"R", b"D"))
"""States of threads that the kernel counts into its load: those that run or wait for a core, and for a disk."""


class LoadOfOthers:
    """The load average of one minute without our own share, which is counted and smoothed as the kernel does it."""

    def __init__(self) -> None:
        self._own = 0.0
        self._at: float | None = None

    def measured(self, pids: list[int], now: float) -> float:
        """Measure it; `pids` are the processes of the service, without itself.

        `now` is of a clock that goes on while the service stands still, as the kernel's average does.
        """
        count = sum(_is_counted(task) for task in _tasks(pids))
        if self._at is not None:
            self._own += (count - self._own) * (1 - math.exp(-max(0.0, now - self._at) / _MINUTE))
        self._at = now
        return max(0.0, psutil.getloadavg()[0] - self._own)


def _tasks(pids: list[int]) -> Iterator[str]:
    """List all threads of these processes and of our own, but for the one that asks."""
    for process in ("self", *map(str, pids)):
        with suppress(OSError):
            names = os.listdir(f"/proc/{process}/task")
            yield from (f"/proc/{process}/task/{name}" for name in names if int(name) != threading.get_native_id())


def _is_counted(task: str) -> bool:
    try:
        with open(f"{task}/stat", "rb") as file:
            return file.read().rpartition(b") ")[2][:1] in _COUNTS
    except OSError:  # it has ended
        return False


def on_battery(supplies: Path = _SUPPLIES) -> bool:
    """Tell whether the machine runs on a battery: one is discharged, and no mains are there.

    Not by psutil, which takes the battery of a wireless mouse for the machine's (7.1); systemd passes over it as well.
    """
    names = sorted(supplies.iterdir()) if supplies.is_dir() else []
    own = [each for each in names if _told(each / "scope") != "Device"]
    if any(_told(each / "online") == "1" for each in own if _told(each / "type") != "Battery"):
        return False
    return any(_told(each / "status") == "Discharging" for each in own if _told(each / "type") == "Battery")


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


class Zone:
    """The time zone of the machine, read again where that was changed."""

    def __init__(self, file: Path = _LOCALTIME) -> None:
        self._file = file
        self._known: tuple[object, tzinfo] | None = None

    def now(self) -> tzinfo:
        """Return the zone: that of TZ where that is set, else of /etc/localtime, else UTC."""
        name = os.environ.get("TZ")
        # Of what only the C library reads (TZ=CET-1CEST) no more is known than what it makes of this moment.
        stamp = self._stamp() if name is None else (name, time.localtime().tm_gmtoff)
        if self._known is None or self._known[0] != stamp:
            self._known = stamp, self._read() if name is None else _named(name)
        return self._known[1]

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _read(self) -> tzinfo:
        with suppress(OSError, ValueError, struct.error):
            content, _ = bounded.read(self._file, bounded.SETTINGS_LIMIT)
            if content.endswith(b"\n"):  # of one that is cut short the library would read for ever
                return ZoneInfo.from_file(io.BytesIO(content))
        return self._known[1] if self._known is not None else UTC


def _named(name: str) -> tzinfo:
    with suppress(ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(name.removeprefix(":") or "UTC")
    return timezone(timedelta(seconds=time.localtime().tm_gmtoff))


class _Reading(Generic[_Found]):
    """One thing that is read with every look, in a thread of its own: what fails or hangs leaves the others known."""

    def __init__(self) -> None:
        self.found: _Found | None = None
        """Last result; None before the first one, and when it is older than a minute."""
        self._task: asyncio.Task[_Found] | None = None
        self._looks_since = 0
        """Looks since it was read."""

    async def look(self, read: Callable[[], _Found] | None) -> None:
        """Read it, and wait a second for that; without `read`, it is not wanted."""
        if self._task is None and read is not None:
            self._task = asyncio.create_task(in_a_thread(read))
            await asyncio.wait((self._task,), timeout=_PULSE)
        self._looks_since += 1
        if self._task is not None and self._task.done():
            done, self._task = self._task, None
            with suppress(OSError, RuntimeError, psutil.Error):  # short of descriptors, or of threads
                self.found, self._looks_since = done.result(), 0
        if read is None or self._looks_since > _LOOKS_KEPT:
            self.found = None


def _memory() -> tuple[int, int]:
    """Read how many bytes of memory are free, or can be made so without swapping, and how many there are."""
    memory = psutil.virtual_memory()
    return memory.available, memory.total


class Machine:
    """Looks at the machine every second while a schedule asks for it, and posts what is seen."""

    def __init__(self, clock: Clock, post: Callable[[Event], None], pids: Callable[[], list[int]]) -> None:
        """`post` is called in the event loop; `pids` names the workers, of which their children are found out here."""
        self._clock = clock
        self._post = post
        self._pids = pids
        self._zone = Zone()
        self._load = LoadOfOthers()
        self._looks = itertools.count()
        self._children: list[int] = []
        """The descendants of this process, as last looked for."""

    async def watch(self, conditions: Callable[[], Collection[Conditions]]) -> None:
        """Look, for as long as the loop runs, at what the schedules' `conditions` are about."""
        load, memory, battery = _Reading[float](), _Reading[tuple[int, int]](), _Reading[bool]()
        while True:
            wanted = [each for each in conditions() if each]
            await asyncio.gather(
                load.look(self._load_now() if any(each.max_load is not None for each in wanted) else None),
                memory.look(_memory if any(each.min_free_memory is not None for each in wanted) else None),
                battery.look(None if all(each.on_battery for each in wanted) else on_battery),
            )
            if wanted:
                free, total = memory.found or (None, None)
                moment, zone = self._clock.wall(), self._zone.now()
                self._post(MachineSeen(MachineFacts(moment, zone, load.found, free, battery.found, total)))
            await asyncio.sleep(_PULSE)

    def _load_now(self) -> Callable[[], float]:
        """Prepare to measure the load: what is in the loop is asked for here, the rest in a thread."""
        pids = self._pids()
        return lambda: self._load.measured([*{*pids, *self._descendants()}], time.monotonic())

    def _descendants(self) -> list[int]:
        if next(self._looks) % _CHILDREN_EVERY == 0:
            with suppress(psutil.Error, OSError):
                self._children = [each.pid for each in psutil.Process().children(recursive=True)]
        return self._children
