"""The server as it answers over a real socket: in JSON, and whatever is asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import CLEAN_LOCKS
from audiobatchd.control.requests import CleanLocks
from audiobatchd.control.server.server import REQUEST_LIMIT
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError
from support.control_rig import serving

NOBODY = 65534


def ask(path: Path, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send `request` as it is: (status, headers, body)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def request(method: str, resource: str, more: str = "") -> bytes:
    """A request without a body, after which the server is to close."""
    return f"{method} {resource} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n".encode()


@pytest.mark.parametrize(
    ("sent", "code", "error"),
    [
        (request("GET", "/"), 404, "not found: GET /"),
        (request("GET", "/v2/%1b[31m"), 404, r"not found: GET /v2/\x1b[31m"),
        (request("POST", "/v1/status"), 405, "method not allowed: POST /v1/status"),
        (
            request("GET", "/v1/status", f"Content-Length: {REQUEST_LIMIT + 1}\r\n") + b"x" * (REQUEST_LIMIT + 1),
            413,
            # Python's name of it, which 3.13 changed.
            f"{HTTPStatus.REQUEST_ENTITY_TOO_LARGE.phrase.lower()}: GET /v1/status",
        ),
    ],
    ids=["not found", "escape sequence", "method", "too large"],
)
def test_refusals_are_json(tmp_path: Path, busy: Status, sent: bytes, code: int, error: str) -> None:
    with serving(tmp_path / "control.sock", lambda: busy):
        status, headers, body = ask(tmp_path / "control.sock", sent)
    assert (status, json.loads(body)) == (code, {"error": error})
    assert headers["content-type"].startswith("application/json")
    assert (code == 405) == ("allow" in headers)


def test_failing_answer_is_logged_and_ends_nothing(
    tmp_path: Path, busy: Status, caplog: pytest.LogCaptureFixture
) -> None:
    def status() -> Status:
        if not caplog.records:
            raise ZeroDivisionError
        return busy

    client = ControlClient(tmp_path / "control.sock")
    with serving(tmp_path / "control.sock", status):
        with pytest.raises(AudiobatchError, match="cannot ask for the status: the daemon failed to answer"):
            client.status()
        assert client.status() == busy
    assert "request-failed" in caplog.text


CLEAN_UP = "POST /v1/locks/clean-up HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}"


def post(path: Path, body: str) -> tuple[int, str]:
    """Ask for a clean-up with this body: (status, the answer's text)."""
    status, _, answer = ask(path, CLEAN_UP.format(len(body), body).encode())
    return status, answer.decode()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ('{"dataset": "/music"}', 200, '"Song.lock"'),
        ('{"dataset": "/nowhere"}', 400, "no such dataset: /nowhere"),
        ("{}", 400, "dataset"),
        ('{"dataset": 7}', 400, "dataset"),
        ('{"dataset": "/music", "force": true}', 400, "force"),
        ("[]", 400, '{"error":"'),
        ("not JSON", 400, '{"error":"'),
        ("", 400, "dataset"),
    ],
)
def test_a_change_is_done_or_refused_with_the_reason(
    tmp_path: Path, busy: Status, body: str, status: int, message: str
) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        answer = post(path, body)
    assert (answer[0], message in answer[1]) == (status, True), answer


def test_a_change_is_logged_with_who_asked(tmp_path: Path, busy: Status, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "control.sock"
    with caplog.at_level("INFO"), serving(path, lambda: busy):
        assert ControlClient(path).ask(CLEAN_LOCKS, CleanLocks("/music", dry_run=True)).found == 1
    (record,) = [each for each in caplog.records if each.message == "change-asked"]
    fields = record.__dict__["fields"]
    assert (fields["uid"], fields["pid"]) == (os.getuid(), os.getpid())
    assert (fields["dataset"], fields["dry_run"]) == ("/music", True)


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_a_reader_changes_nothing(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from audiobatchd.control.client import ControlClient\n"
        "from audiobatchd.control.operations import CLEAN_LOCKS\n"
        "from audiobatchd.control.requests import CleanLocks\n"
        "os.setgroups([])\n"
        f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})\n"
        "client = ControlClient(Path(sys.argv[1]))\n"
        "print(client.status().pid)\n"
        "client.ask(CLEAN_LOCKS, CleanLocks('/music'))\n"
    )
    with serving(path, lambda: busy):
        for each in (*path.parents, path):
            if each.is_relative_to(tmp_path.parents[1]):
                each.chmod(0o777)
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout.strip() == str(busy.pid), done.stderr
    assert "only root, the daemon's own user and its operators may change anything" in done.stderr
