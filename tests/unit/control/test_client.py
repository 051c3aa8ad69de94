"""The client: what it gets, and what it says where there is no answer."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import ROWS
from audiobatchd.control.results import AskRows
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError, NoDaemonError
from support.control_rig import serving

NOBODY = 65534


@contextmanager
def listening(path: Path, answer: bytes | None) -> Iterator[None]:
    """Somebody on the socket who answers every connection with `answer`, or never."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            if answer is not None:
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    if answer is not None:
        thread.start()
    try:
        yield
    finally:
        if answer is not None:
            thread.join(60)
        listener.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("409 Conflict", "cannot ask for the status: the service refuses it and gives no reason; its log may have one"),
        ("500 Oops", "cannot ask for the status: the service refuses it and gives no reason; its log may have one"),
        (
            "405 No",
            "cannot ask for the status: the service that answers is of another version, which does not know how",
        ),
    ],
)
def test_refusal_without_words_is_told_without_a_number(tmp_path: Path, answer: str, said: str) -> None:
    path = tmp_path / "a.sock"
    content = f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode()
    with listening(path, content), pytest.raises(AudiobatchError) as refused:
        ControlClient(path).status()
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("body", "odd"),
    [
        (b"[]", "expected an object, got a list"),
        (b'{"version": 5}', "the key `version` is missing"),
        (b"<html>", "it is not JSON: "),
    ],
)
def test_answer_of_another_shape_is_told_without_types(tmp_path: Path, body: bytes, odd: str) -> None:
    path = tmp_path / "a.sock"
    content = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with listening(path, content), pytest.raises(NoDaemonError) as refused:
        ControlClient(path).status()
    assert str(refused.value).startswith(f"what answers on {path} is no audiobatchd of this version: ")
    assert odd.partition("`")[0] in str(refused.value)


def test_client_gets_what_the_daemon_tells(tmp_path: Path, busy: Status) -> None:
    with serving(tmp_path / "control.sock", lambda: busy):
        assert ControlClient(tmp_path / "control.sock").status() == busy


def test_no_such_socket(tmp_path: Path) -> None:
    with pytest.raises(NoDaemonError, match=r"no daemon answers on .*none\.sock: there is no such socket"):
        ControlClient(tmp_path / "none.sock").status()


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(NoDaemonError, match="nothing listens"):
        ControlClient(tmp_path / "dead.sock").status()


def test_permission_denied(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    root = os.geteuid() == 0
    with serving(path, lambda: busy):
        path.chmod(0)
        if root:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(NoDaemonError, match="permission denied"):
                ControlClient(path).status()
        finally:
            if root:
                os.seteuid(0)


def test_silence_is_not_waited_for_without_end(tmp_path: Path) -> None:
    path = tmp_path / "silent.sock"
    with listening(path, None), pytest.raises(NoDaemonError, match=r"no answer within 0\.05 s"):
        ControlClient(path, timeout=0.05).status()


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"", "broke off"),
        (b"SSH-2.0-OpenSSH\r\n", "what answers there is another program"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no audiobatchd of this version"),
    ],
)
def test_strangers_are_told_from_daemons(tmp_path: Path, answer: bytes, cause: str) -> None:
    path = tmp_path / "stranger.sock"
    with listening(path, answer), pytest.raises(NoDaemonError, match=cause):
        ControlClient(path).status()


@pytest.mark.parametrize("end", [b"", b"5\r\nth"], ids=["between chunks", "in a chunk"])
def test_lines_end_where_an_answer_breaks_off(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "cut.sock"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\none\ntwo\n\r\n" + end
    with listening(path, answer):
        assert list(ControlClient(path).lines(ROWS, AskRows("/music"))) == [b"one\n", b"two\n"]
