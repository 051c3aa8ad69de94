"""The onset strength of a signal: how far its mel bands rise from one frame to the next, on average over the bands.

Owns spectra, mel bands and rises, each as librosa 0.11 has them by default, computed some frames at a time. Which
rises are onsets is `picking`'s to say.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

SIZE, HOP = 2048, 512
"""Length of a frame and distance between two, in samples at the file's own rate. Frame n is centred on sample n * HOP,
and beyond both ends of the file are zeros."""

BANDS = 128
"""Number of mel bands, from 0 Hz to half the rate."""

LAG = 1
"""Frames over which a rise is taken."""

_RANGE = 80.0
"""Distance in dB below the loudest band of the file: what lies further below counts as that."""
_LEAST_POWER = np.float32(1e-10)

_LATER = LAG + SIZE // (2 * HOP)
"""Number of the frame to which the first rise is given: later by half a frame's length, as librosa does."""

_BINS = SIZE // 2 + 1
_BATCH = 128
"""Frames of which spectra are held at once: they fit into a processor's cache."""
_GROUP = 16
"""Bands that are computed together, of the bins that they reach: most weights of the whole bank are 0."""

# Slaney's mel scale (Auditory Toolbox, 1998): linear up to 1 kHz, logarithmic above.
_HZ_A_MEL = 200.0 / 3.0
_BEND_HZ = 1000.0
_BEND = _BEND_HZ / _HZ_A_MEL
_LOG_STEP = np.log(6.4) / 27.0


def onset_strength(samples: Array, rate: int) -> Array:
    """Rise in dB at every frame of the mono `samples`, of which there is at least one.

    Not finite where they are too loud for single precision, which warns.
    """
    levels = _levels(samples, rate)
    np.maximum(levels, levels.max() - np.float32(_RANGE), out=levels)
    strength = np.zeros(len(levels), np.float32)
    for start in range(LAG, len(levels) - _LATER + LAG, _BATCH):
        here = levels[start - LAG : min(start + _BATCH, len(levels) - _LATER + LAG)]
        rises = np.maximum(here[LAG:] - here[:-LAG], 0.0).mean(axis=1)
        strength[start - LAG + _LATER :][: len(rises)] = rises
    return strength


def _levels(samples: Array, rate: int) -> Array:
    """Levels of the mel bands in dB, of shape (frames, bands)."""
    levels = np.empty((len(samples) // HOP + 1, BANDS), np.float32)
    groups = _bank(rate)
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(SIZE) / SIZE)
    for start, frames in _frames(samples, len(levels)):
        # In doubles: numpy takes twice as long for singles.
        spectra = np.fft.rfft(frames * window, axis=1)
        powers = (spectra.real**2 + spectra.imag**2).astype(np.float32)
        here = levels[start : start + len(frames)]
        for first, bins, weights in groups:
            here[:, first : first + _GROUP] = powers[:, bins] @ weights
    np.maximum(levels, _LEAST_POWER, out=levels)
    np.log10(levels, out=levels)
    levels *= np.float32(10.0)
    return levels


def _frames(samples: Array, count: int) -> Iterator[tuple[int, Array]]:
    """`count` frames of `samples`, some at a time with the number of the first; beyond both ends are zeros."""
    for start in range(0, count, _BATCH):
        number = min(_BATCH, count - start)
        first, last = start * HOP - SIZE // 2, (start + number - 1) * HOP + SIZE // 2
        piece = samples[max(first, 0) : last]
        if first < 0 or last > len(samples):
            before = max(-first, 0)
            piece = np.pad(piece, (before, last - first - before - len(piece)))
        yield start, np.lib.stride_tricks.sliding_window_view(piece, SIZE)[::HOP]


@lru_cache(maxsize=8)
def _bank(rate: int) -> tuple[tuple[int, slice, Array], ...]:
    """Mel filters by groups: the number of the first band, the bins that the group reaches, weights (bins, bands).

    Triangles of the same area, by Slaney.
    """
    top = rate / 2.0
    highest = _BEND + np.log(top / _BEND_HZ) / _LOG_STEP if top > _BEND_HZ else top / _HZ_A_MEL
    mels = np.linspace(0.0, highest, BANDS + 2)
    edges = np.where(mels < _BEND, mels * _HZ_A_MEL, _BEND_HZ * np.exp(_LOG_STEP * (mels - _BEND)))[:, np.newaxis]
    bins = np.arange(_BINS) * rate / SIZE
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(np.minimum(rising, falling), 0.0) * 2.0 / (edges[2:] - edges[:-2])
    groups = []
    for first in range(0, BANDS, _GROUP):
        group = weights[first : first + _GROUP]
        reached = np.flatnonzero(group.any(axis=0))
        span = slice(int(reached[0]), int(reached[-1]) + 1) if len(reached) else slice(0, 1)
        groups.append((first, span, np.ascontiguousarray(group[:, span].T, np.float32)))
    return tuple(groups)
