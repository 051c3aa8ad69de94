"""The routes of the table of operations: each asks the service, or the feed, and answers over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from audiobatchd.control.operations import (
    EVENT_STREAM,
    EVENTS,
    LINES,
    METRICS,
    OPENAPI,
    OPERATIONS,
    WEB_LINK,
    Operation,
)
from audiobatchd.control.requests import Nothing, Since, WebLink
from audiobatchd.control.server import door
from audiobatchd.control.server.access import Peer, peer_of
from audiobatchd.control.server.feed import Feed
from audiobatchd.errors import ConfigError, UnknownFolderError, UsageError
from audiobatchd.vocabulary.expectations import misfit, why_not_json
from audiobatchd.vocabulary.log_events import LogEvent, write
from audiobatchd.vocabulary.names import shown

REQUEST_LIMIT = 64 * 1024
"""Bytes of a request's body."""

STREAMS = 16
"""Followers of the feed at the same time."""

ALIVE = 15.0
"""Seconds after which a follower is told that nothing has happened."""

_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _TOO_LATE, _BUSY = 400, 403, 404, 408, 503
_SLOW = 30.0
# Far above any number that was told; longer ones Python takes no pains to read.
_LONGEST_NUMBER = 19
_Body = TypeVar("_Body", bound=msgspec.Struct)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service(Protocol):
    """Answers operations: has for each of the table a method of its name, which gives the answer or a coroutine.

    It takes what is asked, unless that is `Nothing`. It is called in the event loop, so it must be quick where it is no
    coroutine. It raises UsageError and ConfigError for what cannot be, such as a dataset that is none of the service's,
    and UnknownFolderError for a folder that is not there.
    """

    def may_change(self, uid: int) -> bool:
        """Tell whether this user may have the service do something."""

    def web_link(self, peer: Peer) -> WebLink:
        """Make a link to the page, for this process. Raises UsageError where there is no page."""


