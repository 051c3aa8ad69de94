"""Pins: the digests that a model's files had when they first came here, in `<name>.sha256` beside them.

The manifest knows few digests. A pin is how the others are held to what was fetched first. The format is that of
sha256sum, so that `sha256sum -c <name>.sha256` checks them, too.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from audiobatchd.disk import bounded
from audiobatchd.errors import ModelError
from audiobatchd.vocabulary.names import shown

_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_LARGEST = 1 << 16


def read(path: Path) -> dict[str, str]:
    """Digests by file name; empty where there is no such file. Raises ModelError where it is not of that format."""
    pins: dict[str, str] = {}
    try:
        content, _ = bounded.read(path, _LARGEST)
    except FileNotFoundError:
        return pins
    except OSError as error:
        message = f"cannot read {shown(str(path))}: {error.strerror}"
        raise ModelError(message) from error
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
        found = _LINE.fullmatch(line)
        if not found:
            message = f"cannot use {shown(str(path))}: line {number} is not a SHA-256 and a file name"
            raise ModelError(message)
        pins[found[2]] = found[1]
    return pins


def write(path: Path, pins: Mapping[str, str]) -> None:
    """Replace the pins in one step. Raises ModelError where they cannot be written."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{digest}  {name}\n" for name, digest in sorted(pins.items()))
                file.flush()
                os.fchmod(descriptor, 0o644)
                os.fsync(descriptor)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        message = f"cannot write {shown(str(path))}: {error.strerror}"
        raise ModelError(message) from error
