"""The page beside the service: begun where the configuration asks for one, replaced at a reload, tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from audiobatchd.config.web import WebConfig, address_of, url_of
from audiobatchd.control.requests import WebLink
from audiobatchd.control.server.access import Peer
from audiobatchd.control.status import Status
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import shown
from audiobatchd.web.contract import Contract
from audiobatchd.web.server import WebServer
from audiobatchd.web.sessions import Sessions

_AGAIN = 10.0
"""Seconds until a page that could not be served is tried again."""


class Page:
    """The page from `start` to `stop`, a view that so hears of a reload. Sessions outlive listeners."""

    def __init__(self, config: Callable[[], WebConfig], monotonic: Callable[[], float]) -> None:
        self._config = config
        self._sessions = Sessions(monotonic)
        self._changed = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._may_change: Callable[[int], bool] = lambda _: False
        self._server: WebServer | None = None
        self._served: WebConfig | None = None
        """The configuration of the server."""
        self._trouble = ""
        """Reason why there is no server."""

    def start(self, contract: Contract) -> None:
        """Begin to look after the page, in the event loop."""
        self._may_change = contract.service.may_change
        self._keeping = asyncio.create_task(self._keep(contract))

    async def stop(self) -> None:
        """End it."""
        if self._keeping is not None:
            self._keeping.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeping
        await self._end()

    def link(self, peer: Peer) -> WebLink:
        """Make a link, with the rights of this process. Raises UsageError where there is no page."""
        config = self._served
        if config is None or config.listen is None:
            raise UsageError(self._trouble or "the page is off")
        address = address_of(config.listen)
        tunnel = str(address) if address.is_loopback and not config.behind_proxy and not address.socket else ""
        token = self._sessions.link(peer, config.link_lifetime)
        may_change = self._may_change(peer.uid)
        return WebLink(f"{url_of(config)}login/{token}", tunnel, config.link_lifetime, may_change)

    async def _keep(self, contract: Contract) -> None:
        """Have the page served as the configuration says, without end."""
        while True:
            self._changed.clear()
            if self._config() != self._served:
                await self._end()
                await self._begin(contract, self._config())
            elif self._server is not None:
                await self._renew(self._server)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _AGAIN if self._trouble else None)

    async def _begin(self, contract: Contract, config: WebConfig) -> None:
        if config.listen is None:
            self._trouble = ""
            return
        server = WebServer(contract, self._sessions, config)
        fields = {"address": shown(config.listen)}
        try:
            await server.start()
        except (UsageError, OSError) as error:
            await server.stop()
            if (reason := str(error)) != self._trouble:
                self._trouble = reason
                write(LogEvent.WEB_FAILS, {**fields, "reason": reason})
            return
        except Exception as error:  # noqa: BLE001  # logged: a page that breaks must not end what measures
            await server.stop()
            self._trouble = f"{type(error).__name__}: {error}"
            write(LogEvent.WEB_FAILS, {**fields, "reason": self._trouble}, error=error)
            return
        self._server, self._served, self._trouble = server, config, ""
        write(LogEvent.WEB_LISTENS, fields)

    async def _renew(self, server: WebServer) -> None:
        """Have a certificate served as it is now; the one before goes on where that cannot be."""
        try:
            await server.renew()
        except UsageError as error:
            write(LogEvent.WEB_FAILS, {"address": shown(str(self._config().listen)), "reason": str(error)})

    async def _end(self) -> None:
        server, self._server, self._served = self._server, None, None
        if server is not None:
            await server.stop()

    # What a view is told

    def reloaded(self) -> None:
        """Look at the configuration again."""
        self._changed.set()

    def update(self, status: Status) -> None:
        """Need nothing: pages ask."""

    def alive(self) -> None:
        """Need nothing."""

    def ready(self) -> None:
        """Need nothing: the page is there from the start."""

    def stopping(self) -> None:
        """Go on: who looks sees how the service ends."""
