"""The page's server against clients that want too much: in numbers, in size, or by not reading."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from audiobatchd.config.web import WebConfig
from audiobatchd.control.server import door
from audiobatchd.errors import UsageError
from audiobatchd.web import server
from audiobatchd.web.contract import Contract
from audiobatchd.web.server import STREAMS, WebServer
from support.certificates import made_certificate
from support.control_rig import read_until
from support.service import eventually
from support.web_rig import Site, free_port, read_all, site


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as made:
        made.log_in()
        yield made
        assert made.ask("/api/status").status == 200, "it answers no more"


def request(page: Site, path: str, more: str = "") -> bytes:
    name, cookie = next(iter(page.cookies.items()))
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {name}={cookie}\r\n{more}\r\n".encode()


def test_200_pages_follow_events_and_others_are_answered(page: Site) -> None:
    with ExitStack() as stack:
        followers = [stack.enter_context(page.raw(request(page, "/api/events"))) for _ in range(STREAMS)]
        for each in followers:
            assert b" 200 " in read_until(each, b"\r\n\r\n")
        one_more = stack.enter_context(page.raw(request(page, "/api/events")))
        assert b" 503 " in one_more.recv(1000)
        assert page.ask("/").status == 200
        assert page.ask("/api/status").status == 200
    assert eventually(lambda: followed(page))


def followed(page: Site) -> bool:
    with page.raw(request(page, "/api/events")) as connection:
        return b" 200 " in connection.recv(1000)


def test_connections_that_say_nothing_make_room(page: Site) -> None:
    with ExitStack() as stack:
        for _ in range(server._LIMITS.unfinished + 50):
            stack.enter_context(page.raw(b""))
        assert page.ask("/").status == 200


@pytest.mark.parametrize("start", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_dropped(page: Site, monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.2)
    with page.raw(start) as connection:
        assert read_all(connection) == b""


def test_a_reader_that_does_not_read_is_dropped(page: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "UNREAD_FOR", 0.2)
    (tmp_path / "Song").mkdir()
    with (tmp_path / "Song" / "full_mix.wav").open("wb") as file:
        file.truncate(1 << 30)
    with page.raw(request(page, f"/api/audio?dataset={tmp_path}&folder=Song&role=full_mix")) as connection:
        assert eventually(lambda: page.run(unread(page)))
        assert eventually(lambda: not page.run(unread(page)))
        assert page.ask("/").status == 200
        assert len(read_all(connection)) < 1 << 28


async def unread(page: Site) -> int:
    return len(page.server._door._unread) if page.server._door else 0


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n", b"400"),
        (b"POST /api/pause HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +5\r\n\r\nabcde", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ],
    ids=["line", "header", "headers", "body", "both", "two", "signed", "encoding", "blank", "cr", "tls"],
)  # fmt: skip
def test_what_is_no_request_is_refused(page: Site, content: bytes, status: bytes) -> None:
    with page.raw(b"") as connection:
        try:
            connection.sendall(content)
        except ConnectionError:
            return  # it was refused before it was whole
        told = connection.recv(1000)
        assert told == b"" or told.split()[1] == status


def test_a_chunked_body_is_bounded(page: Site) -> None:
    csrf = page.log_in()
    head = request(page, "/api/pause", f"Origin: http://127.0.0.1\r\nX-CSRF-Token: {csrf}\r\n" + _CHUNKED)
    with page.raw(head.replace(b"GET", b"POST")) as connection:
        connection.sendall((b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3)
        assert read_all(connection).startswith(b"HTTP/1.1 413")
    assert page.service.asked == []


_CHUNKED = "Transfer-Encoding: chunked\r\n"


# Where it listens


def test_a_port_that_is_taken_is_told(tmp_path: Path, page: Site) -> None:
    contract = Contract(page.service, page.feed, tmp_path)
    second = WebServer(contract, page.sessions, WebConfig(listen=f"127.0.0.1:{page.port}"))
    with pytest.raises(UsageError):
        page.run(second.start())
    page.run(second.stop())


def test_a_socket_for_a_proxy_is_made_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    config = WebConfig(listen=str(path), hosts=("music.example",))
    with site(tmp_path, config), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(b"GET / HTTP/1.0\r\nHost: music.example\r\n\r\n")
        assert read_all(connection).startswith(b"HTTP/1.0 200")
        with socket.socket(socket.AF_UNIX) as proxied:
            proxied.connect(str(path))
            proxied.sendall(_FROM_PROXY)
            assert read_all(proxied).startswith(b"HTTP/1.0 200")
    assert not path.exists()


_FROM_PROXY = (
    b"GET / HTTP/1.0\r\nHost: music.example\r\nOrigin: https://music.example\r\nX-Forwarded-Proto: https\r\n\r\n"
)


def test_tls_is_spoken_and_a_renewed_certificate_served(tmp_path: Path) -> None:
    certificate, key = made_certificate(tmp_path)
    config = WebConfig(listen=f"127.0.0.1:{free_port()}", certificate=str(certificate), key=str(key))
    with site(tmp_path, config) as page:
        assert b" 200 " in encrypted(page, certificate)
        with page.raw(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as plain:
            assert b"HTTP" not in read_all(plain)
        made_certificate(tmp_path)
        page.run(page.server.renew())
        assert b" 200 " in encrypted(page, certificate)


def encrypted(page: Site, certificate: Path) -> bytes:
    context = ssl.create_default_context(cafile=str(certificate))
    made = context.wrap_socket(page.raw(b""), server_hostname="localhost")
    with made:
        made.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return made.recv(1000)


@pytest.fixture
def slow_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, Path]]:
    """A page with TLS that waits long for few handshakes, and its certificate."""
    monkeypatch.setattr(server, "_HANDSHAKES", 3)
    monkeypatch.setattr(server, "_HANDSHAKE", 60.0)
    certificate, key = made_certificate(tmp_path)
    config = WebConfig(listen=f"127.0.0.1:{free_port()}", certificate=str(certificate), key=str(key))
    with site(tmp_path, config) as page:
        yield page, certificate


def test_unfinished_handshakes_are_bounded(slow_site: tuple[Site, Path]) -> None:
    page, certificate = slow_site
    with ExitStack() as stack:
        first, *_ = [stack.enter_context(page.raw(b"")) for _ in range(4)]
        assert read_all(first) == b""
        assert b" 200 " in encrypted(page, certificate)


def test_burst_of_connections_is_bounded_as_well(slow_site: tuple[Site, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    page, certificate = slow_site
    most = [0]
    welcome = page.server._welcome

    async def counted(made: socket.socket) -> None:
        most.append(len(page.server._handshakes))
        await welcome(made)

    monkeypatch.setattr(page.server, "_welcome", counted)
    with ExitStack() as stack:
        held = threading.Event()
        page.loop.call_soon_threadsafe(held.wait)  # so that all of them wait to be accepted
        others = [stack.enter_context(page.raw(b"")) for _ in range(40)]
        held.set()
        assert [read_all(each) for each in others[:-3]] == [b""] * 37
        assert max(most) <= 3
        assert b" 200 " in encrypted(page, certificate)


@pytest.mark.parametrize("broken", ["gone", "empty", "unfit"])
def test_a_certificate_of_no_use_is_told(tmp_path: Path, page: Site, broken: str) -> None:
    certificate, key = made_certificate(tmp_path)
    if broken == "gone":
        key.unlink()
    elif broken == "empty":
        certificate.write_text("")
    else:
        key.write_bytes(made_certificate(tmp_path, "other")[1].read_bytes())
    config = WebConfig(listen=f"127.0.0.1:{free_port()}", certificate=str(certificate), key=str(key))
    failing = WebServer(Contract(page.service, page.feed, tmp_path), page.sessions, config)
    with pytest.raises(UsageError, match="cannot use the certificate"):
        page.run(failing.start())
    page.run(failing.stop())