class Routes:
    """The handlers of all routes."""

    def __init__(
        self,
        service: Service,
        feed: Feed,
        metrics: Callable[[], bytes],
        description: Callable[[], Mapping[str, Any]],
        gate: Callable[[], door.Door | None],
        asker: Callable[[web.Request], Peer] | None = None,
        streams: int = STREAMS,
    ) -> None:
        """Serve over a unix socket, or where `asker` says who asks for a change and raises RefusedError."""
        self._service = service
        self._asker = asker or _peer
        self._streams = streams
        self._feed = feed
        self._text = metrics
        self._description = description
        self._gate = gate
        self._followers: set[asyncio.Event] = set()
        """The followers of the feed, each by what is set when its connection has ended."""
        self._ending = asyncio.Event()

    def definitions(self) -> list[web.RouteDef]:
        """Give every operation its handler."""
        return [web.route(each.method, each.path, self.handler(each)) for each in OPERATIONS]

    def handler(self, operation: Operation[Any, Any]) -> Handler:
        """Make the handler of an operation."""
        own: dict[str, Handler] = {
            EVENTS.path: self._events,
            OPENAPI.path: self._openapi,
            METRICS.path: self._metrics,
            WEB_LINK.path: self._link,
        }
        return own.get(operation.path) or self._plain(operation)

    def end(self) -> None:
        """End with the server: the feed is followed no longer."""
        self._ending.set()

    def _plain(self, operation: Operation[Any, Any]) -> Handler:
        """Make a handler that asks the service once and answers with JSON."""

        async def answer(request: web.Request) -> web.StreamResponse:
            if operation.method == "POST":
                asked = await self._change(request, operation.asked)
            elif operation.asked is not Nothing:
                asked = query(request, operation.asked)
            ask = getattr(self._service, operation.name)
            told = ask() if operation.asked is Nothing else ask(asked)
            told = await told if asyncio.iscoroutine(told) else told
            return await _in_lines(request, told) if operation.media == LINES else as_json(told)

        return answer

    async def _openapi(self, _request: web.Request) -> web.StreamResponse:
        return as_json(self._description())

    async def _metrics(self, _request: web.Request) -> web.StreamResponse:
        # The text format's own version stands in its media type.
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=self._text(), headers=headers)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events, from the number that is asked for; where some of these are gone, a comment says so.

        A number beyond the latest was given by a service that ran before this one.
        """
        since = query(request, Since).since
        last = request.headers.get("Last-Event-ID", "")
        told = last.isascii() and last.isdecimal() and len(last) <= _LONGEST_NUMBER
        number = since if since is not None else int(last) if told else self._feed.latest
        guard = self._gate()
        assert guard is not None
        gone = guard.gone(request.transport)
        # A follower whose connection has ended keeps no place, although its answer may still be about to end.
        self._followers = {each for each in self._followers if not each.is_set()}
        if len(self._followers) >= self._streams:
            raise RefusedError(_BUSY, f"{self._streams} followers are there already")
        self._followers.add(gone)
        try:
            return await self._stream(request, number, gone)
        finally:
            self._followers.discard(gone)

    async def _stream(self, request: web.Request, number: int, gone: asyncio.Event) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": EVENT_STREAM, "Cache-Control": "no-store"})
        await response.prepare(request)
        with self._feed.following() as woken, contextlib.suppress(ConnectionError, TimeoutError):
            if number > self._feed.latest:  # of another life: this one would be silent until it has told as much
                await _send(response, b": the service was started since: its events are told from the first\n\n")
                number = 0
            while not (self._ending.is_set() or gone.is_set()):
                woken.clear()
                for each in self._feed.since(number):
                    lost = each.number - number - 1
                    await _send(response, (f": {lost} events are gone\n\n".encode() if lost else b"") + each.as_sse())
                    number = each.number
                if not await self._wakes(woken, gone):
                    await _send(response, b": alive\n\n")
        return response

    async def _wakes(self, woken: asyncio.Event, gone: asyncio.Event) -> bool:
        """Wait for something new, or the end of either side: False where it is time for a sign of life."""
        waits = [asyncio.create_task(each.wait()) for each in (woken, gone, self._ending)]
        try:
            done, _ = await asyncio.wait(waits, timeout=ALIVE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
        return bool(done)

    async def _change(self, request: web.Request, kind: type[_Body]) -> _Body:
        """Read the body of a request that changes something, from a peer that may. Raises RefusedError."""
        peer = self._asker(request)
        if not self._service.may_change(peer.uid):
            raise RefusedError(_FORBIDDEN, "only root, the daemon's own user and its operators may change anything")
        return await _logged(request, kind, peer)

    async def _link(self, request: web.Request) -> web.StreamResponse:
        """Make a link to the page, for any process that may connect: it carries that process's rights, and no more."""
        peer = self._asker(request)
        await _logged(request, Nothing, peer)
        return as_json(self._service.web_link(peer))


class RefusedError(Exception):
    """A request that is not carried out: the HTTP status and the reason are its arguments."""


