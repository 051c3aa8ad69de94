"""When a folder's files have come to rest.

That is: the same signature on two readings, `settle` seconds apart, and no file still on its way.
"""

from __future__ import annotations

from dataclasses import dataclass

_OFTEN = 10
_LONGEST = 60.0
_DOUBLINGS = 10


@dataclass(slots=True)
class Settling:
    """One folder's way to rest. `readings` counts how often it was found restless."""

    signature: str = ""
    since: float = 0.0
    readings: int = 0

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
            return now + min(_LONGEST, max(settle, 1.0) * 2.0 ** min(_DOUBLINGS, max(0, self.readings - _OFTEN)))
        rests_at = self.since + settle
        return None if now >= rests_at else rests_at

    def disturbed(self, now: float) -> None:
        """It moved just now, whoever saw it: it has to rest anew."""
        self.since = now
        self.readings += 1
