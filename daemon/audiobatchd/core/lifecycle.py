"""Life of the service as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DaemonState(StrEnum):
    """State of the service."""

    STARTING = "starting"
    """The first walks have not ended, or those in which one pass looks for folders of other shards."""
    RUNNING = "running"
    DRAINING = "draining"
    """There are no new jobs; running ones may finish."""
    STOPPED = "stopped"
    """Nothing runs."""


@dataclass(slots=True)
class Lifecycle:
    """State machine of the service."""

    stop_grace: float
    """Seconds that running jobs have to finish."""
    state: DaemonState = DaemonState.STARTING
    code: int = 0
    """The exit code at the end."""
    kill_at: float | None = None
    """Moment when a drain has lasted long enough."""

    def walked(self) -> bool:
        """Take in that every dataset has been walked; True where this is the moment of readiness."""
        if self.state is not DaemonState.STARTING:
            return False
        self.state = DaemonState.RUNNING
        return True

    def walks_again(self) -> None:
        """Take in that a pass over other folders begins, with walks of every dataset."""
        self.state = DaemonState.STARTING

    def asked_to_stop(self, code: int, now: float, *, at_once: bool) -> bool:
        """Begin to drain, or stop draining and kill; True where this begins the end."""
        match self.state:
            case DaemonState.STARTING | DaemonState.RUNNING:
                self.state = DaemonState.DRAINING
                self.code = code
                self.kill_at = now if at_once else now + self.stop_grace
                return True
            case DaemonState.DRAINING:
                self.kill_at = now  # asked twice: at once
                return False
            case DaemonState.STOPPED:
                return False

    def patience_ended(self, now: float) -> bool:
        """Tell, once, that the drain has lasted long enough."""
        if self.kill_at is None or now < self.kill_at:
            return False
        self.kill_at = None
        return True

    def emptied(self) -> bool:
        """Take in that no worker is left; True where this ends a drain."""
        if self.state is not DaemonState.DRAINING:
            return False
        self.state = DaemonState.STOPPED
        return True

    @property
    def works(self) -> bool:
        """Tell whether jobs are given out and workers are started."""
        return self.state in (DaemonState.STARTING, DaemonState.RUNNING)
