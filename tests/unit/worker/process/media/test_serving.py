"""The inside of the process that makes pictures: answers whatever comes, and bounded in what it gives."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from audiobatchd.worker.orders import ORDER_LIMIT, Kind, Made, Order, Working
from audiobatchd.worker.process.media import serving
from support.audio_files import tone, write_audio


def answered(path: Path, kind: Kind = Kind.WAVEFORM) -> tuple[list[Working | Made], bytes]:
    """What is answered to one order, and the result."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        thread = threading.Thread(target=serving.serve, args=(theirs,))
        thread.start()
        source, result = os.open(path, os.O_RDONLY), os.memfd_create("picture")
        socket.send_fds(ours, [msgspec.json.encode(Order(kind, path.name.encode(), 60.0))], [source, result])
        os.close(source)
        heard: list[Working | Made] = []
        while not heard or isinstance(heard[-1], Working):
            heard.append(msgspec.json.decode(ours.recv(ORDER_LIMIT), type=Working | Made))
        ours.shutdown(socket.SHUT_WR)
        thread.join(60)
        assert not thread.is_alive()
        content = os.pread(result, 1 << 24, 0)
        os.close(result)
    return heard, content


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A healthy file."""
    return write_audio(tmp_path / "full_mix.flac", tone(1.0, 8000, 1), 8000)


def test_signs_of_work_come_before_the_end(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_TELLING", 0.0)
    heard, content = answered(song)
    assert heard[-1] == Made()
    assert len(heard) > 2
    assert content.startswith(b'{"seconds":1.0')


def broken(error: Exception) -> Callable[[], serving.Picture]:
    def raising() -> serving.Picture:
        raise error

    return raising


@pytest.mark.parametrize(
    ("error", "words", "lasting"),
    [
        (MemoryError(), "memory", True),
        (OSError(5, "Input/output error"), "Input/output error", False),
        (ValueError("a\x1b[31mb"), "ValueError", True),
    ],
)
def test_whatever_goes_wrong_is_an_answer(
    song: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str, *, lasting: bool
) -> None:
    monkeypatch.setitem(serving._PICTURES, Kind.WAVEFORM, broken(error))
    made = answered(song)[0][-1]
    assert isinstance(made, Made)
    assert words in made.failure
    assert "\x1b" not in made.failure
    assert made.lasting is lasting


def test_too_large_picture_is_none(song: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "RESULT_LIMIT", 10)
    heard, content = answered(song)
    assert heard[-1] == Made("makes too large a picture")
    assert content == b""
