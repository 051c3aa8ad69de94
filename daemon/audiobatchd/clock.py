"""The two clocks: monotonic for every duration and deadline, the wall for what people read."""

import time
from datetime import UTC, datetime
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
