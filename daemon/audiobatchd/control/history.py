"""The shapes of the question what jobs have come to over time, and of the answer. Data only.

Moments are seconds since 1970 in UTC.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Moment = Annotated[int, Meta(ge=0, le=1 << 40)]


class AskHistory(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Asks for the history of a dataset, or of all."""

    dataset: str = ""
    """Empty: all of the service's."""
    since: _Moment = 0
    """The hour that this moment lies in comes first."""


class Span(Struct, frozen=True):
    """An hour, or a day in UTC, and the jobs that ended in it."""

    start: int
    """Moment when it begins, in seconds since 1970, UTC."""
    seconds: int
    """Length: 3600 or 86400."""
    done: int = 0
    """Folders that were completed."""
    failed: int = 0
    """Jobs that came to no good end: failed, blocked, error or suspect."""
    outcomes: dict[str, int] = {}
    """Number of jobs by their ends."""
    audio_seconds: float = 0.0
    """Length of the audio of folders that were completed."""
    busy_seconds: float = 0.0
    """Seconds in which at least one job was under way, told at its end."""
    costs: dict[str, float] = {}
    """Seconds of processor time, by analyzer and for `decoding`."""
    causes: dict[str, int] = {}
    """Number of the `failed` by reason; `#` stands for numbers, and `others` for what is beyond the first ones."""


class History(Struct, frozen=True):
    """Spans in which jobs ended, the oldest first. None is told twice: an hour is in no day that is told."""

    spans: tuple[Span, ...]
    """The spans with a count; empty ones are left out."""
