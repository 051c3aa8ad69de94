"""The two clocks: monotonic for every duration and deadline, the wall for what people read.

While the service stands still (SIGSTOP, a frozen cgroup, a paused container, a machine that gives it no time) its
monotonic clock does too, as the kernel's does while the machine sleeps: no deadline comes nearer by it.
"""

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A teller of the time; tests bring their own."""

    def monotonic(self) -> float:
        """Return the seconds since some fixed moment, without those in which the service stood still."""

    def since_boot(self) -> float:
        """Return the seconds since the machine started, in which it may have slept, and the service stood still."""

    def wall(self) -> datetime:
        """Return the time of day in UTC, which may step at any moment."""

    def beat(self, most: float) -> float:
        """Let no more than `most` seconds pass until the next beat: in what is beyond, the service stands still.

        Returns for how many seconds it stood still before this one.
        """


class SystemClock:
    """The machine's clocks."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._reckoning = math.inf, 0.0
        """Moment from which on the service stands still, unless a beat comes before, and for how long it has before.

        One thing, for threads may ask in the midst of a beat.
        """

    def monotonic(self) -> float:
        """See `Clock`."""
        stands_from, left_out = self._reckoning
        return min(self._monotonic(), stands_from) - left_out

    def since_boot(self) -> float:
        """See `Clock`."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> datetime:
        """See `Clock`."""
        return datetime.now(UTC)

    def beat(self, most: float) -> float:
        """See `Clock`."""
        now = self._monotonic()
        stands_from, left_out = self._reckoning
        stood_still = max(0.0, now - stands_from)
        self._reckoning = now + most, left_out + stood_still
        return stood_still


def time_of(moment: float, now: float, wall: datetime) -> str:
    """Return the time of day of a monotonic `moment` (ISO 8601); `now` and `wall` are one moment on the two clocks."""
    return (wall - timedelta(seconds=now - moment)).isoformat(timespec="seconds")