def application(
    routes: list[web.RouteDef],
    gate: Callable[[], door.Door | None],
    stream: str = EVENTS.path,
    guards: tuple[Middleware, ...] = (),
) -> web.Application:
    """Make the application: all routes, behind the `gate`; whatever goes wrong is answered in JSON.

    `stream` is the path of the feed, which has a limit of its own; `guards` see a request before its handler does.
    """

    @web.middleware
    async def through_the_door(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Others have their turn between two requests that one connection sent at once.
        await asyncio.sleep(0)
        transport, guard = request.transport, gate()
        if transport is None or guard is None:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        free = guard.begins(transport)
        try:
            if not free and request.path != stream:
                return as_json({"error": "too much is asked at once; try again"}, _BUSY)
            return await handler(request)
        finally:
            guard.ends(transport)

    made = web.Application(client_max_size=REQUEST_LIMIT, middlewares=[through_the_door, _errors_as_json, *guards])
    made.add_routes(routes)
    return made


def as_json(body: object, status: int = 200) -> web.Response:
    """Make an answer."""
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        _refuse_too_large(request)
        return await handler(request)
    except RefusedError as error:
        status, why = error.args
        return as_json({"error": why}, status)
    except UnknownFolderError as error:
        return as_json({"error": str(error)}, _NOT_FOUND)
    except (UsageError, ConfigError) as error:
        return as_json({"error": str(error)}, _BAD_REQUEST)
    except web.HTTPException as error:
        answer = as_json({"error": f"{error.reason.lower()}: {request.method} {shown(request.path)}"}, error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except ConnectionError:
        raise  # its client has gone, and is answered no more
    except Exception as error:  # noqa: BLE001  # logged
        # The boundary of a control request: one that fails must not hurt the service, nor go unseen.
        write(LogEvent.REQUEST_FAILED, {"request": f"{request.method} {request.path}"}, error=error)
        return as_json({"error": "the daemon failed to answer; its log says why"}, 500)


def _refuse_too_large(request: web.Request) -> None:
    """Judge by the header: aiohttp measures a body when it is read, and that of a GET never is."""
    size = request.content_length or 0
    if size > REQUEST_LIMIT:
        raise web.HTTPRequestEntityTooLarge(REQUEST_LIMIT, size)


def query(request: web.Request, kind: type[_Body]) -> _Body:
    """Read what stands behind the question mark. Raises RefusedError."""
    found: dict[str, object] = {}
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if field.type == list[str]}
    for name in request.query:
        found[name] = request.query.getall(name) if name in lists else request.query[name]
    try:
        return msgspec.convert(found, kind, strict=False)
    except (msgspec.ValidationError, UnicodeError) as error:
        why = str(misfit(kind, found, strict=False) or error)
        raise RefusedError(_BAD_REQUEST, shown(why)) from error


async def _logged(request: web.Request, kind: type[_Body], peer: Peer) -> _Body:
    """Read the body of a request, and log what is asked for, and who asks. Raises RefusedError."""
    content = await _read(request) or b"{}"
    try:
        body = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(_BAD_REQUEST, shown(why_not_json(kind, content, error))) from error
    fields = {"request": f"{request.method} {request.path}", "uid": peer.uid, "pid": peer.pid}
    write(LogEvent.CHANGE_ASKED, {**fields, **msgspec.to_builtins(body)})
    return body


async def _read(request: web.Request) -> bytes:
    """Read the body, if it comes in time. Raises RefusedError."""
    try:
        async with asyncio.timeout(door.PATIENCE):
            return await request.read()
    except TimeoutError as error:
        message = f"the request was not complete within {door.PATIENCE:g} s"
        raise RefusedError(_TOO_LATE, message) from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        message = "the body of the request is malformed"
        raise RefusedError(_BAD_REQUEST, message) from error


async def _in_lines(request: web.Request, pieces: AsyncGenerator[bytes, None]) -> web.StreamResponse:
    """Send an answer piece by piece, as fast as it is taken; its last line tells that it is whole."""
    response = web.StreamResponse(headers={"Content-Type": LINES, "Cache-Control": "no-store"})
    async with contextlib.aclosing(pieces):
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, TimeoutError):
            async for piece in pieces:
                await _send(response, piece)
    return response


async def _send(response: web.StreamResponse, content: bytes) -> None:
    """Send to a follower. Raises TimeoutError where it does not take it."""
    async with asyncio.timeout(_SLOW):
        await response.write(content)


def _peer(request: web.Request) -> Peer:
    connection = request.transport.get_extra_info("socket") if request.transport else None
    if connection is None:
        raise RefusedError(_FORBIDDEN, "the connection is gone")
    return peer_of(connection)
