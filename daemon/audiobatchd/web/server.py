"""The page's server: a listener at one address, the door, and the application behind it, put together."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from audiobatchd.config import certificate
from audiobatchd.config.web import WebConfig, address_of
from audiobatchd.control.operations import EVENTS, EXPLAIN, FAILURES, HISTORY, PAUSE, RESUME, RETRY, STATUS, Operation
from audiobatchd.control.server.door import Door, Limits
from audiobatchd.control.server.routes import Routes, application
from audiobatchd.control.server.server import Malformed, connection
from audiobatchd.control.server.socket_file import SocketFile
from audiobatchd.errors import AlreadyRunningError, UsageError
from audiobatchd.scan.readers import in_a_thread
from audiobatchd.web import assets, audio, data, entry
from audiobatchd.web.contract import Contract
from audiobatchd.web.guard import Guard
from audiobatchd.web.media import Media
from audiobatchd.web.sessions import Sessions

OPERATIONS: Mapping[str, Operation[Any, Any]] = {
    "/api/status": STATUS,
    "/api/failures": FAILURES,
    "/api/folder": EXPLAIN,
    "/api/history": HISTORY,
    "/api/events": EVENTS,
    "/api/retry": RETRY,
    "/api/pause": PAUSE,
    "/api/resume": RESUME,
}
"""What the page asks as the control socket is asked."""

STREAMS = 200
"""Pages that follow the events at the same time."""

_LIMITS = Limits(unfinished=128, at_once=STREAMS + 48, unread=64)
_HANDSHAKES = 32
"""Connections that have not shaken hands by TLS yet; one more, and the oldest is dropped."""
_HANDSHAKE = 5.0
_GRACE = 1.0
_NO_DESCRIPTOR = 1.0
"""Seconds until connections are accepted again where there was no descriptor left for one."""
_REFUSED = 0.05
"""The same where a connection had ended before it was accepted."""
_BACKLOG = 128
_SOCKET_MODE = 0o666
"""As open to this machine as a port of it: who may look is for sessions to say."""


class WebServer:
    """Serves the page as `config` says, from `start` to `stop`. `sessions` may outlive it."""

    def __init__(self, contract: Contract, sessions: Sessions, config: WebConfig) -> None:
        assert config.listen is not None
        self._contract = contract
        self._media = Media(contract)
        self._sessions = sessions
        self._config = config
        self._address = address_of(config.listen)
        self._file = SocketFile(Path(self._address.socket), _SOCKET_MODE) if self._address.socket else None
        self._door: Door | None = None
        self._routes: Routes | None = None
        self._runner: web.AppRunner | None = None
        self._listener: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}
        """Those that are under way, the oldest first. They end by their sockets: asyncio would wait for a last word."""

    async def start(self) -> None:
        """Listen. Raises UsageError where that cannot be."""
        try:
            # In a thread: certificates and pages lie on disks.
            await self.renew()
            files = await in_a_thread(assets.load)
            self._listener = self._file.listen() if self._file else _listener(self._address.host, self._address.port)
        except (OSError, AlreadyRunningError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            if getattr(error, "errno", 0) == errno.EAFNOSUPPORT:  # as the packaged unit has it
                reason += "; where the service's unit forbids all network: sudo audiobatchctl setup --web"
            raise UsageError(reason) from error
        guard = Guard(self._config, self._address, self._sessions)
        self._runner = web.AppRunner(self._application(guard, files), handle_signals=False, shutdown_timeout=_GRACE)
        await self._runner.setup()
        made = partial(connection, self._runner, Malformed(asyncio.get_running_loop().time))
        self._door = Door(made, _LIMITS)
        self._accepting = asyncio.create_task(self._accept(self._listener))

    def _application(self, guard: Guard, files: dict[str, assets.Asset]) -> web.Application:
        self._routes = Routes(
            self._contract.service, self._contract.feed, bytes, dict, lambda: self._door, guard.asker, STREAMS
        )
        base = self._config.base_path.rstrip("/")
        routes = [web.route(each.method, path, self._routes.handler(each)) for path, each in OPERATIONS.items()]
        routes += entry.routes(self._contract, guard, self._sessions, self._config.base_path)
        routes += self._media.routes()
        for room in (data, audio):
            routes += room.routes(self._contract)
        routes += assets.routes(files)
        below = [web.route(each.method, base + each.path, each.handler, **each.kwargs) for each in routes]
        made = application(below, lambda: self._door, base + "/api/events", (guard.check,))
        made.on_response_prepare.append(guard.add_headers)
        return made

    async def renew(self) -> None:
        """Load the certificate, again for connections from then on. Raises UsageError."""
        if self._config.certificate and self._config.key:
            load = partial(certificate.load, self._config.certificate, self._config.key, self._tls)
            self._tls = await in_a_thread(load)

    async def stop(self) -> None:
        """Stop answering; does nothing when not started."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.wait([self._accepting])  # it lets go of the listener, whose number another may get
        for each in self._handshakes.values():
            _end(each)
        if self._file is not None:
            self._file.remove()
        if self._listener is not None:
            self._listener.close()
        if self._routes is not None:
            self._routes.end()
        if self._door is not None:
            self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self._media.close()

    async def _accept(self, listener: socket.socket) -> None:
        """Accept connections: what asyncio's own server does, but for a bound of those that are still being made."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                made, _ = await loop.sock_accept(listener)
            except OSError as error:
                out_of = error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
                await asyncio.sleep(_NO_DESCRIPTOR if out_of else _REFUSED)
                continue
            if self._tls is None:
                await self._welcome(made)
                continue
            while len(self._handshakes) >= _HANDSHAKES:
                oldest, ending = next(iter(self._handshakes.items()))
                _end(ending)
                await asyncio.wait((oldest,))  # or a burst would be taken in before any is gone
                self._handshakes.pop(oldest, None)
            task = asyncio.create_task(self._welcome(made))
            self._handshakes[task] = made
            task.add_done_callback(lambda done: self._handshakes.pop(done, None))

    async def _welcome(self, made: socket.socket) -> None:
        """Make a connection, with TLS where that is asked for."""
        assert self._door is not None
        patience = _HANDSHAKE if self._tls else None
        with suppress(OSError, TimeoutError):  # SSLError is one: a stranger that speaks no TLS is no news
            await asyncio.get_running_loop().connect_accepted_socket(
                self._door, made, ssl=self._tls, ssl_handshake_timeout=patience
            )


def _end(connection: socket.socket) -> None:
    """End a connection, which whatever has it then notices."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _listener(host: str, port: int) -> socket.socket:
    """Listen on an address. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
