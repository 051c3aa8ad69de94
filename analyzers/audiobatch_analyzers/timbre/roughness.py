"""Roughness: how the partials of a sound beat against each other.

The SRA model of P. N. Vassilakis (2007) over the curve of R. Plomp and W. Levelt as W. Sethares fitted it. As the score
was fitted, the louder of two partials stands where the model has the softer one, and 3.51 for its 3.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hamming

from audiobatch_analyzers.timbre.programme import RATE
from audiobatch_analyzers.timbre.spectra import by_height, contrasting, refined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_LEAD = 512
_FRAME = int(0.05 * RATE)
_SIZE = 1 << _FRAME.bit_length()
_CONTRAST = 0.01
_BATCH = 64

_SLOW, _FAST = 3.51, 5.75
_X_STAR, _S1, _S2 = 0.24, 0.0207, 18.96
_LEVEL_POWER, _FLUCTUATION_POWER = 0.1, 3.11


def mean_roughness(signal: Array) -> float:
    """The mean roughness of frames of 50 ms, half overlapping; of `signal`, longer than one of them, at 44.1 kHz.

    512 zeros stand before it. The last frame may lie beyond its end; it then counts as 0.
    """
    count = (_LEAD + len(signal)) * 2 // _FRAME
    whole = (_LEAD + len(signal) - _FRAME) * 2 // _FRAME + 1
    lowest, highest = (0.0 if count > whole else np.inf), 0.0
    for magnitude in _magnitudes(signal, whole):
        lowest, highest = min(lowest, float(magnitude.min())), max(highest, float(magnitude.max()))
    if not highest > lowest:
        return 0.0
    total = 0.0
    for magnitude in _magnitudes(signal, whole):
        scaled = (magnitude - lowest) / (highest - lowest)
        for places, values, given in zip(_candidates(scaled), scaled, magnitude, strict=True):
            total += _beating(by_height(values, contrasting(values, places, _CONTRAST)), given)
    return total / count


def _magnitudes(signal: Array, frames: int) -> Iterator[Array]:
    """The magnitudes of the spectra of some frames at a time."""
    window = hamming(_FRAME + 2, sym=True)[1:-1]
    for first in range(0, frames, _BATCH):
        block = np.zeros((min(_BATCH, frames - first), _SIZE))
        for row, place in enumerate(range(first, first + len(block))):
            start = place * _FRAME // 2 - _LEAD
            block[row, max(-start, 0) : _FRAME] = signal[max(start, 0) : start + _FRAME]
        block[:, :_FRAME] *= window
        yield np.abs(rfft(block, axis=1))


def _candidates(scaled: Array) -> Iterator[NDArray[np.intp]]:
    """As `spectra.candidates`, of each row."""
    rises = np.ones(scaled.shape, np.bool_)
    np.greater(scaled[:, 1:], scaled[:, :-1], out=rises[:, 1:])
    falls = np.ones(scaled.shape, np.bool_)
    np.less_equal(scaled[:, 1:], scaled[:, :-1], out=falls[:, :-1])
    for row in (scaled >= _CONTRAST) & rises & falls:
        yield np.flatnonzero(row)


def _beating(places: NDArray[np.intp], magnitude: Array) -> float:
    """The roughness of the partials at `places`, the loudest first, summed over all pairs."""
    if len(places) <= 1:
        return 0.0
    levels, positions = refined(places, magnitude)
    pitches = positions * (RATE / _SIZE)
    softer, louder = np.tril_indices(len(places), -1)
    first, second = levels[louder], levels[softer]
    distance = np.abs(pitches[louder] - pitches[softer])
    width = _X_STAR / (_S1 * np.minimum(pitches[louder], pitches[softer]) + _S2)
    curve = np.exp(-_SLOW * width * distance) - np.exp(-_FAST * width * distance)
    fluctuation = (2.0 * first / (first + second)) ** _FLUCTUATION_POWER
    return float(((first * second) ** _LEVEL_POWER * 0.5 * fluctuation * curve).sum())
