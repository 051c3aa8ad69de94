"""The notifications to systemd: READY, STATUS, WATCHDOG, RELOADING, STOPPING, by the protocol of sd_notify(3).

Each is a datagram to $NOTIFY_SOCKET. Without that every call does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Mapping

from audiobatchd.control.status import Status
from audiobatchd.vocabulary.states import FolderState

_OWED = 8
"""So many messages wait for a manager that does not take any; a reload makes two."""


class Notifications:
    """A socket to systemd, and what that has not taken yet.

    A manager that stands still holds nothing up: at a full socket, sd_notify of libsystemd would wait. The socket is
    open from the start, so that the watchdog hears also when descriptors are used up.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = address(environ.get("NOTIFY_SOCKET", ""))
        self._owed: deque[str] = deque(maxlen=_OWED)
        self._socket: socket.socket | None = None
        if self._address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    def send(self, text: str) -> bool:
        """Tell systemd what may be lost; return whether it took the text, which it has where there is no systemd."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto(text.encode(errors="backslashreplace"), self._address)
        except OSError:
            return False
        return True

    def owe(self, text: str) -> None:
        """Tell systemd what it has to hear, in order: what it does not take now, `settle` tells again."""
        self._owed.append(text)
        self.settle()

    def settle(self) -> None:
        """Tell what is still owed."""
        while self._owed and self.send(self._owed[0]):
            self._owed.popleft()

    def close(self) -> None:
        """Close the socket; what is still owed is not told."""
        if self._socket is not None:
            self._socket.close()


class SystemdView:
    """Tells systemd about the service; says nothing twice."""

    def __init__(self) -> None:
        self._said = ""
        self._patience = watchdog_interval(os.environ, os.getpid())
        self._alive_at = 0.0
        self._is_active = False
        """True between READY and STOPPING."""
        self._notifications = Notifications(os.environ)

    def update(self, status: Status) -> None:
        """Tell the STATUS line: how much of how many, and how fast."""
        total = sum(dataset.total for dataset in status.datasets)
        complete = sum(dataset.folders[FolderState.COMPLETE] for dataset in status.datasets)
        failed = sum(dataset.folders[FolderState.FAILED] for dataset in status.datasets)
        text = f"{status.remark}; " if status.remark else ""
        text += f"{status.state}: {complete} of {total} folders complete, {failed} failed"
        if status.audio_seconds_per_second:
            text += f", {status.audio_seconds_per_second:.0f} seconds of audio per second"
        if text != self._said and self._notifications.send(f"STATUS={text}"):
            self._said = text

    def ready(self) -> None:
        """See `View`."""
        self._is_active = True
        self._notifications.owe("READY=1")

    def alive(self) -> None:
        """Tell the watchdog, no more often than it has to hear: this is called with everything that happens."""
        self._notifications.settle()
        now = time.monotonic()
        due = self._patience is not None and now - self._alive_at >= self._patience
        if due and self._notifications.send("WATCHDOG=1"):
            self._alive_at = now

    def reloaded(self) -> None:
        """See `View`. Before READY, or after STOPPING, another READY would say what is not so."""
        if not self._is_active:
            return
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notifications.owe(f"RELOADING=1\nMONOTONIC_USEC={now}")
        self._notifications.owe("READY=1")

    def stopping(self) -> None:
        """See `View`."""
        self._is_active = False
        self._notifications.owe("STOPPING=1")

    def close(self) -> None:
        """Tell nothing more."""
        self._notifications.close()


def address(told: str) -> bytes:
    """Return the address that $NOTIFY_SOCKET names: a path, or an abstract name behind `@`; empty for other kinds."""
    name = os.fsencode(told)
    if name.startswith(b"@"):
        return b"\0" + name[1:]
    return name if name.startswith(b"/") else b""


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds between two signs of life: a third of what systemd grants; None without a watchdog."""
    granted = environ.get("WATCHDOG_USEC", "")
    if not granted.isdecimal() or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(granted) / 3e6
