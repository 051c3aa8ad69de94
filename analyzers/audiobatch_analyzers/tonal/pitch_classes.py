"""Harmonic pitch class profile (Gomez 2006) of mono samples at 44.1 kHz: how much of each of twelve pitch classes.

Spectral peaks and profiles are Essentia's (SpectralPeaks, HPCP), the frames and their spectra `spectral.frames`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.spectral.frames import frames_of, hann, magnitudes

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 44100
SIZE, HOP = 4096, 2048
"""Samples of a frame, and from one to the next: 93 and 46 ms."""

CLASSES = 12

MIDDLE_C = 261.63
"""Frequency in Hz of the first pitch class, in the tuning of A at 440 Hz."""

PEAK = 0.95
"""Largest magnitude that samples are brought to, so that the faintest peaks that count are as faint in quiet files."""

LEAST_MAGNITUDE = 1e-5
"""Magnitude of a spectral peak that counts: 100 dB below a sine at full scale."""


class PitchClasses:
    """Finds the profile of mono samples at 44.1 kHz; `standard` is the module `essentia.standard`."""

    def __init__(self, standard: Any) -> None:  # noqa: ANN401  # the module has no types
        self._window = hann(SIZE)
        self._peaks = standard.SpectralPeaks(
            sampleRate=RATE, magnitudeThreshold=LEAST_MAGNITUDE, maxPeaks=100, orderBy="magnitude"
        )
        self._profile = standard.HPCP(
            sampleRate=RATE,
            size=CLASSES,
            referenceFrequency=MIDDLE_C,
            minFrequency=40.0,
            maxFrequency=5000.0,
            harmonics=8,
            weightType="cosine",
            nonLinear=True,
            normalized="unitMax",
        )

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float64] | None:
        """The mean profile over all frames, from C to B, its largest 1.0; None where no frame has a spectral peak."""
        loudest = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
        if not loudest:
            return None
        window = self._window * (PEAK / loudest)
        total = np.zeros(CLASSES)
        for frames in frames_of(samples, SIZE, HOP):
            for spectrum in magnitudes(frames, window).astype(np.float32):
                total += self._profile(*self._peaks(spectrum))
        largest = float(total.max())
        return total / largest if largest > 0.0 else None
