"""The socket file: made for owner and group, told from others', made again, and removed only while it is ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from audiobatchd.control.client import ControlClient
from audiobatchd.control.server import server
from audiobatchd.control.server.server import ControlServer
from audiobatchd.control.server.socket_file import SocketFile
from audiobatchd.control.status import Status
from audiobatchd.errors import AlreadyRunningError, NoDaemonError, UsageError
from support.control_rig import ToldService, serving
from support.service import eventually


def test_socket_is_for_owner_and_group_whatever_the_umask(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "run" / "control.sock"
    before = os.umask(0o077)
    try:
        with serving(path, lambda: busy):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)
    assert not path.exists()


def test_stale_socket_is_replaced(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(path, lambda: busy):
        assert ControlClient(path).status() == busy


def test_a_second_server_is_refused(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        with pytest.raises(AlreadyRunningError, match=str(path)), serving(path, lambda: busy):
            pass
        assert ControlClient(path).status() == busy


def test_only_its_own_socket_is_removed(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"


def test_a_removed_socket_is_made_again(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    path = tmp_path / "run" / "control.sock"

    def answers() -> bool:
        try:
            return ControlClient(path).status() == busy
        except NoDaemonError:
            return False

    with serving(path, lambda: busy):
        for remove in (path.unlink, lambda: shutil.rmtree(path.parent), lambda: path.rename(path.parent / "moved")):
            remove()
            eventually(answers)
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not path.exists()
    assert [record.getMessage() for record in caplog.records] == ["socket-made-again"] * 3


def test_a_socket_that_is_removed_as_it_is_made_is_made_again(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.01)
    path = tmp_path / "control.sock"
    bound: list[socket.socket] = []

    class Socket(socket.socket):
        """Its file is removed right after it was made, the first time."""

        def bind(self, address: bytes) -> None:  # type: ignore[override]  # of one family here
            super().bind(address)
            bound.append(self)
            if len(bound) == 1:
                path.unlink()

    monkeypatch.setattr("audiobatchd.control.server.socket_file.socket.socket", Socket)
    with serving(path, lambda: busy):
        eventually(path.is_socket)
        assert ControlClient(path).status() == busy
    assert len(bound) == 2


def test_what_stands_in_the_socket_s_place_is_told_once(
    tmp_path: Path, busy: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.01)
    path = tmp_path / "control.sock"
    looks: list[bool] = []
    look = SocketFile.is_there

    def counted(file: SocketFile) -> bool:
        looks.append(look(file))
        return looks[-1]

    monkeypatch.setattr(SocketFile, "is_there", counted)
    with serving(path, lambda: busy):
        path.unlink()
        path.write_text("precious")
        eventually(lambda: caplog.records)
        seen = len(looks)
        eventually(lambda: len(looks) > seen + 5)
        assert [record.getMessage() for record in caplog.records] == ["socket-lost"]
        assert path.read_text() == "precious"
        path.unlink()
        eventually(path.is_socket)


def test_another_living_service_keeps_its_socket(
    tmp_path: Path, busy: Status, idle: Status, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "_LOOK", 0.05)
    path = tmp_path / "control.sock"
    with serving(path, lambda: busy):
        # So soon that the new file may get the inode number of the old one.
        path.unlink()
        with serving(path, lambda: idle):
            eventually(lambda: "socket-lost" in caplog.text)
            assert ControlClient(path).status() == idle
        eventually(lambda: "socket-made-again" in caplog.text)
        assert ControlClient(path).status() == busy
    assert not path.exists()


def test_a_socket_that_another_has_is_left_at_the_end(tmp_path: Path, busy: Status, idle: Status) -> None:
    path = tmp_path / "control.sock"
    with ExitStack() as second:
        with serving(path, lambda: busy):
            path.unlink()
            second.enter_context(serving(path, lambda: idle))
        assert ControlClient(path).status() == idle


def test_stop_without_start_does_nothing(tmp_path: Path, busy: Status) -> None:
    asyncio.run(ControlServer(tmp_path / "control.sock", ToldService(lambda: busy)).stop())


def test_what_is_no_socket_is_left_alone(tmp_path: Path, busy: Status) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(UsageError, match="something that is no socket is there"), serving(path, lambda: busy):
        pass
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("below", "cause"), [("no/such/control.sock", "there is no directory .*no"), ("x" * 107, "107 allowed")]
)
def test_impossible_places_are_named(tmp_path: Path, busy: Status, below: str, cause: str) -> None:
    with pytest.raises(UsageError, match=cause), serving(tmp_path / below, lambda: busy):
        pass
