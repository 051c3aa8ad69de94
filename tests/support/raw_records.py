"""A record as it stands in its file: what a test compares byte for byte."""

from __future__ import annotations

import re
from pathlib import Path

from audiobatchd.disk.members import members

_ANY_OF_A_STRING = rb'"(?:[^"\\]|\\.)*"'


def raw_values(path: Path) -> dict[str, bytes]:
    """Read every value in the file at `path`, without the white space between its parts."""
    return {member.key: tight(member.value) for member in members(path.read_bytes())}


def tight(text: bytes) -> bytes:
    """JSON without white space outside of strings."""
    return re.sub(rb"(" + _ANY_OF_A_STRING + rb")|\s+", lambda match: match[1] or b"", text, flags=re.DOTALL)
