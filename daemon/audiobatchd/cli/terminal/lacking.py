"""The models that analyzers lack, in one line for all: each analyzer says for itself which it is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from audiobatchd.cli.terminal.text import cells
from audiobatchd.models.manifest import BY_NAME
from audiobatchd.vocabulary.quantities import counted

FETCH = "audiobatchctl models fetch"
"""Command that fetches all models that the analyzers which are on work with."""

_ASKED = re.compile(rf"{FETCH} ([\w.+-]+)")


def is_fetchable(reason: str) -> bool:
    """Tell whether an analyzer is unavailable for nothing but a published model."""
    found = _ASKED.search(reason)
    return found is not None and found[1] in BY_NAME


def lacking_line(reasons: Mapping[str, str], width: int) -> str:
    """Say which of these unavailable analyzers need models, and how they get them; empty where none does.

    Where they are too many for a line of `width`, the last are counted, or all.
    """
    names = [name for name, reason in reasons.items() if is_fetchable(reason)]
    if not names:
        return ""
    listed = len(names)
    while listed and cells(_line(names, listed)) > width:
        listed -= 1
    return _line(names, listed)


def _line(names: list[str], listed: int) -> str:
    """Name so many of them, and count the others; count all where none is named."""
    more = f" and {len(names) - listed} more" if listed < len(names) else ""
    told = f"{', '.join(names[:listed])}{more}" if listed else counted(len(names), "analyzer")
    return f"{told} {'needs' if len(names) == 1 else 'need'} models: {FETCH}"
