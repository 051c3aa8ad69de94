"""Ties between tempos: what breaks them is drawn alike for every file.

Essentia's TempoTapDegara adds a ten thousandth of random numbers to what it finds periods in, so that of equal ones one
wins. Where seconds are digital silence all periods are equal, and these numbers alone decide. It takes them from the C
library's `rand`, which goes on from file to file: beats hung on what a process had measured before.
"""

from __future__ import annotations

import ctypes

_SEED = 1
"""The seed of a process that has not set one: what was measured first in a process stays as it was."""

_libc = ctypes.CDLL(None)


def draw_alike() -> None:
    """Begin the C library's random numbers again. To be called before every extraction: nothing else here draws any."""
    _libc.srand(_SEED)
