"""URLs behind which servers do what servers do; of the URL itself nothing is told."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from datetime import UTC, datetime

import pytest

from audiobatchd.hooks.post import asked_wait, post
from support.hook_rig import CLOSE, STALL, Received, answer, serving


def posted(told: bytes, timeout: float = 20.0) -> tuple[str, float, list[Received]]:
    """Send a message to a server that answers so; what came of it."""

    async def send() -> tuple[str, float, list[Received]]:
        async with serving(told) as server:
            trouble, wait = await post(server.url, b'{"id":"7"}', {"Idempotency-Key": "7"}, timeout)
            return trouble, wait, server.received

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("told", "trouble", "wait"),
    [
        (answer(200, b"thanks"), "", 0.0),
        (answer(204), "", 0.0),
        (answer(404, b"Cannot POST /secret-path?token=secret"), "the answer is 404 (Not Found)", 0.0),
        (answer(429, b"", "Retry-After: 17"), "the answer is 429 (Too Many Requests)", 17.0),
        (answer(503, b"", "Retry-After: 999999999999"), "the answer is 503 (Service Unavailable)", 3600.0),
        (answer(500, b"", "Retry-After: 17"), "the answer is 500 (Internal Server Error)", 0.0),
        (answer(302, b"", "Location: http://127.0.0.1:1/elsewhere"), "the answer is 302 (Found)", 0.0),
        (answer(599, b"x" * 10_000_000), "the answer is 599", 0.0),
        (answer(200, b"\x1f\x8b garbage", "Content-Encoding: gzip"), "", 0.0),
        (CLOSE, "no answer: ServerDisconnectedError", 0.0),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_an_answer_is_judged_by_its_status(told: bytes, trouble: str, wait: float) -> None:
    assert posted(told)[:2] == (trouble, wait)


@pytest.mark.parametrize("told", [b"\x00garbage\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 " + b"x" * 100_000])
def test_what_is_no_http_is_no_answer(told: bytes) -> None:
    trouble, _, _ = posted(told, 10.0)
    assert trouble.startswith(("the answer is no HTTP", "no answer"))
    assert len(trouble) < 400


def test_a_message_is_sent_as_json_with_its_headers() -> None:
    _, _, (received,) = posted(answer(200))
    assert (received.line, received.body) == ("POST /secret-path?token=secret HTTP/1.1", b'{"id":"7"}')
    assert received.headers["idempotency-key"] == "7"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["authorization"].startswith("Basic ")


def test_no_answer_is_waited_for_beyond_its_time() -> None:
    assert posted(STALL, 0.3)[:2] == ("no answer within 0.3 s", 0.0)


def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert posted(answer(200))[0] == ""


def test_a_name_that_leads_nowhere_is_told_of() -> None:
    trouble, _ = asyncio.run(post("http://nowhere.invalid/secret-path", b"{}", {}, 20.0))
    assert trouble.startswith("cannot connect: ")
    assert "secret" not in trouble


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_nothing_of_a_url_is_told_where_none_listens(scheme: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        trouble, _ = asyncio.run(post(f"{scheme}://me:password@127.0.0.1:{port}/secret-path", b"{}", {}, 10.0))
    assert trouble == f"cannot connect: {os.strerror(errno.ECONNREFUSED)}"
    assert not any(each in trouble for each in ("password", "secret-path"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 30 Nov 2026 09:34:00 GMT", 40.0),
        ("Mon, 30 Nov 1926 09:34:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("²", 0.0),
        ("", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_a_date(text: str, seconds: float) -> None:

    moment = datetime(2026, 11, 30, 9, 33, 20, tzinfo=UTC).timestamp()
    assert asked_wait(text, moment) == pytest.approx(seconds, abs=0.01)
