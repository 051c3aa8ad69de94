"""`audiobatchctl follow`: the stream of events as it is sent, and what is shown of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from audiobatchd.cli.commands.follow import Told, in_json, in_words
from audiobatchd.cli.control import main
from audiobatchd.control.client import ControlClient, Message, messages
from audiobatchd.control.status import Status
from audiobatchd.errors import AudiobatchError, NoDaemonError
from support.control_rig import serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
NOW = datetime.fromisoformat("2026-11-25T12:00:00+01:00")


def event(number: int, name: str, level: str = "info", **fields: object) -> bytes:
    """An event as the daemon sends it."""
    data = {"at": "2026-11-25T10:00:00+00:00", "event": name, "level": level, "fields": fields}
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode()


EVENTS = (
    b": alive\n\n"
    + event(7, "folder-done", dataset="/srv/music", folder="A - B", lufs=-14.2)
    + event(8, "folder-failed", "error", dataset="/srv/other", folder="\x1b[31m", reason='cut "off"')
    + b": alive\n\n"
    + event(9, "worker-ready", worker=1)
)


@contextmanager
def streaming(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """Somebody on the socket who answers one request with this, and goes away; the requests."""
    requests: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield requests
        thread.join(60)


def test_messages_are_told_apart() -> None:
    found = list(messages(EVENTS.splitlines(keepends=True)))
    assert [(each.id, each.event) for each in found] == [
        ("7", "folder-done"),
        ("8", "folder-failed"),
        ("9", "worker-ready"),
    ]


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"data: a\ndata: b\n\n", [Message("", "", b"a\nb")]),
        (b"data:a\r\n\r\n", [Message("", "", b"a")]),
        (b"id: 1\n\ndata: a\n\n", [Message("", "", b"a")]),
        (b"id: 1\ndata: a\n", []),
        (b": alive\n\n: alive\n\n", []),
        (b"retry: 5\nnonsense\ndata\n\n", [Message("", "", b"")]),
    ],
    ids=["two lines", "carriage returns", "no data", "unfinished", "signs of life", "odd"],
)
def test_odd_messages(sent: bytes, found: list[Message]) -> None:
    assert list(messages(sent.splitlines(keepends=True))) == found


def test_events_are_shown_until_the_daemon_goes_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.sock"
    with streaming(path, HEAD + EVENTS) as requests:
        assert main(["follow", "--since", "6", "--socket", str(path)]) == 3
    told = capsys.readouterr()
    assert [line.partition(":00 ")[2] for line in told.out.splitlines()] == [
        'folder-done dataset=/srv/music folder="A - B" lufs=-14.2',
        r'folder-failed dataset=/srv/other folder=\x1b[31m reason="cut \x22off\x22"',
        "worker-ready worker=1",
    ]
    assert "has ended" in told.err
    assert b"GET /v1/events?since=6 " in requests[0]


@pytest.mark.parametrize(
    ("arguments", "events"),
    [
        (["--event", "folder-failed", "worker-ready"], ["folder-failed", "worker-ready"]),
        (["--event", "folder-failed"], ["folder-failed"]),
        ([], ["folder-done", "folder-failed", "worker-ready"]),
    ],
)
def test_events_by_name_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], events: list[str]
) -> None:
    path = tmp_path / "c.sock"
    with streaming(path, HEAD + EVENTS) as requests:
        assert main(["follow", "--json", "--socket", str(path), *arguments]) == 3
    out = capsys.readouterr().out
    told = [json.loads(line) for line in out.splitlines()]
    assert [each["event"] for each in told] == events
    assert {each["id"] for each in told} <= {7, 8, 9}
    assert "\x1b" not in out
    assert b"GET /v1/events " in requests[0]


def test_only_one_dataset(tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = msgspec.structs.replace(busy.datasets[0], path="/srv/music")
    sent = [
        Message("1", "x", b'{"at": "", "event": "x", "fields": {"dataset": "%s"}}' % each)
        for each in (b"/srv/music", b"/")
    ]
    monkeypatch.setattr(ControlClient, "status", lambda _: msgspec.structs.replace(busy, datasets=[dataset]))
    monkeypatch.setattr(ControlClient, "events", lambda _self, since: iter(sent))
    assert main(["follow", "--dataset", "/srv/music"]) == 0
    assert main(["follow", "--dataset", "/srv/nowhere"]) == 2


def test_times_are_the_reader_s_and_old_ones_have_their_date() -> None:
    told = Told("2026-11-25T10:00:00+00:00", "dataset-active", fields={"folders": 3, "remark": ""})
    assert in_words(told, NOW) == '11:00:00 dataset-active folders=3 remark=""'
    assert in_words(msgspec.structs.replace(told, at="2026-11-24T10:00:00+00:00"), NOW).startswith(
        "2026-11-24 11:00:00 "
    )
    assert in_words(msgspec.structs.replace(told, at="\x1b"), NOW).startswith(r"\x1b dataset-active")


def test_mapping_is_a_text_for_people_and_an_object_in_json() -> None:
    mood = b'{"at": "", "event": "folder-done", "fields": {"mood": {"film": 0.61, "a\\n": 1}}}'
    told = msgspec.json.decode(mood, type=Told)
    assert in_words(told, NOW) == r' folder-done mood="film 0.61; a\x0a 1"'
    assert json.loads(in_json(Message("5", "folder-done", mood)))["fields"] == {"mood": {"film": 0.61, "a\n": 1}}


def test_json_keeps_what_a_newer_daemon_tells() -> None:
    line = in_json(Message("5", "x", b'{"event": "x", "more": [1,\n 2], "name": "\\u202e"}'))
    assert json.loads(line) == {"id": 5, "event": "x", "more": [1, 2], "name": "\u202e"}
    assert line.isprintable()


def test_who_does_not_stream(tmp_path: Path, busy: Status) -> None:
    with pytest.raises(NoDaemonError, match="there is no such socket"):
        list(ControlClient(tmp_path / "none.sock").events())
    path = tmp_path / "a.sock"
    with (
        streaming(path, b'HTTP/1.1 503 Busy\r\nContent-Length: 20\r\n\r\n{"error":"too many"}'),
        pytest.raises(AudiobatchError, match="cannot follow the events: too many"),
    ):
        list(ControlClient(path).events())
    path = tmp_path / "b.sock"
    with streaming(path, b"not HTTP\r\n"), pytest.raises(NoDaemonError, match="what answers there is another program"):
        list(ControlClient(path).events())
    path = tmp_path / "c.sock"
    with streaming(path, HEAD + b"data: []\n\n"):
        assert main(["follow", "--socket", str(path)]) == 3


def test_a_real_server_streams(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "c.sock"
    with serving(path, lambda: busy):
        stream = ControlClient(path).events()
        stream.close()  # type: ignore[attr-defined]  # a generator is what it is


def test_an_unknown_event_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["follow", "--event", "folder-don", "--socket", str(tmp_path / "none")]) == 2
    assert 'cannot find the event "folder-don": did you mean "folder-done"' in capsys.readouterr().err
