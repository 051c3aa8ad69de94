"""Text of tags: several values in one, without what no text should hold, and the year that a date names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 1000
"""Characters that a value may have."""
SEPARATOR = "; "
"""Text between several values of one tag, as players show them."""

_DATE = re.compile(r"(?<![0-9])([0-9]{4})(?:[01][0-9][0-3][0-9])?(?![0-9])")


def joined(values: Iterable[str]) -> str:
    """Return the values in their order, each once, with `SEPARATOR` between them; "" where none says anything.

    Control characters become spaces, halves of surrogate pairs U+FFFD; all else stays, composed or not.
    """
    return SEPARATOR.join(dict.fromkeys(text for value in values if (text := _plain(value))))


def year_in(text: str) -> int | None:
    """Return the first year of four digits in `text`, as in 2003, 2003-05-01, 20030501 and May 2003; None without."""
    years = (int(digits) for digits in _DATE.findall(text))
    return next((year for year in years if year), None)


def _plain(value: str) -> str:
    # Nothing behind what is too long already is looked at: a tag may hold megabytes.
    return "".join(map(_character, value[: 2 * LONGEST])).strip()


def _character(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cs":
        return "\ufffd"
    return " " if kind == "Cc" else character
