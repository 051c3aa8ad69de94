"""The notifications to systemd: READY, STATUS, WATCHDOG, STOPPING. Without systemd every call does nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from systemd import daemon

from audiobatchd.control.status import Status
from audiobatchd.vocabulary.states import FolderState


class SystemdView:
    """Tells systemd about the service; says nothing twice."""

    def __init__(self) -> None:
        self._said = ""
        self._patience = watchdog_interval(os.environ, os.getpid())
        self._alive_at = 0.0
        self._spare = _spare()

    def update(self, status: Status) -> None:
        """Tell the STATUS line: how much of how many, and how fast."""
        total = sum(dataset.total for dataset in status.datasets)
        complete = sum(dataset.folders[FolderState.COMPLETE] for dataset in status.datasets)
        failed = sum(dataset.folders[FolderState.FAILED] for dataset in status.datasets)
        text = f"{status.remark}; " if status.remark else ""
        text += f"{status.state}: {complete} of {total} folders complete, {failed} failed"
        if status.audio_seconds_per_second:
            text += f", {status.audio_seconds_per_second:.0f} seconds of audio per second"
        if text != self._said and self._notify(f"STATUS={text}"):
            self._said = text

    def ready(self) -> None:
        """See `View`."""
        self._notify("READY=1")

    def alive(self) -> None:
        """Tell the watchdog, no more often than it has to hear: this is called with everything that happens."""
        now = time.monotonic()
        if self._patience is not None and now - self._alive_at >= self._patience:
            self._alive_at = now
            self._notify("WATCHDOG=1")

    def reloading(self) -> None:
        """See `View`."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """See `View`."""
        self._notify("STOPPING=1")

    def _notify(self, text: str) -> bool:
        """Tell systemd; a descriptor is kept for that, so that the watchdog hears of us also when they are used up.

        Returns whether it took the text.
        """
        if self._spare is not None:
            os.close(self._spare)
        try:
            daemon.notify(text)
        except OSError:
            return False  # it is told again
        finally:
            self._spare = _spare()
        return True


def _spare() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Return the seconds between two signs of life: a third of what systemd grants; None without a watchdog."""
    granted = environ.get("WATCHDOG_USEC", "")
    if not granted.isdecimal() or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(granted) / 3e6
