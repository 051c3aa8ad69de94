"""The feed of events: the last ones, numbered, for those who follow.

A follower pulls from the ring by number, so one that is slow costs nothing but its own gap.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from audiobatchd.control.events import plainly

KEPT = 1000
"""Events that are kept for those who come later."""


class Event(Struct, frozen=True):
    """An event as it is told."""

    at: str
    """ISO 8601 in UTC."""
    event: str
    level: str
    """As `logging` calls it, in lower case."""
    fields: dict[str, str | int | float | bool | dict[str, float | int]]
    """Numbers stay numbers, and numbers by label such; all else is text."""


@dataclass(frozen=True)
class Numbered:
    """An event with its number; the first one of a service is 1."""

    number: int
    event: Event

    def as_sse(self) -> bytes:
        """Encode it as a server-sent event (WHATWG HTML, 9.2)."""
        data = msgspec.json.encode(self.event).decode()
        return f"id: {self.number}\nevent: {self.event.event}\ndata: {data}\n\n".encode()


class Feed(logging.Handler):
    """Takes every log event, from any thread, and keeps the last ones."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._numbers = itertools.count(1)
        self._events: deque[Numbered] = deque(maxlen=KEPT)
        self._followers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep an event, and wake the followers."""
        fields: Mapping[str, object] = getattr(record, "fields", {})
        told = {
            name: value if isinstance(value, bool | int | float | dict) else plainly(value)
            for name, value in fields.items()
        }
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        with self._guard:
            event = Event(at, record.getMessage(), record.levelname.lower(), told)
            self._events.append(Numbered(next(self._numbers), event))
            followers = list(self._followers)
        for loop, woken in followers:
            with contextlib.suppress(RuntimeError):  # a loop that has just been closed
                loop.call_soon_threadsafe(woken.set)

    def since(self, number: int) -> list[Numbered]:
        """The events after this number that are still here."""
        with self._guard:
            return [each for each in self._events if each.number > number]

    @property
    def latest(self) -> int:
        """The number of the last event; 0 where there was none."""
        with self._guard:
            return self._events[-1].number if self._events else 0

    @contextlib.contextmanager
    def following(self) -> Iterator[asyncio.Event]:
        """Give what is set whenever there may be something new; called in an event loop."""
        follower = (asyncio.get_running_loop(), asyncio.Event())
        with self._guard:
            self._followers.add(follower)
        try:
            yield follower[1]
        finally:
            with self._guard:
                self._followers.discard(follower)
