"""Frames of mono samples and their magnitude spectra, a block of frames at a time, as Essentia cuts and weighs them.

The first frame begins at the first sample; the last one is the first that reaches the end, filled up with zeros.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

BLOCK = 32
"""Frames in a block: few enough for the processor's cache, and for products that OpenBLAS starts no threads for."""


def frames_of(samples: NDArray[np.float32], size: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of frames of `size` samples, `hop` apart, each of shape (up to `BLOCK`, size); at least one frame."""
    count = 1 + max(0, -(-(len(samples) - size) // hop))
    for first in range(0, count, BLOCK):
        frames = min(BLOCK, count - first)
        length = (frames - 1) * hop + size
        part = samples[first * hop : first * hop + length]
        if len(part) < length:
            part = np.concatenate([part, np.zeros(length - len(part), np.float32)])
        yield sliding_window_view(part, size)[::hop]


def hann(size: int) -> NDArray[np.float64]:
    """The symmetric Hann window of `size`, scaled so that a sine's magnitude is its amplitude."""
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / (size - 1))
    window *= 2.0 / window.sum()
    return window


def magnitudes(frames: NDArray[np.float32], window: NDArray[np.float64]) -> NDArray[np.float64]:
    """Magnitude spectra of `frames`, of shape (frames, size / 2 + 1).

    In double precision: in single precision bins that hold next to nothing, such as those above a codec's low-pass,
    hold the transform's rounding errors instead, and some are exactly 0.
    """
    found: NDArray[np.float64] = np.abs(np.fft.rfft(frames * window, axis=1))
    return found
