"""Times of beats and onsets: files of numbers, a line each, beside a record."""

from __future__ import annotations

import contextlib
import math
import os
import stat
from collections.abc import Iterator

from audiobatchd.vocabulary.files import FolderKey
from audiobatchd.web.folder import beneath, opened_folder

_MOST_BYTES, _MOST = 2 << 20, 100_000
"""Bytes of a file that are read, and times that are taken of it."""


def marks_beside(key: FolderKey, suffixes: tuple[str, ...]) -> list[list[float]]:
    """Read the times in the files of these suffixes; none of what is not there, cannot be read, or is no number."""
    found: list[list[float]] = [[] for _ in suffixes]
    stem = os.path.basename(os.path.normpath(os.path.join(key.dataset, key.path)))
    with contextlib.suppress(OSError), opened_folder(key) as folder:
        for place, suffix in enumerate(suffixes):
            with contextlib.suppress(OSError):
                found[place] = [each for each, _ in zip(_times(folder, stem + suffix), range(_MOST), strict=False)]
    return found


def _times(folder: int, name: str) -> Iterator[float]:
    descriptor = beneath(folder, name, os.O_RDONLY | os.O_NOCTTY)
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.pread(descriptor, _MOST_BYTES, 0) if is_file else b""
    finally:
        os.close(descriptor)
    for line in text.splitlines():
        with contextlib.suppress(ValueError):
            if math.isfinite(time := float(line)):
                yield time
