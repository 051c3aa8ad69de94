"""List of what one pass measures again although records have it from other tools: a file of JSON, one folder a line.

`{"folder": "Artist - Song", "features": ["lufs", "lra"]}`: the folder's path below its dataset, as it is shown.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from audiobatchd.disk import bounded
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.expectations import misfit
from audiobatchd.vocabulary.names import parsed

_LIMIT = 1 << 28
"""Bytes that a list may have: some million folders."""


class _Line(Struct, frozen=True, forbid_unknown_fields=True):
    """Line of the list."""

    folder: str
    """Its path below the dataset, as it is shown."""
    features: tuple[str, ...]
    """Names of what is to be measured again."""


_LINES = msgspec.json.Decoder(_Line)


def read_list(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a list: features by the folder's path below its dataset. Raises UsageError."""
    try:
        content, _ = bounded.read(path, _LIMIT)
        found = _LINES.decode_lines(content)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise UsageError(message) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f"cannot understand {path}: {_why(content, error)}"
        raise UsageError(message) from error
    return {"" if each.folder == "." else parsed(each.folder): each.features for each in found}


def _why(content: bytes, error: Exception) -> str:
    """Say which line of a list is none, and why."""
    for number, line in enumerate(content.splitlines(), 1):
        try:
            found = msgspec.json.decode(line) if line.strip() else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as broken:
            return f"line {number}: {broken}"
        if found is not None and (wrong := misfit(_Line, found)) is not None:
            return f"line {number}: {wrong}"
    return str(error)


def write_line(file: BinaryIO, folder: str, features: tuple[str, ...]) -> None:
    """Add a folder, as it is shown, with its features to a list. Raises OSError."""
    file.write(msgspec.json.encode(_Line(folder, features)) + b"\n")
