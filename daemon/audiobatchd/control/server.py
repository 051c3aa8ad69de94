"""The daemon's end of the control socket: the socket, the door, and the application behind it, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from aiohttp import web

from audiobatchd.control.door import Door
from audiobatchd.control.feed import Feed
from audiobatchd.control.openapi import description
from audiobatchd.control.routes import REQUEST_LIMIT, Answers, Service, application
from audiobatchd.control.socket_file import SocketFile

__all__ = ["REQUEST_LIMIT", "ControlServer", "Service"]

_GRACE = 1.0


class ControlServer:
    """Answers on the unix socket at `path` from `start` to `stop`.

    Whoever can connect may read; who may change things is the service's to say, and each change is logged. `feed` has
    the events that are followed, `metrics` gives the text for Prometheus.
    """

    def __init__(
        self, path: Path, service: Service, feed: Feed | None = None, metrics: Callable[[], bytes] = bytes
    ) -> None:
        self._file = SocketFile(path)
        self._service = service
        self._feed = feed or Feed()
        self._metrics = metrics
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._door: Door | None = None
        self._answers: Answers | None = None

    async def start(self) -> None:
        """Listen. Raises as `SocketFile.listen`."""
        listener = self._file.listen()
        self._answers = Answers(self._service, self._feed, self._metrics, description)
        # Signals and their order belong to the supervisor.
        runner = web.AppRunner(
            application(self._answers.routes(), lambda: self._door),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_GRACE,
            lingering_time=_GRACE,
        )
        try:
            await runner.setup()
            self._door = Door(cast("Callable[[], asyncio.Protocol]", runner.server))
            self._server = await asyncio.get_running_loop().create_unix_server(self._door, sock=listener)
        except BaseException:
            listener.close()
            self._file.remove()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Stop answering, and remove the socket file if it is still this server's; does nothing when not started."""
        runner, self._runner = self._runner, None
        if runner is None or self._server is None or self._answers is None or self._door is None:
            return
        # First the file: nobody new shall connect to what is about to end.
        self._file.remove()
        self._answers.end()
        self._door.close()
        self._server.close()
        await runner.cleanup()
