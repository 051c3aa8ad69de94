"""Shortages of this process, or of the machine: no folder's doing, and told once for as long as they last."""

from __future__ import annotations

import math

from audiobatchd.core import actions as do
from audiobatchd.vocabulary.log_events import LogEvent

_OVER = 5.0
"""Seconds after which a shortage that nothing meets is over."""


class Shortage:
    """The last shortage that was met, of descriptors, processes or memory."""

    def __init__(self) -> None:
        self._reason = ""
        self._met_at = -math.inf

    def reason(self, now: float) -> str:
        """Name what is short; empty where that was met for the last time a while ago."""
        return self._reason if now - self._met_at < _OVER else ""

    def met(self, reason: str, now: float) -> list[do.Action]:
        """Take note of a shortage, and tell of it where it is news."""
        known, self._reason, self._met_at = self.reason(now), reason, now
        return [] if known else [do.Report(LogEvent.SERVICE_SHORT, {"reason": reason})]
