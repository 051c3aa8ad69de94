"""The one queue of everything that happens to the service, filled from the event loop and from any thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from audiobatchd.core.events import Event


class EventQueue:
    """Events in the order of their arrival. Only the event loop's thread takes them off.

    An event that comes before the loop runs waits for it; one that comes after its end is kept, and never handled.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._events)

    def open(self) -> None:
        """Take note of the running loop, which `post` is to wake from now on."""
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Wake the loop no more: it is about to end."""
        self._loop = None

    def put(self, event: Event) -> None:
        """Add an event from the loop's thread."""
        self._events.append(event)
        self._news.set()

    def post(self, event: Event) -> None:
        """Add an event from any thread."""
        self._events.append(event)
        if (loop := self._loop) is not None:
            try:
                loop.call_soon_threadsafe(self._notify)
            except RuntimeError:
                if self._loop is not None:  # the loop may be closed only after this queue
                    raise

    def _notify(self) -> None:
        if self._events:  # else it was taken by the turn before: no need for another one
            self._news.set()

    def wake(self) -> None:
        """End the waiting of now, although no event came: something was done that time depends on."""
        self._news.set()

    async def wait(self, seconds: float) -> None:
        """Wait until an event is there, for so many seconds at most."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return
        self._news.clear()

    def taken(self) -> Iterator[Event]:
        """Take off all events that are there now; those that come meanwhile stay."""
        for _ in range(len(self._events)):
            yield self._events.popleft()
