"""The door of the control socket: nobody keeps others out by saying nothing, too much, or nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from audiobatchd.control import door, routes
from audiobatchd.control.client import ControlClient
from audiobatchd.status import Status
from support.control_rig import serving
from support.service import eventually

ASK = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"


def connected(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(20)
    made.connect(str(path))
    return made


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
        eventually(lambda: descriptors() <= before, 10, lambda: f"{descriptors()} descriptors, {before} before")
        assert ControlClient(path).status().pid == idle.pid


def test_a_body_that_does_not_come_is_not_waited_for(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE", 0.5)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        connection.sendall(b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        answer = connection.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"not complete within 0.5 s" in answer


def test_a_connection_that_is_kept_may_ask_again_and_is_dropped_when_it_does_not(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "PATIENCE", 1.0)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        for _ in range(3):
            connection.sendall(ASK)
            assert connection.recv(1 << 20).startswith(b"HTTP/1.1 200 ")
        eventually(lambda: is_dropped(connection), 10)


def test_more_than_32_at_once_are_told_to_try_again(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "AT_ONCE", 2)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), contextlib.ExitStack() as stack:
        for _ in range(2):
            slow = stack.enter_context(connected(path))
            slow.sendall(b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
        third = stack.enter_context(connected(path))

        def refused() -> bool:
            third.sendall(ASK)
            return third.recv(1 << 20).startswith(b"HTTP/1.1 503 ")

        eventually(refused, 4)


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
        eventually(lambda: descriptors() <= before, 10)


@pytest.mark.parametrize(
    "path",
    ["/v1/folder?dataset=/srv/music&folder=../../etc", "/v1/folder?dataset=..&folder=x", "/v1/../etc/passwd",
     "/v1/folder?dataset=/srv/music&folder=%FF%FE", "/v1/folder?dataset=%00&folder=%00", "/v1/events?since=x"],
)  # fmt: skip
def test_what_is_asked_may_be_anything(tmp_path: Path, idle: Status, path: str) -> None:
    place = tmp_path / "control.sock"
    with serving(place, lambda: idle), connected(place) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        status = int(connection.recv(1 << 16).split(b" ")[1])
        assert status in (200, 400, 404)


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
        assert made.begins(transports[-1])
        made.ends(transports[-1])
        made.leaves(transports[-1])
        made.close()

    asyncio.run(act())


# Events


def follow(path: Path, query: str = "") -> socket.socket:
    connection = connected(path)
    connection.sendall(f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """What comes, up to and with this."""
    told = b""
    while wanted not in told:
        more = connection.recv(1 << 16)
        assert more, told
        told += more
    return told


Log = Callable[[str], None]


@pytest.fixture
def log() -> Log:
    from audiobatchd import eventlog  # noqa: PLC0415  # beside the only use of it

    return lambda event: eventlog.log(event, {"folder": "A", "lufs": -14.2})


def test_a_follower_hears_what_was_and_what_comes(
    tmp_path: Path, idle: Status, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle) as server:
        feed = server._feed
        caplog.handler.addFilter(lambda record: feed.handle(record) or True)
        log("folder-done")
        log("folder-failed")
        with follow(path, "?since=0") as early, follow(path, "?since=1") as late, follow(path) as new:
            told = read_until(early, b"event: folder-failed")
            assert b'id: 1\nevent: folder-done\ndata: {"at":"' in told
            assert b'"level":"info","fields":{"folder":"A","lufs":-14.2}}' in told
            assert b"folder-done" not in read_until(late, b"event: folder-failed")
            read_until(new, b"\r\n\r\n")
            log("worker-died")
            for each in (early, late, new):
                assert b"event: worker-died" in read_until(each, b"event: worker-died")


def test_followers_are_told_what_is_gone_and_that_it_lives(
    tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "ALIVE", 0.2)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle) as server:
        import logging  # noqa: PLC0415  # beside the only use of it

        for number in range(1200):
            server._feed.handle(logging.LogRecord("a", logging.INFO, "", 1, f"event-{number}", (), None))
        with follow(path, "?since=10") as connection:
            told = read_until(connection, b": alive")
            assert b": 190 events are gone\n" in told
            assert b"id: 1200\n" in told


def test_a_17th_follower_is_refused_and_a_slow_one_costs_nothing(tmp_path: Path, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), contextlib.ExitStack() as stack:
        for _ in range(routes.STREAMS):
            connection = stack.enter_context(follow(path))
            assert read_until(connection, b"\r\n").startswith(b"HTTP/1.1 200 ")
        with follow(path) as one_more:
            assert read_until(one_more, b"\r\n").startswith(b"HTTP/1.1 503 ")
        assert ControlClient(path).status().pid == idle.pid
