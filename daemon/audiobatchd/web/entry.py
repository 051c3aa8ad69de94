"""The way in: a link that is good once, and what a session may do."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from msgspec import Struct

from audiobatchd import __version__
from audiobatchd.control.server.routes import RefusedError, as_json
from audiobatchd.web.contract import Contract
from audiobatchd.web.guard import Guard
from audiobatchd.web.sessions import Sessions

_MOST_AGE = 7 * 24 * 3600
"""Seconds that a browser keeps the cookie; the session ends by the service's clock."""


class SessionTold(Struct, frozen=True):
    """What a page may know of its own session."""

    operator: bool
    """True where it may change things."""
    csrf: str
    """To be sent with each change, as the header X-CSRF-Token."""
    version: str
    datasets: list[str]
    """The datasets, as they are shown."""


def routes(contract: Contract, guard: Guard, sessions: Sessions, base: str) -> Iterable[web.RouteDef]:
    """Give the routes."""

    async def login(request: web.Request) -> web.StreamResponse:
        # A browser that only looks ahead would use the link up.
        if "prefetch" in request.headers.get("Sec-Purpose", request.headers.get("Purpose", "")):
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "a link is not opened ahead")
        token = sessions.login(request.match_info["token"])
        if not token:
            raise RefusedError(HTTPStatus.FORBIDDEN, "this link was used, or is too old: ask `audiobatchctl web` again")
        answer = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": base})
        encrypted = guard.is_encrypted(request)
        answer.set_cookie(
            sessions.cookie, token, max_age=_MOST_AGE, path=base, secure=encrypted, httponly=True, samesite="Strict"
        )
        return answer

    async def session(request: web.Request) -> web.StreamResponse:
        found = guard.session(request)
        datasets = [each.path for each in contract.service.status().datasets]
        is_operator = contract.service.may_change(found.peer.uid)
        return as_json(SessionTold(is_operator, sessions.csrf(found), __version__, datasets))

    # What only asks for the head, as a preview does, would use the link up.
    return [web.get("/login/{token}", login, allow_head=False), web.get("/api/session", session)]
