"""What systemd is told: READY, STATUS, STOPPING. Without systemd every call does nothing."""

from __future__ import annotations

from systemd import daemon

from audiobatchd.model import FolderState
from audiobatchd.status import Status


class SystemdView:
    """Tells systemd about the service; says nothing twice."""

    def __init__(self) -> None:
        self._said = ""

    def update(self, status: Status) -> None:
        """The STATUS line: how much of how many, and how fast."""
        total = sum(dataset.total for dataset in status.datasets)
        complete = sum(dataset.folders[FolderState.COMPLETE] for dataset in status.datasets)
        failed = sum(dataset.folders[FolderState.FAILED] for dataset in status.datasets)
        text = f"{status.state}: {complete} of {total} folders complete, {failed} failed"
        if status.audio_seconds_per_second:
            text += f", {status.audio_seconds_per_second:.0f} seconds of audio per second"
        if text != self._said:
            self._said = text
            daemon.notify(f"STATUS={text}")

    def ready(self) -> None:
        """The service has started."""
        daemon.notify("READY=1")

    def stopping(self) -> None:
        """The service begins to end."""
        daemon.notify("STOPPING=1")
