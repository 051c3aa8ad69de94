"""The notifications to systemd, as a socket in systemd's place gets them."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from audiobatchd.control.status import Status
from audiobatchd.service.systemd import SystemdView, watchdog_interval
from support.shortage import descriptors


def test_systemd_is_told_without_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        view = SystemdView()
        highest = max(map(int, os.listdir("/proc/self/fd")))
        filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(highest + 1)]
        try:
            with descriptors(min(filler[-1], highest) + 1):
                view.alive()
                view.stopping()
        finally:
            for each in filler:
                os.close(each)
        systemd.settimeout(10)
        assert [systemd.recv(100), systemd.recv(100)] == [b"WATCHDOG=1", b"STOPPING=1"]


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


def test_status_line_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, idle: Status) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        view = SystemdView()
        view.update(idle)
        view.update(idle)
        view.stopping()
        systemd.settimeout(10)
        status, stopping = systemd.recv(1000).decode(), systemd.recv(1000)
    assert re.fullmatch(r"STATUS=running: \d+ of \d+ folders complete, \d+ failed", status)
    assert stopping == b"STOPPING=1"
