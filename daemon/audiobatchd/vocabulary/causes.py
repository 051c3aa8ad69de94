"""Reasons of failures, made alike so that those of one kind can be counted together."""

from __future__ import annotations

import re

MOST_CHARACTERS = 200
"""Characters of a cause, at most."""
_NUMBER = re.compile(r"\d+")


def alike(reason: str) -> str:
    """Take a reason for the same as another that differs in numbers alone: at which second a file is damaged, say."""
    return _NUMBER.sub("#", reason)[:MOST_CHARACTERS]
