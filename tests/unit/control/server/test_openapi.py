"""The description of the HTTP API, held against the live socket: what it promises is what comes."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from audiobatchd.control.operations import EVENT_STREAM, OPERATIONS
from audiobatchd.control.server.openapi import description
from support import statuses
from support.control_rig import serving

STREAMS = [operation.path for operation in OPERATIONS if operation.media == EVENT_STREAM]
schema = schemathesis.openapi.from_dict(description()).exclude(path=STREAMS)


def _relay(client: socket.socket, path: Path) -> None:
    """Carry bytes between a TCP connection and the socket, both ways, until one end closes."""
    with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as either, suppress(OSError):
        server.connect(str(path))
        for one, other in ((client, server), (server, client)):
            either.register(one, selectors.EVENT_READ, other)
        while True:
            for key, _ in either.select():
                content = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # they are sockets
                if not content:
                    return
                key.data.sendall(content)


@contextmanager
def over_tcp(path: Path) -> Iterator[str]:
    """The address of a door to the socket for clients that know TCP alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_relay, args=(client, path), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server whose service answers anything."""
    status = statuses.idle()
    path = tmp_path_factory.mktemp("socket") / "control.sock"
    with serving(path, lambda: status), over_tcp(path) as found:
        yield found


@schema.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_described_is_what_comes(case: schemathesis.Case[Any], address: str) -> None:
    case.call_and_validate(
        base_url=address, checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
    )


def test_every_route_is_described() -> None:
    paths = description()["paths"]
    assert {(operation.method.lower(), operation.path) for operation in OPERATIONS} == {
        (method, path) for path, methods in paths.items() for method in methods
    }
