"""False stereo: two channels that hold one signal.

The rule is that of Essentia's FalseStereoDetector, piece by piece: Pearson's correlation of the channels is above
0.9995 (their difference lies 30 dB or more below them). Pieces in which both are silent tell nothing: dither differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CORRELATION = 0.9995
"""Correlation above which two channels are one signal."""

SILENCE = -70.0
"""Mean power in dBFS below which a channel is silent."""

MOST_DIFFERENT = 0.05
"""Share of the sounding pieces that may differ: where a fade comes down to its dither, or a codec's noise."""

_SILENCE_POWER: float = 10.0 ** (SILENCE / 10.0)


class FalseStereo:
    """Counts the pieces of a file with two channels in which something sounds, and those in which they are one."""

    def __init__(self) -> None:
        self._sounding = self._alike = 0

    def add(self, piece: NDArray[np.float64], powers: NDArray[np.float64]) -> None:
        """Take in a piece of shape (2, frames) with its channels' mean `powers`."""
        if not (powers >= _SILENCE_POWER).any():
            return
        self._sounding += 1
        left, right = piece - piece.mean(axis=1, keepdims=True)
        spread = float(np.sqrt(np.sum(left * left) * np.sum(right * right)))
        self._alike += spread > 0.0 and float(np.sum(left * right)) > CORRELATION * spread

    def finish(self) -> bool | None:
        """Tell whether both channels hold one signal; None where nothing sounded."""
        if not self._sounding:
            return None
        return self._alike >= (1.0 - MOST_DIFFERENT) * self._sounding
