"""A real HTTP server on loopback that answers as it is told to, byte for byte, and keeps what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

STALL, CLOSE = b"stall", b"close"
"""Instead of an answer: none, for ever; and the end of the connection."""
FINE = b"HTTP/1.1 204 No Content\r\n\r\n"


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """An answer in whole."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Received:
    """A request."""

    line: str
    headers: dict[str, str]
    """By their names in small letters."""
    body: bytes


@dataclass
class HookServer:
    """The server."""

    port: int = 0
    answers: list[bytes] = field(default_factory=list)
    """What the next requests are answered with; `FINE` where none is left."""
    received: list[Received] = field(default_factory=list)
    took: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at each request."""

    @property
    def url(self) -> str:
        """A URL of it, with what is to be told to nobody."""
        return f"http://me:password@127.0.0.1:{self.port}/secret-path?token=secret"

    async def requests(self, number: int) -> list[Received]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(20):
            while len(self.received) < number:
                self.took.clear()
                await self.took.wait()
        return self.received

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.received.append(Received(line, headers, body))
            self.took.set()
            told = self.answers.pop(0) if self.answers else FINE
            if told == STALL:
                await reader.read()  # until the client has enough
            elif told != CLOSE:
                writer.write(told)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(*answers: bytes) -> AsyncIterator[HookServer]:
    """A server that gives these answers, one after the other."""
    made = HookServer(answers=list(answers))
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, limit=1 << 20)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` is true."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # of what may be a file, or a count, nothing sets an event
            await asyncio.sleep(0.01)
