"""The life of the daemon as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DaemonState(StrEnum):
    """STARTING: until the first walks are queued.

    DRAINING: no new jobs, running ones may finish. STOPPED: nothing runs.
    """

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(slots=True)
class Lifecycle:
    """The daemon's state machine. `kill_at` is when a drain has lasted long enough."""

    stop_grace: float
    state: DaemonState = DaemonState.STARTING
    code: int = 0
    kill_at: float | None = None

    def walked(self) -> bool:
        """The first walk of every dataset ended; True where this is the moment of readiness."""
        if self.state is not DaemonState.STARTING:
            return False
        self.state = DaemonState.RUNNING
        return True

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
        """True once, when the drain has lasted long enough."""
        if self.kill_at is None or now < self.kill_at:
            return False
        self.kill_at = None
        return True

    def emptied(self) -> bool:
        """No worker is left; True where this ends a drain."""
        if self.state is not DaemonState.DRAINING:
            return False
        self.state = DaemonState.STOPPED
        return True

    @property
    def works(self) -> bool:
        """Whether jobs are given out and workers are started."""
        return self.state in (DaemonState.STARTING, DaemonState.RUNNING)
