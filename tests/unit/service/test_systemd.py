"""The notifications to systemd, as a socket in systemd's place gets them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from audiobatchd.service.systemd import SystemdView
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
