"""The notifications to systemd, as a socket in systemd's place gets them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from audiobatchd.control.status import Status
from audiobatchd.service.systemd import Notifications, SystemdView, watchdog_interval
from support.shortage import descriptors


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a manager that grants a watchdog."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield made


@pytest.fixture
def view(systemd: socket.socket) -> Iterator[SystemdView]:
    """A service's view of it."""
    with closing(SystemdView()) as made:
        yield made


def told(systemd: socket.socket) -> list[bytes]:
    """Read everything that waits there."""
    found: list[bytes] = []
    with suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(1000))
    return found


def fill(address: str | bytes) -> None:
    """Fill a socket until it takes nothing more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                other.sendto(b"X=1", address)


def test_systemd_is_told_without_descriptors(systemd: socket.socket, view: SystemdView) -> None:
    highest = max(map(int, os.listdir("/proc/self/fd")))
    filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest + 1)]
    try:
        with descriptors(min(filler[-1], highest) + 1):
            view.alive()
            view.stopping()
    finally:
        for each in filler:
            os.close(each)
    assert told(systemd) == [b"WATCHDOG=1", b"STOPPING=1"]


def test_a_full_socket_holds_nothing_up_nor_loses_what_counts(
    systemd: socket.socket, view: SystemdView, idle: Status
) -> None:
    view.ready()
    told(systemd)
    fill(systemd.getsockname())
    view.reloaded()
    view.update(idle)
    view.alive()
    view.stopping()
    assert set(told(systemd)) == {b"X=1"}
    view.alive()
    view.update(idle)
    words = [each.partition(b"=")[0] for each in told(systemd)]
    assert words == [b"RELOADING", b"READY", b"STOPPING", b"WATCHDOG", b"STATUS"]


def test_what_waits_for_an_absent_manager_is_bounded(systemd: socket.socket, view: SystemdView, tmp_path: Path) -> None:
    view.ready()
    told(systemd)
    Path(systemd.getsockname()).rename(tmp_path / "away")
    for _ in range(100):
        view.reloaded()
    (tmp_path / "away").rename(systemd.getsockname())
    view.alive()
    *words, last = [each.partition(b"=")[0] for each in told(systemd)]
    assert (words, last) == ([b"RELOADING", b"READY"] * 4, b"WATCHDOG")


def test_a_reload_tells_readiness_only_where_it_is_so(systemd: socket.socket, view: SystemdView) -> None:
    view.reloaded()
    assert told(systemd) == [], "the first walks have not ended"
    view.ready()
    view.reloaded()
    assert [each.partition(b"=")[0] for each in told(systemd)] == [b"READY", b"RELOADING", b"READY"]
    view.stopping()
    view.reloaded()
    assert told(systemd) == [b"STOPPING=1"]


def test_an_abstract_socket_is_told() -> None:
    name = f"audiobatchd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{name}")
        systemd.setblocking(False)
        with closing(Notifications({"NOTIFY_SOCKET": f"@{name}"})) as notifications:
            assert notifications.send("STATUS=caf\udce9")
        assert told(systemd) == [rb"STATUS=caf\udce9"]


@pytest.mark.parametrize("place", ["", "vsock:2:1234", "relative/path"])
def test_without_a_socket_nothing_is_told_or_waits(place: str) -> None:
    with closing(Notifications({"NOTIFY_SOCKET": place})) as notifications:
        assert notifications.send("STATUS=fine")


def test_a_name_too_long_for_a_socket_is_no_end(tmp_path: Path) -> None:
    with closing(Notifications({"NOTIFY_SOCKET": f"/{'n' * 200}"})) as notifications:
        notifications.owe("READY=1")
        assert not notifications.send("WATCHDOG=1")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 1.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 1.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_hears_thrice_in_what_it_grants(environ: dict[str, str], seconds: float | None) -> None:
    assert watchdog_interval(environ, 7) == seconds


def test_status_line_is_told_once(systemd: socket.socket, view: SystemdView, idle: Status) -> None:
    view.update(idle)
    view.update(idle)
    view.stopping()
    status, stopping = told(systemd)
    assert re.fullmatch(r"STATUS=running: \d+ of \d+ folders complete, \d+ failed", status.decode())
    assert stopping == b"STOPPING=1"
