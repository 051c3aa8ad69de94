"""Tonal interval vector (Bernardes et al. 2016): a profile of pitch classes as a place in a space of intervals.

Six complex coordinates, the weighted discrete Fourier transform of the profile, here of length 1 all together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEIGHTS = np.array([3.0, 8.0, 11.5, 15.0, 14.5, 7.5])
"""Weights of the coordinates for profiles of audio, by how dissonant listeners find the intervals."""

_NOTHING = 1e-9
"""Length of a vector that rounding errors alone make."""


def interval_vector(profile: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Twelve numbers of `profile`, real and imaginary parts in turn; None where all its classes are alike."""
    coordinates = WEIGHTS * np.fft.fft(profile / profile.sum())[1 : len(WEIGHTS) + 1]
    vector: NDArray[np.float64] = np.stack([coordinates.real, coordinates.imag], axis=1).ravel()
    length = float(np.linalg.norm(vector))
    return vector / length if length > _NOTHING else None
