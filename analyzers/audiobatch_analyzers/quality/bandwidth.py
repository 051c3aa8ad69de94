"""Bandwidth: the frequency above which a file holds nothing, as behind the low-pass of a lossy codec.

The spectrum is compared with what rounding to 16 bits leaves, in bands of 100 Hz, and what counts is how often a band
is above that. A mean over time would not do: one click would raise it, and cymbals once a minute would not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.quality.pieces import FRAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

BAND = 100.0
"""Width of a band in Hz: a codec's low-pass falls within one or two."""

FLOOR = -86.0
"""Level in dBFS of white noise that is taken for nothing: 10 dB above the triangular dither of 16 bits (-96.3)."""

LEAST_SHARE = 0.01
"""Share of the sounding pieces in which a band must be above the floor: a click is in one or two."""

_FLOOR_POWER: float = 10.0 ** (FLOOR / 10.0)
_SILENCE_POWER = 1e-7
_LOUDEST_POWER = 1e12
"""Power from which a piece is brought to full scale: single precision would not hold the powers of its spectrum."""


def blackman_harris(frames: int) -> NDArray[np.float64]:
    """Return the window of four terms by Harris (1978), periodic.

    Its side lobes are 92 dB down from the fourth bin on: what is loud leaks no further.
    """
    turn = 2.0 * np.pi * np.arange(frames) / frames
    terms = (0.35875, -0.48829, 0.14128, -0.01168)
    window: NDArray[np.float64] = sum((a * np.cos(k * turn) for k, a in enumerate(terms)), np.zeros(frames))
    return window


class Bandwidth:
    """Counts in how many pieces of a file at `rate` Hz each band is above the floor, in any of its channels."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        window = blackman_harris(FRAMES)
        # Of white noise every bin then has the power of the noise.
        self._window = (window / math.sqrt(float(np.sum(window * window)))).astype(np.float32)
        bands = (np.arange(FRAMES // 2 + 1) * (rate / FRAMES) // BAND).astype(np.int64)
        self._starts = np.flatnonzero(np.diff(bands, prepend=-1))
        self._widths = np.diff(self._starts, append=len(bands))
        self._bands = bands[self._starts]
        self._above = np.zeros(len(self._starts), np.int64)
        self._sounding = 0

    def add(self, piece: NDArray[np.float32], powers: NDArray[np.float64]) -> None:
        """Take in a piece of shape (channels, `FRAMES`) with its channels' mean `powers`."""
        loud = powers >= _SILENCE_POWER
        if not loud.any():
            return
        self._sounding += 1
        if (loudest := float(powers.max())) > _LOUDEST_POWER:
            piece = piece / np.float32(math.sqrt(loudest))
        spectrum = np.fft.rfft(piece[loud] * self._window, axis=1)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        levels = np.add.reduceat(power, self._starts, axis=1) / self._widths
        self._above += (levels > _FLOOR_POWER).any(axis=0)

    def finish(self) -> int | None:
        """Give the upper edge in Hz of the highest band that holds anything; None where nothing sounded."""
        found = np.flatnonzero(self._above >= max(1.0, LEAST_SHARE * self._sounding))
        if not len(found):
            return None
        return round(min((int(self._bands[found[-1]]) + 1) * BAND, self._rate / 2))
