"""Decoding a file as a worker does, for tests and benchmarks."""

from __future__ import annotations

import os
from pathlib import Path

from audiobatchd.audio.decode import decode
from audiobatchd.audio.source import open_source
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX

_LONGEST = 7200.0


def read(path: Path) -> Decoded:
    """Decode the whole file."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        with open_source(directory, os.fsencode(path.name)) as source:
            return decode(source, FULL_MIX, _LONGEST)
    finally:
        os.close(directory)
