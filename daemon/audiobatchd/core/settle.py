"""Rest of a folder's files: the same signature on two readings, `settle` seconds apart, and no file on its way."""

from __future__ import annotations

from dataclasses import dataclass

from audiobatchd.core.backoff import Backoff

_OFTEN = 10
"""Readings after which one with a file on its way is put off, longer and longer."""
_LONGEST = 60.0
"""Seconds between two such readings at most."""


@dataclass(slots=True)
class Settling:
    """Way of one folder to rest."""

    signature: str = ""
    """The signature of its files when they were read last."""
    since: float = 0.0
    """The moment since when they have it."""
    readings: int = 0
    """Number of readings that found it restless."""

    def observe(self, signature: str, *, on_their_way: bool, settle: float, now: float) -> float | None:
        """Take one reading; None when the folder is settled, else when to read it again.

        `on_their_way`: a source file still has its temporary name.
        """
        if signature != self.signature:
            self.signature = signature
            self.disturbed(now)
        if on_their_way:
            self.readings += 1
            # A file may be on its way for days, or a marker never come: an event tells sooner.
            return now + Backoff(max(settle, 1.0), _LONGEST).wait(max(0, self.readings - _OFTEN))
        rests_at = self.since + settle
        return None if now >= rests_at else rests_at

    def disturbed(self, now: float) -> None:
        """Let it rest from the beginning: it moved just now."""
        self.since = now
        self.readings += 1
