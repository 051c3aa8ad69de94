"""Shape of magnitude spectra: flatness, flux, skewness and kurtosis of frames, and what a file makes of them.

The definitions are those of Essentia's Flatness, Flux (norm L2), CentralMoments and DistributionShape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.spectral.frames import frames_of, hann, magnitudes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

SIZE, HOP = 2048, 512
"""Samples of a frame, and from one to the next: 46 and 12 ms."""

MEASURES = ("flatness", "flux", "skewness", "kurtosis")
"""Names of the columns of `shapes`."""

_BINS = SIZE // 2 + 1
_NORMAL_KURTOSIS = 3.0


def medians(samples: NDArray[np.float32]) -> dict[str, float]:
    """The median of each measure over the frames of the mono `samples` that are not silent; empty where all are.

    A frame is silent when all its samples are equal, which leaves no spectrum but an offset, or when the window leaves
    nothing of it. The flux of the frame behind a silent one is still the distance from it.
    """
    window = hann(SIZE)
    before: Matrix = np.zeros(_BINS)
    found = []
    for frames in frames_of(samples, SIZE, HOP):
        spectra = magnitudes(frames, window)
        heard = (frames.max(axis=1) > frames.min(axis=1)) & spectra.any(axis=1)
        if heard.any():
            found.append(shapes(spectra, before)[heard])
        before = spectra[-1]
    if not found:
        return {}
    values = np.median(np.concatenate(found), axis=0)
    return dict(zip(MEASURES, values.tolist(), strict=True))


def shapes(spectra: Matrix, before: Matrix) -> Matrix:
    """The measures of each of `spectra`, of shape (frames, 4); `before` is the spectrum in front of them.

    Rows of spectra that are all 0 are of no meaning. A spectrum with a bin of exactly 0 has a flatness of 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sums, centroids, squares, cubes, fourths = _moments(spectra).T
        geometric_means = np.exp(np.log(spectra).mean(axis=1))
        # About the centroid, by the binomial theorem. Doubles lose nothing that shows: even a sine's fourth moment is
        # made of what leaks into distant bins, ten million times what is rounded off.
        variances = squares - centroids**2
        third = cubes - 3 * centroids * squares + 2 * centroids**3
        fourth = fourths - 4 * centroids * cubes + 6 * centroids**2 * squares - 3 * centroids**4
        flatness = geometric_means * _BINS / sums
        skewness = third / variances**1.5
        kurtosis = fourth / variances**2 - _NORMAL_KURTOSIS
    steps = np.diff(np.concatenate([before[np.newaxis], spectra]), axis=0)
    return np.stack([flatness, np.sqrt(np.einsum("fb,fb->f", steps, steps)), skewness, kurtosis], axis=1)


_POWERS = np.linspace(-1.0, 1.0, _BINS)[:, np.newaxis] ** np.arange(5)


def _moments(spectra: Matrix) -> Matrix:
    """Sum of each spectrum, and its moments of order 1 to 4 over frequency, which goes from -1 to 1."""
    moments: Matrix = spectra @ _POWERS
    moments[:, 1:] /= moments[:, :1]
    return moments
