"""The two clocks: monotonic for every duration and deadline, the wall for what people read."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What tells the time; tests bring their own."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never steps."""

    def wall(self) -> datetime:
        """The time of day in UTC; may step any moment."""


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def wall(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)


def time_of(moment: float, now: float, wall: datetime) -> str:
    """The time of day of a monotonic `moment`, in ISO 8601; `now` and `wall` are one moment on the two clocks."""
    return (wall - timedelta(seconds=now - moment)).isoformat(timespec="seconds")
