"""Durations, numbers and sizes as people write and read them: "90 min", "6,240 folders", "16 MiB"."""

from __future__ import annotations

import math
import re
from datetime import datetime

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIBI = 1024
_BITS = {"TiB": 40, "GiB": 30, "MiB": 20, "KiB": 10}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]iB)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
LONGEST = 1e9
"""Seconds, more than thirty years: what is longer is a mistake."""


def seconds_in(text: str) -> float:
    """Read a length of time: numbers with their units, one after the other; a lone number is seconds.

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


def moment(text: str, now: float) -> float:
    """Read a moment that has passed: "2h" or "7 days" before `now`, or a day by this machine's clock, "2026-11-01".

    A day may have a time behind it, "2026-11-01 14:30". In seconds since 1970, as `now` is. Raises ValueError, with a
    text for a user, where it is none, or lies ahead.
    """
    try:
        is_day = _DATE.match(text.strip())
        found = datetime.fromisoformat(text.strip()).timestamp() if is_day else now - seconds_in(text)
    except (ValueError, OverflowError, OSError) as error:
        message = f'expected a duration like "2h" or "7d", or a day like "2026-11-01", got {text!r}'
        raise ValueError(message) from error
    if found > now:
        message = f"expected a moment that has passed, got {text!r}"
        raise ValueError(message)
    return found


def _refused(text: str) -> ValueError:
    return ValueError(f'expected a duration like "30s", "90 min" or "2h", got {text!r}')


def duration(seconds: float) -> str:
    """Say a length of time in its two largest units: "12 s", "3 min 5 s", "2 h 10 min", "3 d 4 h"."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "min", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "min")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, large: int, large_unit: str, small: int, small_unit: str) -> str:
    rest = whole % large // small
    return f"{whole // large} {large_unit}" + (f" {rest} {small_unit}" if rest else "")


def counted(number: int, noun: str) -> str:
    """Say a number with its noun: "1 folder", "6,240 folders"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def sized(octets: float) -> str:
    """Say a number of bytes in its largest unit: "410 MiB", "3.2 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if octets < _KIBI:
            return f"{octets:.0f} {unit}"
        octets /= _KIBI
    return f"{octets:,.1f} GiB"


def significant(number: float) -> str:
    """Say a positive number to two digits at least: "0.83", "8.3", "83", "1,240"."""
    if number >= 10:  # noqa: PLR2004  # two digits, as it says
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 1 else f"{number:.2f}"


def exact_size(size: int) -> str:
    """Say a size in its largest unit that leaves no rest: "16 MiB", "1,000 bytes"."""
    for unit, bits in _BITS.items():
        if size >> bits << bits == size > 0:
            return f"{size >> bits:,} {unit}"
    return f"{size:,} bytes"


def numbers_in(text: str) -> frozenset[int]:
    """Read a list of numbers and ranges as the kernel writes lists of processors: "0-3,6". Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def size_in_bytes(text: str) -> int:
    """Read a size: "4 GiB", "100.5MiB". Raises ValueError where it is none, or more than a float can tell."""
    found = _SIZE.fullmatch(text)
    size = float(found[1]) * (1 << _BITS[found[2]]) if found else math.inf
    if math.isinf(size):
        message = f'expected a size like "16 MiB" or "4 GiB", got {text!r}'
        raise ValueError(message)
    return int(size)
