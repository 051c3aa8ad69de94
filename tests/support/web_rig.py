"""A real server of the page in a thread, over a service that tells what it is told to, and a browser's few habits."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import TypeVar

from audiobatchd.config.web import WebConfig, address_of
from audiobatchd.control.requests import FolderName
from audiobatchd.control.server.access import Peer
from audiobatchd.control.server.feed import Feed
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.vocabulary.names import parsed
from audiobatchd.web.contract import Contract
from audiobatchd.web.server import WebServer
from audiobatchd.web.sessions import Sessions
from support.control_rig import ToldService
from support.statuses import idle

OPERATOR, STRANGER = Peer(100, 0), Peer(200, 4321)
_T = TypeVar("_T")


class WebService(ToldService):
    """The same for the page: its only dataset lies at `root`; a folder may be named as badly as a test likes."""

    def __init__(self, root: Path) -> None:
        super().__init__(idle)
        self.root = root
        self.changers = {0}

    def may_change(self, uid: int) -> bool:
        return uid in self.changers

    def place(self, name: FolderName) -> FolderKey:
        if name.dataset != str(self.root):
            message = f"no such dataset: {name.dataset}"
            raise UsageError(message)
        return FolderKey(str(self.root), parsed(name.folder))


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Site:
    """A page that is served, as a browser sees it."""

    host: str
    port: int
    service: WebService
    sessions: Sessions
    feed: Feed
    loop: asyncio.AbstractEventLoop
    server: WebServer
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Answer:
        """Send one request; a header is named as a keyword, and left out where it is None."""
        sent: dict[str, str | None] = {"Host": f"{self.host}:{self.port}"}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method == "POST":
            sent |= {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value is not None:
                    connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return _answer(connection.getresponse())
        finally:
            connection.close()

    def log_in(self, peer: Peer = OPERATOR) -> str:
        """Open a link of this process; the session's CSRF token."""
        token = self.run(_at_once(lambda: self.sessions.link(peer, 600.0)))
        answer = self.ask(f"/login/{token}")
        assert answer.status == 303, answer
        name, _, value = answer.headers["Set-Cookie"].partition(";")[0].partition("=")
        self.cookies[name] = value
        found = re.search(rb'"csrf":"([0-9a-f]+)"', self.ask("/api/session").body)
        assert found
        return found[1].decode()

    def raw(self, content: bytes) -> socket.socket:
        """Send bytes on a connection of their own."""
        made = socket.create_connection(("127.0.0.1", self.port), 20)
        made.sendall(content)
        return made

    def run(self, work: Awaitable[_T]) -> _T:
        """Do something in the server's loop."""

        async def do() -> _T:
            return await work

        return asyncio.run_coroutine_threadsafe(do(), self.loop).result(60)


@contextmanager
def site(root: Path, config: WebConfig | None = None) -> Iterator[Site]:
    """Serve a page over the dataset at `root`; its loop is shown to have stayed alive at the end."""
    config = config or WebConfig(listen=f"127.0.0.1:{free_port()}")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    service, feed, sessions = WebService(root), Feed(), Sessions(loop.time)
    server = WebServer(Contract(service, feed, root), sessions, config)
    port = address_of(config.listen or "").port
    made = Site("127.0.0.1", port, service, sessions, feed, loop, server)
    try:
        made.run(server.start())
        yield made
        made.run(server.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


def free_port() -> int:
    """Find a port that is free at this moment."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        found: int = trial.getsockname()[1]
        return found


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other end closes, however it does that."""
    told = b""
    try:
        while more := connection.recv(1 << 16):
            told += more
    except ConnectionError:
        pass
    return told


async def _at_once(work: Callable[[], _T]) -> _T:
    return work()


def _answer(response: HTTPResponse) -> Answer:
    return Answer(response.status, dict(response.getheaders()), response.read())
