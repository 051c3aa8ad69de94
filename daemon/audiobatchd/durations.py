"""How long something takes, as people write it: "2h", "90 min", "1 h 30 min", "45". The other way is `duration`'s."""

from __future__ import annotations

import re

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
LONGEST = 1e9
"""Seconds, more than thirty years: what is longer is a mistake."""


def parsed(text: str) -> float:
    """The seconds in `text`: numbers with their units, one after the other; a lone number is seconds.

    Raises ValueError, with a text for a user, where it is no duration, is 0, or is longer than `LONGEST`.
    """
    parts = []
    rest = text.strip()
    while rest:
        part = _PART.match(rest)
        if part is None or (part[2] and part[2].lower() not in _UNITS):
            raise _refused(text)
        parts.append((float(part[1]), part[2].lower()))
        rest = rest[part.end() :]
    if not parts or (len(parts) > 1 and not all(unit for _, unit in parts)):
        raise _refused(text)
    seconds = sum(number * _UNITS[unit or "s"] for number, unit in parts)
    if not 0 < seconds <= LONGEST:
        raise _refused(text)
    return seconds


def _refused(text: str) -> ValueError:
    return ValueError(f'expected a duration like "30s", "90 min" or "2h", got {text!r}')
