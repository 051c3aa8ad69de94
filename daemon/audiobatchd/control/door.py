"""Who may come in: how many connections, and how long one may take to say what it wants.

A request that is not complete within 5 s is dropped, and so is the oldest of too many: nobody can keep others out by
saying nothing. It stands between the event loop and aiohttp, and knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 5.0
"""Seconds for a request to be complete, and for a connection that is kept to say the next one."""

UNFINISHED = 64
"""Connections without a complete request; one more, and the oldest is dropped."""

AT_ONCE = 32
"""Requests that are answered at the same time."""

_SWEEP = 0.5


class Door:
    """Makes the protocol of each connection, and ends those that say nothing for too long."""

    def __init__(self, factory: Callable[[], asyncio.Protocol]) -> None:
        self._factory = factory
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.BaseTransport, float] = {}
        self._answered = 0
        self._sweeping = asyncio.create_task(self._sweep())

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Guarded(self._factory(), self)

    def close(self) -> None:
        """Nobody is waited for any more."""
        self._sweeping.cancel()

    def comes(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there, and has said nothing yet."""
        while len(self._waiting) >= UNFINISHED:
            self._drop(next(iter(self._waiting)))
        self._waiting[transport] = self._loop.time()

    def leaves(self, transport: asyncio.BaseTransport) -> None:
        """A connection has ended."""
        self._waiting.pop(transport, None)

    def begins(self, transport: asyncio.BaseTransport) -> bool:
        """A request is complete and is to be answered; False where too many are."""
        self._waiting.pop(transport, None)
        self._answered += 1
        return self._answered <= AT_ONCE

    def ends(self, transport: asyncio.BaseTransport) -> None:
        """It has been answered."""
        self._answered -= 1
        if not transport.is_closing():
            self._waiting[transport] = self._loop.time()

    def _drop(self, transport: asyncio.BaseTransport) -> None:
        self._waiting.pop(transport, None)
        if isinstance(transport, asyncio.Transport):
            transport.abort()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            late = self._loop.time() - PATIENCE
            for transport in [transport for transport, since in self._waiting.items() if since < late]:
                self._drop(transport)


class _Guarded(asyncio.Protocol):
    """Another protocol, with the door told of its connection."""

    def __init__(self, inner: asyncio.Protocol, door: Door) -> None:
        self._inner = inner
        self._door = door
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._door.comes(transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._door.leaves(self._transport)
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()
