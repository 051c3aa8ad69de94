"""What a request must be before it is answered: for this host, of this page, and in an open session."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from audiobatchd.config.web import Address, WebConfig
from audiobatchd.control.server.access import Peer
from audiobatchd.control.server.routes import RefusedError
from audiobatchd.web.sessions import Session, Sessions

CSRF = "X-CSRF-Token"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "audiobatchd",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = ("GET", "HEAD")
_OWN_SITE = ("", "same-origin", "none")
"""What `Sec-Fetch-Site` says of a request that our page makes, or a person by the address bar; browsers before 2023
say nothing."""


class Guard:
    """Judges requests to the page at one address. What it refuses it raises as RefusedError."""

    def __init__(self, web_config: WebConfig, address: Address, sessions: Sessions) -> None:
        self._web = web_config
        self._address = address
        self._sessions = sessions
        self._names = names(web_config, address)
        self._proxies = {ipaddress.ip_address(each) for each in web_config.trusted_proxies}
        self._api = web_config.base_path + "api/"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what may be asked. A middleware."""
        self._refuse_strangers(request)
        self._refuse_hosts(request)
        self._refuse_other_sites(request)
        resource = request.match_info.route.resource
        # By what is answered, and not by how it was written alone.
        if self._api in (request.path[: len(self._api)], (resource.canonical if resource else "")[: len(self._api)]):
            self.session(request)
        return await handler(request)

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Tell the browser what the page may do. Called before each answer is sent."""
        response.headers.update(_HEADERS)
        response.headers.setdefault("Cache-Control", "no-store")

    def session(self, request: web.Request) -> Session:
        """Find the session that a request is made in. Raises RefusedError."""
        session = self._sessions.of(request.cookies.get(self._sessions.cookie, ""))
        if session is None:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "open the link that `audiobatchctl web` prints")
        return session

    def asker(self, request: web.Request) -> Peer:
        """Find the process by whose rights a change is asked for. Raises RefusedError."""
        session = self.session(request)
        if not self._sessions.is_csrf(session, request.headers.get(CSRF, "")):
            raise RefusedError(HTTPStatus.FORBIDDEN, f"the header {CSRF} is not this session's: load the page again")
        return session.peer

    def is_encrypted(self, request: web.Request) -> bool:
        """Tell whether the browser speaks TLS, with this server or with a trusted proxy."""
        if self._web.certificate:
            return True
        return self._is_proxy(request) and request.headers.get("X-Forwarded-Proto", "").lower() == "https"

    def _is_proxy(self, request: web.Request) -> bool:
        """Tell whether a request comes from a proxy whose word is believed."""
        if self._address.socket:
            return True
        if not self._web.behind_proxy:
            return False
        try:
            remote = ipaddress.ip_address(request.remote or "")
        except ValueError:
            return False
        mapped = getattr(remote, "ipv4_mapped", None)
        return (mapped or remote) in self._proxies

    def _refuse_strangers(self, request: web.Request) -> None:
        if self._web.behind_proxy and not self._is_proxy(request):
            raise RefusedError(HTTPStatus.FORBIDDEN, "only the proxy may ask here, at an address of `trusted_proxies`")

    def _refuse_hosts(self, request: web.Request) -> None:
        """Refuse names that are not ours: a page elsewhere can have its own name lead here (DNS rebinding)."""
        told = request.headers.getall("Host", [])
        if len(told) != 1 or name_in(told[0]) not in self._names:
            message = "the page does not go by this name: set `hosts` in [web], or open the link's own address"
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, message)

    def _refuse_other_sites(self, request: web.Request) -> None:
        """Refuse what another site has the browser ask, of another port of this machine too, which is the same site."""
        is_safe = request.method in _SAFE
        asked_by = request.headers.get("Sec-Fetch-Site", "")
        # Only the page itself may be opened by a link elsewhere.
        is_page = is_safe and request.path == self._web.base_path
        if not is_page and asked_by not in _OWN_SITE:
            raise RefusedError(HTTPStatus.FORBIDDEN, "another site asks; type or paste the address instead")
        origin = request.headers.get("Origin")
        if origin is None and is_safe:
            return
        scheme = "https" if self.is_encrypted(request) else "http"
        if origin != f"{scheme}://{request.headers['Host'].lower()}":
            raise RefusedError(HTTPStatus.FORBIDDEN, "the request does not come from this page")


def names(web_config: WebConfig, address: Address) -> frozenset[str]:
    """Return the names, in lower case, that the page may be asked for by."""
    found = {name_in(f"[{each}]" if ":" in each else each) for each in web_config.hosts}
    if not (address.socket or address.is_any):
        found.add(address.host)
        if address.is_loopback:
            found.add("localhost")
    return frozenset(found)


def name_in(host: str) -> str:
    """Take the name out of a Host header, without its port: a tunnel may have any."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return ""
        try:
            return str(ipaddress.IPv6Address(name))
        except ValueError:
            return ""
    name, colon, port = host.partition(":")
    return name.lower() if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdecimal()
