"""The door of the control socket: nobody keeps others out by saying nothing, too much, or nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import select
import socket
from pathlib import Path

import msgspec
import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.server import door, server
from audiobatchd.control.status import Status
from support.control_rig import connected, read_until, serving
from support.service import eventually

ASK = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


def is_dropped(connection: socket.socket) -> bool:
    """Whether the other end has given up."""
    try:
        return connection.recv(1 << 16) == b""
    except ConnectionResetError:
        return True


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_400_that_say_nothing_keep_nobody_out(tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "PATIENCE", 1.0)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), contextlib.ExitStack() as stack:
        before = descriptors()
        half_open = []
        for number in range(400):
            connection = stack.enter_context(connected(path))
            connection.sendall(ASK[: number % len(ASK)])
            half_open.append(connection)
            if number % 40 == 0:
                assert ControlClient(path).status().pid == idle.pid
        assert ControlClient(path).status().pid == idle.pid
        assert all(is_dropped(connection) for connection in half_open)
        stack.close()
        eventually(lambda: descriptors() <= before, what=lambda: f"{descriptors()} descriptors, {before} before")
        assert ControlClient(path).status().pid == idle.pid


def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.5)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        connection.sendall(b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        answer = read_until(connection, b"not complete within 0.5 s")
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_kept_connection_that_asks_nothing_is_dropped(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE", 1.0)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        for _ in range(3):
            connection.sendall(ASK)
            assert read_until(connection, msgspec.json.encode(idle)).startswith(b"HTTP/1.1 200 ")
        eventually(lambda: is_dropped(connection))


def test_more_than_32_at_once_are_told_to_try_again(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "AT_ONCE", 2)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), contextlib.ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(connected(path))
            slow.sendall(b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")

        def refused() -> bool:
            with connected(path) as third:
                third.sendall(ASK)
                return status_line(third).startswith(b"HTTP/1.1 503 ")

        eventually(refused)


def test_raw_bytes_hurt_nobody(tmp_path: Path, idle: Status) -> None:
    path, dice = tmp_path / "control.sock", random.Random(7)
    with serving(path, lambda: idle):
        before = descriptors()
        for number in range(300):
            with connected(path) as connection:
                connection.settimeout(0.05)
                content = bytearray(ASK * (1 + number % 3)) if number % 2 else bytearray(dice.randbytes(200))
                for _ in range(dice.randrange(1, 8)):
                    content[dice.randrange(len(content))] = dice.randrange(256)
                with contextlib.suppress(OSError):
                    connection.sendall(content)
                    connection.recv(1 << 16)
        assert ControlClient(path).status().pid == idle.pid
        eventually(lambda: descriptors() <= before)


@pytest.mark.parametrize(
    "path",
    ["/v1/folder?dataset=/srv/music&folder=../../etc", "/v1/folder?dataset=..&folder=x", "/v1/../etc/passwd",
     "/v1/folder?dataset=/srv/music&folder=%FF%FE", "/v1/folder?dataset=%00&folder=%00", "/v1/events?since=x"],
)  # fmt: skip
def test_what_is_asked_may_be_anything(tmp_path: Path, idle: Status, path: str) -> None:
    place = tmp_path / "control.sock"
    with serving(place, lambda: idle), connected(place) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = int(status_line(connection).split(b" ")[1])
        assert status in (200, 400, 404)


def status_line(connection: socket.socket) -> bytes:
    """The first line of an answer, whether it comes in one piece or several."""
    return read_until(connection, b"\r\n").split(b"\r\n")[0]


def test_40_that_ask_ahead_and_read_nothing_cost_little(tmp_path: Path, idle: Status) -> None:
    path, asked = tmp_path / "control.sock", []

    def status() -> Status:
        asked.append(1)
        return idle

    with serving(path, status), contextlib.ExitStack() as stack:
        impatient = [stack.enter_context(connected(path)) for _ in range(40)]
        for connection in impatient:
            connection.setblocking(False)
            with contextlib.suppress(OSError):  # dropped already, or its buffer is full
                for _ in range(20):
                    connection.send(ASK * 100)
        assert ControlClient(path).status().pid == idle.pid
        for connection in impatient:
            connection.settimeout(60)
            while not is_dropped(connection):
                pass
    assert len(asked) <= 40 * (1 + door.AHEAD) + 1


def test_a_few_requests_ahead_are_all_answered(tmp_path: Path, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        connection.sendall(ASK * door.AHEAD + ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        told = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert told.count(b"HTTP/1.1 200 OK") == door.AHEAD + 1


def test_an_answer_that_is_not_read_is_dropped(tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "UNREAD_FOR", 0.5)
    path, large = tmp_path / "control.sock", msgspec.structs.replace(busy, troubles=busy.troubles * 2000)
    with serving(path, lambda: large), connected(path) as connection:
        connection.sendall(ASK)
        hung_up = select.poll()
        hung_up.register(connection, 0)
        assert hung_up.poll(20_000)
        assert ControlClient(path).status() == large


def test_of_too_many_that_do_not_read_the_oldest_is_dropped(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "UNREAD", 2)
    path, large = tmp_path / "control.sock", msgspec.structs.replace(busy, troubles=busy.troubles * 2000)
    with serving(path, lambda: large), contextlib.ExitStack() as stack:
        unread = [stack.enter_context(connected(path)) for _ in range(3)]
        hung_up = select.poll()
        for connection in unread:
            connection.sendall(ASK)
            assert select.select([connection], [], [], 20)[0]
            hung_up.register(connection, 0)
        assert [number for number, _ in hung_up.poll(20_000)] == [unread[0].fileno()]


# What is no HTTP


MALFORMED = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9.9\r\n\r\n",
    b"G\x00T /v1/status HTTP/1.1\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot a zip",
    b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    b"GET /v1/events?since=" + b"9" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
]


def test_malformed_requests_are_answered_and_told_of_once(
    tmp_path: Path, idle: Status, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        for _ in range(10):
            for sent in MALFORMED:
                with connected(path) as connection:
                    connection.sendall(sent)
                    told = read_until(connection, b"}")
                    assert told.split(b" ")[1] == b"400", (sent, told)
                    assert b'{"error":"' in told
        assert ControlClient(path).status().pid == idle.pid
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == ["request-malformed"]
    assert all(record.exc_info is None for record in caplog.records)


def test_a_client_that_leaves_amid_its_request_is_no_fault(
    tmp_path: Path, idle: Status, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        for request in (
            b"POST /v1/pause HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{",
            ASK,
            b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            for _ in range(20):
                with connected(path) as connection:
                    connection.sendall(request)
            assert ControlClient(path).status().pid == idle.pid
    assert not caplog.records


def test_how_many_were_malformed_is_told_with_the_next_event(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    malformed = server.Malformed(lambda: now[0])
    for _ in range(5):
        malformed.came("Bad status line")
    now[0] = 61.0
    malformed.came("Bad status line")
    assert [record.__dict__["fields"]["requests"] for record in caplog.records] == [1, 5]


# The door by itself


class Transport(asyncio.Transport):
    """A connection that does nothing."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.aborted


def test_of_too_many_that_say_nothing_the_oldest_goes() -> None:
    async def act() -> None:
        made = door.Door(asyncio.Protocol)
        transports = [Transport() for _ in range(door.UNFINISHED + 3)]
        for transport in transports:
            made.comes(transport)
        assert [transport.aborted for transport in transports[:5]] == [True, True, True, False, False]
        made.speaks(transports[-1])
        assert made.begins(transports[-1])
        made.ends(transports[-1])
        made.leaves(transports[-1])
        made.close()

    asyncio.run(act())
