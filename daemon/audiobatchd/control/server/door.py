"""The door: how many connections there may be, how long a request may take to come, and an answer to be read.

A request that is not complete within 5 s is dropped, and so is the oldest of too many; likewise an answer that is not
read. It stands between the event loop and aiohttp, and knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

PATIENCE = 5.0
"""Seconds for a request to be complete, and for a connection that is kept to say the next one."""

UNFINISHED = 64
"""Connections without a complete request; one more, and the oldest is dropped."""

AT_ONCE = 32
"""Requests that are answered at the same time."""

AHEAD = 16
"""Requests that one connection may send before it has got the answer to the first; one more, and it is dropped."""

UNREAD = 16
"""Connections that do not read what they are sent; one more, and the oldest is dropped."""

UNREAD_FOR = 30.0
"""Seconds after which a connection is dropped that has read nothing of what it is sent."""

_SWEEP = 0.5


class Limits(NamedTuple):
    """Numbers of connections that there may be, by what they do."""

    unfinished: int
    """Connections without a complete request."""
    at_once: int
    """Connections with requests that are being answered."""
    unread: int
    """Connections whose peers do not read what they are sent."""


@dataclass(slots=True, eq=False)
class _Caller:
    """A connection."""

    transport: asyncio.Transport
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it has ended."""
    has_spoken: bool = False
    """True where it has sent anything since its last request was answered: if not, it had sent the next one ahead."""
    ahead: int = 0
    """Number of requests in a row that it had sent ahead."""
    left: int = 0
    """Bytes that it had not read when it was last looked at."""


class Door:
    """Makes the protocol of each connection, and ends those that say nothing, or read nothing, for too long."""

    def __init__(self, factory: Callable[[], asyncio.Protocol], limits: Limits | None = None) -> None:
        self._factory = factory
        self._limits = limits or Limits(UNFINISHED, AT_ONCE, UNREAD)
        self._loop = asyncio.get_running_loop()
        self._callers: dict[asyncio.BaseTransport, _Caller] = {}
        self._waiting: dict[_Caller, float] = {}
        """The callers with a request that is not complete, the oldest first, and since when."""
        self._unread: dict[_Caller, float] = {}
        """The callers that do not read, the oldest first, and since when they have read nothing."""
        self._answering: set[_Caller] = set()
        """The callers with a request that is being answered; a connection asks for one thing at a time."""
        self._sweeping = asyncio.create_task(self._sweep())

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Guarded(self._factory(), self)

    def close(self) -> None:
        """Wait for nothing any more."""
        self._sweeping.cancel()

    def comes(self, transport: asyncio.Transport) -> None:
        """Let a connection in that has said nothing yet."""
        while len(self._waiting) >= self._limits.unfinished:
            self._drop(next(iter(self._waiting)))
        self._callers[transport] = caller = _Caller(transport)
        self._waiting[caller] = self._loop.time()

    def leaves(self, transport: asyncio.BaseTransport) -> None:
        """Forget a connection that has ended."""
        caller = self._callers.pop(transport, None)
        if caller is not None:
            self._waiting.pop(caller, None)
            self._unread.pop(caller, None)
            self._answering.discard(caller)
            caller.gone.set()

    def gone(self, transport: asyncio.BaseTransport | None) -> asyncio.Event:
        """Find the event that is set when the connection has ended, which may be so already."""
        caller = self._callers.get(transport) if transport is not None else None
        if caller is not None:
            return caller.gone
        ended = asyncio.Event()
        ended.set()
        return ended

    def speaks(self, transport: asyncio.BaseTransport) -> None:
        """Note that something has come from a connection."""
        if caller := self._callers.get(transport):
            caller.has_spoken = True

    def begins(self, transport: asyncio.BaseTransport) -> bool:
        """A request is complete and is to be answered; False where too many are."""
        caller = self._callers.get(transport)
        if caller is None:
            return False
        self._answering.add(caller)
        self._waiting.pop(caller, None)
        caller.ahead = 0 if caller.has_spoken else caller.ahead + 1
        if caller.ahead > AHEAD:
            self._drop(caller)
            return False
        return len(self._answering) <= self._limits.at_once

    def ends(self, transport: asyncio.BaseTransport) -> None:
        """Note that the request of a connection was answered."""
        caller = self._callers.get(transport)
        if caller is None:
            return
        self._answering.discard(caller)
        if not transport.is_closing():
            caller.has_spoken = False
            self._waiting[caller] = self._loop.time()

    def stops_reading(self, transport: asyncio.BaseTransport) -> None:
        """Note that what is sent to a connection piles up."""
        caller = self._callers.get(transport)
        if caller is None:
            return
        while len(self._unread) >= self._limits.unread:
            self._drop(next(iter(self._unread)))
        self._unread[caller] = self._loop.time()
        caller.left = caller.transport.get_write_buffer_size()

    def reads_again(self, transport: asyncio.BaseTransport) -> None:
        """A connection has read most of what was sent to it."""
        caller = self._callers.get(transport)
        if caller is not None:
            self._unread.pop(caller, None)
            if self._waiting.pop(caller, None) is not None:
                self._waiting[caller] = self._loop.time()  # only now it can say the next one

    def _drop(self, caller: _Caller) -> None:
        self._waiting.pop(caller, None)
        self._unread.pop(caller, None)
        caller.transport.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            now = self._loop.time()
            for caller, since in list(self._waiting.items()):
                if since < now - PATIENCE and caller not in self._unread:
                    self._drop(caller)
            for caller, since in list(self._unread.items()):
                left = caller.transport.get_write_buffer_size()
                if left < caller.left:
                    self._unread[caller], caller.left = now, left
                elif since < now - UNREAD_FOR:
                    self._drop(caller)


class _Guarded(asyncio.Protocol):
    """Another protocol, with the door told of its connection."""

    def __init__(self, inner: asyncio.Protocol, door: Door) -> None:
        self._inner = inner
        self._door = door
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._door.comes(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._door.leaves(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._door.speaks(self._transport)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._door.stops_reading(self._transport)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._door.reads_again(self._transport)
        self._inner.resume_writing()
