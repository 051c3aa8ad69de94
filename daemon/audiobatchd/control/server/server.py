"""The service's end of the control socket: the socket, the door, and the application behind it, put together."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web

from audiobatchd.control.server.door import Door
from audiobatchd.control.server.feed import Feed
from audiobatchd.control.server.openapi import description
from audiobatchd.control.server.routes import REQUEST_LIMIT, Routes, Service, application, as_json
from audiobatchd.control.server.socket_file import SocketFile
from audiobatchd.errors import AlreadyRunningError, UsageError
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import shown

__all__ = ["REQUEST_LIMIT", "ControlServer", "Service"]

_GRACE = 1.0
_BETWEEN_MALFORMED = 60.0
_LOOK = 2.0
"""Seconds between two looks at the socket file."""


class ControlServer:
    """Answers on the unix socket at `path` from `start` to `stop`.

    Who can connect may read; who may change things is the service's to say, and each change is logged. `feed` has
    the events that are followed, `metrics` gives the text for Prometheus.
    """

    def __init__(
        self, path: Path, service: Service, feed: Feed | None = None, metrics: Callable[[], bytes] = bytes
    ) -> None:
        self._path = path
        self._file = SocketFile(path)
        self._keeping: asyncio.Task[None] | None = None
        """Looks after the socket file."""
        self._service = service
        self._feed = feed or Feed()
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._door: Door | None = None
        self._routes: Routes | None = None

    async def start(self) -> None:
        """Listen. Raises as `SocketFile.listen`."""
        listener = self._file.listen()
        self._routes = Routes(self._service, self._feed, self._metrics, description, lambda: self._door)
        # Signals and their order belong to the supervisor.
        runner = web.AppRunner(
            application(self._routes.definitions(), lambda: self._door), handle_signals=False, shutdown_timeout=_GRACE
        )
        try:
            await runner.setup()
            self._door = Door(partial(connection, runner, Malformed(asyncio.get_running_loop().time)))
            self._server = await self._serving(listener)
        except BaseException:
            listener.close()
            self._file.remove()
            raise
        self._runner = runner
        self._keeping = asyncio.create_task(self._keep())

    async def _serving(self, listener: socket.socket) -> asyncio.Server:
        assert self._door is not None
        # From Python 3.13 on asyncio would remove the file itself, going by an inode number that may be another's.
        keep: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
        return await asyncio.get_running_loop().create_unix_server(self._door, sock=listener, **keep)

    async def _keep(self) -> None:
        """Make the socket file again where it was removed or replaced, but never in place of another living service's.

        Without it the service could not be asked any more, not even why.
        """
        told = ""
        while True:
            await asyncio.sleep(_LOOK)
            fields = {"socket": str(self._path)}
            try:
                if not self._file.is_there():
                    before, self._server = self._server, await self._serving(self._file.listen())
                    if before is not None:
                        before.close()
                    write(LogEvent.SOCKET_MADE_AGAIN, fields)
                told = ""
            except (AlreadyRunningError, UsageError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    write(LogEvent.SOCKET_LOST, {**fields, "reason": told})

    async def stop(self) -> None:
        """Stop answering, and remove the socket file if it is still this server's; does nothing when not started."""
        runner, self._runner = self._runner, None
        if runner is None or self._server is None or self._routes is None or self._door is None:
            return
        if self._keeping is not None:
            self._keeping.cancel()
        # First the file: no client shall connect to what is about to end.
        self._file.remove()
        self._routes.end()
        self._door.close()
        self._server.close()
        await runner.cleanup()


class Malformed:
    """Tells of requests that are none: one log event a minute at most, however many come."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since_told = 0
        """Number of those that came and that no event has told of."""
        self._tell_at = 0.0

    def came(self, reason: str) -> None:
        """Count one, and tell of it where it is time; `reason` is what is wrong with it."""
        self._since_told += 1
        now = self._monotonic()
        if now >= self._tell_at:
            fields = {"requests": self._since_told, "reason": shown(reason)}
            write(LogEvent.REQUEST_MALFORMED, fields)
            self._since_told, self._tell_at = 0, now + _BETWEEN_MALFORMED


class _Connection(web.RequestHandler):
    """Speaks HTTP with one client; what is no HTTP is answered in JSON, as everything else, and logged in a line."""

    __slots__ = ("_malformed",)

    def __init__(self, manager: web.Server, malformed: Malformed) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is how no access log is asked for
            lingering_time=_GRACE,
            max_line_size=REQUEST_LIMIT,  # conditions, and names of columns, stand in the line
        )
        self._malformed = malformed

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be handled, and end the connection. Raises ConnectionError where it is answered."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client has gone, and nothing is wrong here
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return super().handle_error(request, status, exc, message)
        lines = (message or "").split("\n")
        self._malformed.came(lines[0].strip(" :") or "no HTTP")
        if request.writer.output_size > 0:
            raise ConnectionError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
        answer = as_json({"error": "malformed request"}, status)
        answer.force_close()
        return answer

    def log_exception(self, *args: object, **kw: object) -> None:
        """Log what HTTP came to grief over; a body that is malformed is told of as a whole request that is."""
        error = kw.get("exc_info")
        if isinstance(error, web.RequestPayloadError):
            self._malformed.came("the body of a request is malformed")
        else:
            super().log_exception(*args, **kw)


def connection(runner: web.AppRunner, malformed: Malformed) -> asyncio.Protocol:
    """The protocol of a new connection to a server that was set up."""
    assert runner.server is not None
    return _Connection(runner.server, malformed)
