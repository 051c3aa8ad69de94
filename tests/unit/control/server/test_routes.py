"""The routes as a client meets them: the feed of events, and changes that are done or refused."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import msgspec
import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import ROWS
from audiobatchd.control.results import AskRows
from audiobatchd.control.server import routes
from audiobatchd.control.status import Status
from audiobatchd.vocabulary.log_events import LogEvent, write
from support.control_rig import ToldService, connected, read_until, serving
from support.service import eventually


def follow(path: Path, query: str = "", *, headers: str = "") -> socket.socket:
    connection = connected(path)
    connection.sendall(f"GET /v1/events{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
    return connection


Log = Callable[[str], None]


@pytest.fixture
def log() -> Log:
    return lambda event: write(LogEvent(event), {"folder": "A", "lufs": -14.2, "mood": {"film": 0.61, "epic": 1}})


class Endless(ToldService):
    """A service that tells rows without end, and knows when they are not wanted any more."""

    is_over = False

    async def rows(self, asked: AskRows) -> AsyncGenerator[bytes, None]:
        self.asked.append(asked)
        return self._without_end()

    async def _without_end(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"[1]\n" * 10_000
        finally:
            self.is_over = True


def test_rows_end_with_their_reader(tmp_path: Path, idle: Status) -> None:
    path, told = tmp_path / "control.sock", Endless(lambda: idle)
    with serving(path, lambda: idle, told):
        lines = ControlClient(path).lines(ROWS, AskRows("/music"))
        assert next(lines) == b"[1]\n"
        assert not told.is_over
        lines.close()
        eventually(lambda: told.is_over)
        assert ControlClient(path).status() == idle


def test_reader_that_takes_nothing_is_left(tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SLOW", 0.2)
    path, told = tmp_path / "control.sock", Endless(lambda: idle)
    with serving(path, lambda: idle, told):
        lines = ControlClient(path).lines(ROWS, AskRows("/music"))
        next(lines)
        eventually(lambda: told.is_over)
        lines.close()


def test_long_condition_gets_through(tmp_path: Path, idle: Status) -> None:
    path, told = tmp_path / "control.sock", ToldService(lambda: idle)
    asked = AskRows("/music", [f"feature {number}" for number in range(500)], "'%' = " * 1300 + "1")
    with serving(path, lambda: idle, told):
        assert len(list(ControlClient(path).lines(ROWS, asked))) == 4
    assert told.asked == [asked]


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
            assert b'"level":"info","fields":{"folder":"A","lufs":-14.2,"mood":{"film":0.61,"epic":1}}}' in told
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
        for number in range(1200):
            server._feed.handle(logging.LogRecord("a", logging.INFO, "", 1, f"event-{number}", (), None))
        with follow(path, "?since=10") as connection:
            told = read_until(connection, b": alive")
            assert b": 190 events are gone\n" in told
            assert b"id: 1200\n" in told


def test_follower_of_a_service_that_ran_before_begins_again(tmp_path: Path, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle) as server:
        for number in range(4):
            server._feed.handle(logging.LogRecord("a", logging.INFO, "", 1, f"event-{number}", (), None))
        with follow(path, headers="Last-Event-ID: 100\r\n") as header, follow(path, "?since=5") as query:
            for connection in (header, query):
                told = read_until(connection, b"event: event-3")
                assert b": the service was started since" in told
                assert b"id: 1\nevent: event-0\n" in told
        with follow(path, "?since=4") as latest:
            read_until(latest, b"\r\n\r\n")
            server._feed.handle(logging.LogRecord("a", logging.INFO, "", 1, "event-4", (), None))
            assert b"started since" not in read_until(latest, b"event: event-4")


def test_followers_that_left_keep_no_place(tmp_path: Path, idle: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "ALIVE", 3600.0)
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle):
        with contextlib.ExitStack() as stack:
            for _ in range(routes.STREAMS):
                assert read_until(stack.enter_context(follow(path)), b"\r\n").startswith(b"HTTP/1.1 200 ")

        def has_place() -> bool:
            with follow(path) as connection:
                return read_until(connection, b"\r\n").startswith(b"HTTP/1.1 200 ")

        eventually(has_place)


def test_a_17th_follower_is_refused_and_a_slow_one_costs_nothing(tmp_path: Path, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), contextlib.ExitStack() as stack:
        for _ in range(routes.STREAMS):
            connection = stack.enter_context(follow(path))
            assert read_until(connection, b"\r\n").startswith(b"HTTP/1.1 200 ")
        with follow(path) as one_more:
            assert read_until(one_more, b"\r\n").startswith(b"HTTP/1.1 503 ")
        assert ControlClient(path).status().pid == idle.pid


@pytest.mark.parametrize(
    ("request_line", "body", "error"),
    [
        ("GET /v1/events?since=abc", "", 'expected a whole number, got "abc" - at `since`'),
        ("GET /v1/events?sinse=1", "", "unknown key `sinse`"),
        ("GET /v1/folder?dataset=a", "", "the key `folder` is missing"),
        ("POST /v1/pause", '{"seconds": "5"}', 'expected a number above 0, got "5" - at `seconds`'),
        ("POST /v1/pause", '{"seconds": 0}', "expected a number above 0, got 0 - at `seconds`"),
        ("POST /v1/pause", '{"dataset": 5}', "expected text, got 5 - at `dataset`"),
        ("POST /v1/retry", '{"folders": [5]}', "expected an object, got 5 - at `folders[0]`"),
        ("POST /v1/retry", '{"all": "yes"}', 'expected true or false, got "yes" - at `all`'),
        ("POST /v1/retry", '{"features": "lufs"}', 'expected a list of texts, got "lufs" - at `features`'),
        ("POST /v1/retry", "[]", "expected an object, got a list"),
        ("POST /v1/retry", "[" * 9000 + "]" * 9000, "it is too deep"),
    ],
)
def test_request_is_refused_in_words_for_people(
    tmp_path: Path, idle: Status, request_line: str, body: str, error: str
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: idle), connected(path) as connection:
        head = f"{request_line} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
        answer = read_until(connection, b"}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert msgspec.json.decode(answer.rpartition(b"\r\n")[2]) == {"error": error}
