"""A web server that sends models, and misbehaves on demand; models small enough to be sent in a test."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

METADATA = json.dumps({"name": "tiny", "classes": ["yes", "no"], "schema": {"inputs": [], "outputs": []}}).encode()


def varint(value: int) -> bytes:
    """A number as Protocol Buffers writes it."""
    head, rest = value & 0x7F, value >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


def graph(size: int = 200_000, filling: int = 7) -> bytes:
    """A sequence of fields that is a TensorFlow graph's: two nodes, the second one large, and the versions."""
    first = b"\x0a\x11model/Placeholder"
    node = b"\x0a\x05dense" + b"\x2a" + varint(size) + bytes([filling]) * size
    return b"".join(b"\x0a" + varint(len(each)) + each for each in (first, node)) + b"\x22\x03\x08\x86\x01"


class Request(BaseHTTPRequestHandler):
    """Request, and what a test's script answers with."""

    protocol_version = "HTTP/1.0"  # the end of a body is the end of the connection, also where a length lies
    server: Server

    def do_GET(self) -> None:  # the name that http.server calls
        with self.server.guard:
            self.server.requests.append((self.path, dict(self.headers)))
        self.server.script(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Log nothing."""

    def send(self, body: bytes, status: int = 200, length: int | None = None, **headers: str) -> None:
        """An answer with these headers (`_` for `-`); `length` is what Content-Length says, -1 for none."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length != -1:
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def send_file(self, body: bytes, etag: str = '"one"', cut: int | None = None) -> None:
        """An answer as a good server gives it, ranges and all; the connection breaks after `cut` bytes of the body."""
        start = self.wanted_from()
        if start is not None and self.headers["If-Range"] == etag:
            if start >= len(body):
                self.send(b"", 416, Content_Range=f"bytes */{len(body)}", ETag=etag)
                return
            told = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send(body[start:][:cut], 206, len(body) - start, Content_Range=told, ETag=etag)
            return
        self.send(body[:cut], 200, len(body), ETag=etag)

    def wanted_from(self) -> int | None:
        """The first byte of the range that is asked for; None where none is."""
        given = self.headers["Range"]
        return int(given.removeprefix("bytes=").rstrip("-")) if given else None


Script = Callable[[Request], None]


class Server(ThreadingHTTPServer):
    """Answers by `script`, and remembers what it was asked."""

    daemon_threads = False  # so that closing it waits for the threads, and nothing is left of them

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script = script
        self.guard = threading.Lock()
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def base(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def paths(self) -> list[str]:
        """Paths that were asked for, in order."""
        with self.guard:
            return [path for path, _ in self.requests]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news here."""


@contextmanager
def serving(script: Script, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server in a thread; with a context it speaks TLS."""
    server = Server(script)
    if context is not None:
        # The handshake is the answering thread's: a client that refuses the certificate must not end the server.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sending(files: dict[str, bytes]) -> Script:
    """A script that sends these files by the ends of their addresses, and 404 for others."""

    def script(request: Request) -> None:
        for name, body in files.items():
            if request.path.endswith(f"/{name}"):
                request.send_file(body)
                return
        request.send(b"<html>not here</html>", 404)

    return script
