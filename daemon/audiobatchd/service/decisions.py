"""Keeping of what the core was told, and of what followed, for `./dev replay`: off unless `keep_decisions` says so.

A file begins with the state of the core, and goes on with every event and every turn in their order. There are several,
of which the oldest go. They are written in a thread; where that fails or falls behind, what could not be written is
left out, and a file of its own begins when it can be written again: no file has a gap.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from audiobatchd import __version__
from audiobatchd.core import actions as do
from audiobatchd.core.dispatcher import Dispatcher
from audiobatchd.core.events import Event
from audiobatchd.core.plan import Memory, Plan
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.quantities import sized

DIRECTORY, SUFFIX = "decisions", ".decisions"
HEAD = struct.Struct(">II")
"""What stands before each part of a file: its length in bytes, and its CRC-32."""
_FILES = 8
"""Number of files that what is kept is divided into."""
_MOST_WAITING = 32 << 20
"""Bytes of steps that may wait to be written."""
_AGAIN, _MUCH_LATER = 60.0, 3600.0
"""Seconds until it is tried again after an error, and after the state was too large."""
_PATIENCE = 5.0
"""Seconds that the thread has at the end."""


class Decisions:
    """The files in a directory, of at most `limit` bytes in all. What is given to it comes from one thread."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._parts: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        self._waiting = 0
        """Bytes of the steps that wait to be written. States do not count: each has as many bytes of steps after it."""
        self._steps = self._span = 0
        """Bytes of the steps in the present file, and how many belong into it."""
        self._begun = False
        """True where there is a file that the next part belongs to."""
        self._again_at = 0.0
        """Moment before which no file is begun."""
        self._broken = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._write, name="decisions", daemon=True)
        self._thread.start()

    def begin(self, core: KeptDispatcher) -> None:
        """Begin another file with the state of the core, where it is time for one."""
        if self._broken.is_set() or self._waiting > _MOST_WAITING:
            if self._begun:
                self._begun, self._again_at = False, time.monotonic() + _AGAIN
            if self._waiting > _MOST_WAITING:
                return
        if self._begun and self._steps < self._span:
            return
        if time.monotonic() >= self._again_at:
            self._begin(self._framed((__version__, time.time(), core.state_as_kept())))

    def add(self, now: float, event: Event | None, actions: list[do.Action]) -> None:
        """Keep a step: what followed from an event, or from a turn where there is none, at the core's time `now`."""
        if self._begun and (step := self._framed((now, event, actions))):
            self._steps += len(step)
            self._put(step, is_first=False)

    def stop(self) -> None:
        """Write what waits, and end."""
        self._parts.put(None)
        self._thread.join(_PATIENCE)

    def _framed(self, part: object) -> bytes:
        """Make the bytes of a part; none where it cannot be written, over which no service is to end."""
        try:
            return framed(part, _Pickler)
        except Exception as error:  # noqa: BLE001  # whatever a class of the future raises
            self._begun, self._again_at = False, time.monotonic() + _MUCH_LATER
            write(LogEvent.DECISIONS_NOT_KEPT, {"path": str(self._directory), "reason": str(error)})
            return b""

    def _begin(self, state: bytes) -> None:
        if not state:
            return
        self._broken.clear()
        self._begun = 2 * len(state) <= self._limit
        if not self._begun:
            self._again_at = time.monotonic() + _MUCH_LATER
            why = f"the state of the service alone takes {sized(len(state))}, and twice that has to be allowed"
            write(LogEvent.DECISIONS_NOT_KEPT, {"path": str(self._directory), "reason": why})
            return
        # As many bytes of steps as of state at least: copying that takes the loop's time.
        self._steps, self._span = 0, max(self._limit // _FILES, len(state))
        self._put(state, is_first=True)

    def _put(self, part: bytes, *, is_first: bool) -> None:
        with self._lock:
            self._waiting += 0 if is_first else len(part)
        self._parts.put((part, is_first))

    def _write(self) -> None:
        descriptor = -1
        while (part := self._parts.get()) is not None:
            content, is_first = part
            try:
                if is_first:
                    descriptor = self._closed(descriptor)
                    descriptor = self._made(len(content))
                if descriptor >= 0:
                    _write_all(descriptor, content)
            except OSError as error:
                if descriptor >= 0:
                    descriptor = self._closed(descriptor)
                if not self._broken.is_set():
                    self._broken.set()
                    why = {"path": str(self._directory), "reason": error.strerror or str(error)}
                    write(LogEvent.DECISIONS_NOT_KEPT, why)
            with self._lock:
                self._waiting -= 0 if is_first else len(content)
        self._closed(descriptor)

    def _made(self, size: int) -> int:
        """Make room, and the next file. Raises OSError."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        there = sorted(self._directory.glob(f"*{SUFFIX}"))
        newest = max((int(each.stem) for each in there if each.stem.isdecimal()), default=0)
        sizes = {each: each.stat().st_size for each in there}
        while there and sum(sizes.values()) + size + self._span > self._limit:
            there[0].unlink()
            del sizes[there.pop(0)]
        # The clock may have been set back, and the oldest by name are those that go.
        name = self._directory / f"{max(time.time_ns(), newest + 1):020d}{SUFFIX}"
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    @staticmethod
    def _closed(descriptor: int) -> int:
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)
        return -1


def framed(part: object, pickler: Callable[[io.BytesIO], pickle.Pickler]) -> bytes:
    """Make the bytes of a part, as `pickler` writes it, with their length and checksum before them."""
    written = io.BytesIO()
    pickler(written).dump(part)
    content = written.getvalue()
    return HEAD.pack(len(content), zlib.crc32(content)) + content


class _Pickler(pickle.Pickler):
    """Writes a time zone by its name: one that was read from a file does not let itself be written."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)

    def reducer_override(self, found: object) -> Any:  # noqa: ANN401  # as its base class
        """Reduce a time zone to its name; all else is written as usual."""
        return zone_by_name(found)


def zone_by_name(found: object) -> Any:  # noqa: ANN401  # as `reducer_override` of a pickler, which it serves
    """Reduce a time zone to its name: that of this machine's clock where it has none, UTC where that has none either.

    NotImplemented for anything else.
    """
    if not isinstance(found, ZoneInfo):
        return NotImplemented
    _, _, name = os.path.realpath("/etc/localtime").partition("zoneinfo/")
    return ZoneInfo, (found.key or name or "UTC",)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


class KeptDispatcher(Dispatcher):
    """A core of which every step is kept."""

    def __init__(self, plan: Plan, now: float, memory: Memory, decisions: Decisions) -> None:
        super().__init__(plan, now, memory)
        self._decisions = decisions

    def handle(self, event: Event, now: float) -> list[do.Action]:
        """See `Dispatcher.handle`."""
        self._decisions.begin(self)
        actions = super().handle(event, now)
        self._decisions.add(now, event, actions)
        return actions

    def tick(self, now: float) -> list[do.Action]:
        """See `Dispatcher.tick`."""
        self._decisions.begin(self)
        actions = super().tick(now)
        self._decisions.add(now, None, actions)
        return actions

    def state_as_kept(self) -> dict[str, object]:
        """Give all that the core knows."""
        return {name: value for name, value in vars(self).items() if name != "_decisions"}
