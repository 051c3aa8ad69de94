"""Who may look: links that are good once, and the sessions that they open. Tokens are kept as digests alone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from audiobatchd.control.server.access import Peer

IDLE = 12 * 3600.0
"""Seconds without a request after which a session ends."""

_LINKS, _SESSIONS = 16, 32
"""Links and sessions that one user has at most; one more, and the oldest ends."""

_USERS = 64
"""Users that have any at most."""

_LONGEST_TOKEN = 100


@dataclass(slots=True)
class Session:
    """Somewhere that a link was opened."""

    digest: bytes
    """Of its token."""
    peer: Peer
    """The process that asked for the link: its rights are the session's."""
    until: float
    """Moment when it ends."""


class Sessions:
    """All links and sessions of a running service; they end with it."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.cookie = f"audiobatchd-{secrets.token_hex(4)}"
        """Name of the cookie: tunnels to two services are one host to a browser, which does not tell ports apart."""
        self._secret = secrets.token_bytes(32)
        """Makes the CSRF token of a session of its digest."""
        self._links: dict[bytes, Session] = {}
        self._open: dict[bytes, Session] = {}

    def link(self, peer: Peer, lifetime: float) -> str:
        """Make a token for a link, which is good once and for `lifetime` seconds."""
        return self._keep(self._links, peer, lifetime, _LINKS)

    def login(self, token: str) -> str:
        """Use a link up: the token of the session that it opens, empty where it is not good."""
        link = self._find(self._links, token)
        if link is None:
            return ""
        del self._links[link.digest]
        return self._keep(self._open, link.peer, IDLE, _SESSIONS)

    def of(self, token: str) -> Session | None:
        """Find the session of a token, which goes on for being used."""
        if session := self._find(self._open, token):
            session.until = self._monotonic() + IDLE
        return session

    def csrf(self, session: Session) -> str:
        """Make the text that a page of this session shows it is one by."""
        return hmac.digest(self._secret, session.digest, "sha256").hex()

    def is_csrf(self, session: Session, told: str) -> bool:
        """Tell whether this is that text."""
        return hmac.compare_digest(self.csrf(session).encode(), told.encode(errors="replace"))

    def _keep(self, among: dict[bytes, Session], peer: Peer, lifetime: float, most: int) -> str:
        self._forget(among)
        own = [each for each in among.values() if each.peer.uid == peer.uid]
        for each in own[: max(0, len(own) - most + 1)]:
            del among[each.digest]
        while len(among) >= most * _USERS:
            del among[next(iter(among))]
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
        among[digest] = Session(digest, peer, self._monotonic() + lifetime)
        return token

    def _find(self, among: dict[bytes, Session], token: str) -> Session | None:
        """Find what a token is of, in a time that tells nothing of those that are good."""
        if not token or len(token) > _LONGEST_TOKEN:
            return None
        digest = _digest(token)
        found = among.get(digest)  # by its digest, which nobody who does not know the token can steer
        if found is None or not hmac.compare_digest(found.digest, digest) or found.until <= self._monotonic():
            return None
        return found

    def _forget(self, among: dict[bytes, Session]) -> None:
        now = self._monotonic()
        for each in [each for each in among.values() if each.until <= now]:
            del among[each.digest]


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
