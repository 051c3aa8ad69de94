"""The pulse of a signal, if it has one: how far what begins in it begins again a beat, or two, later.

A beat tracker gives beats in everything. It is judged here by another measure than its own: the rises of the spectrum's
bands over time (Bello et al. 2005, "A tutorial on onset detection in music signals"), held against themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from scipy.ndimage import uniform_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW, HOP = 2048, 512
"""Lengths in samples, at the 44.1 kHz of the rhythm analyzer: 46 ms, every 12 ms."""

_BANDS = 24
_LOWEST, _HIGHEST = 200.0, 16_000.0
"""Frequencies in Hz. A window holds several periods of the lowest: else the phase of a hum would look like rises."""

_FLOOR = 50.0
"""Distance in dB below the loudest window of the file: what lies further below is not heard."""

_LEAST_RISE = 1.0
"""Least rise in dB from one window to the next: a held tone rises by less."""

_SPREAD = 0.03
"""Share of a beat by which people, and the grid of windows, are off."""

_NEXT = (1, 2)
"""Numbers of beats after which it is looked for: where a tempo is found an octave too high, every second beat."""

_LEAST_CLARITY = 0.165
"""Threshold between a player who pulls the beats about by 15 % (0.15) and the strings of a string orchestra (0.18)."""

_CHANCE, _CHANCE_OF_ONE = 0.08, 2.4
"""Agreement that comes by chance: the first, and the second divided by the number of beats, for few agree easily."""

_LEAST_RISE_ON_AVERAGE = 0.03
"""Threshold in dB: a tone, a hum or a held chord stays below, music that people could clap to is above 0.04."""

_STRETCH = 3.0
"""Seconds of which the mean is taken away: two beats of the slowest tempo."""

_MOST_OF_IT = 0.75
_BATCH = 2048


def rises(samples: NDArray[np.float32], rate: int) -> NDArray[np.float64]:
    """Rises in dB of the bands of the mono `samples` from one window to the next, on average over the bands."""
    if len(samples) < WINDOW + HOP:
        return np.zeros(0)
    powers, loudest = _band_powers(samples, rate)
    levels = 10.0 * np.log10(powers + max(loudest * 10.0 ** (-_FLOOR / 10.0), 1e-30))
    risen: NDArray[np.float64] = np.maximum(np.diff(levels, axis=0) - _LEAST_RISE, 0.0).mean(axis=1)
    return risen


def is_clear(samples: NDArray[np.float32], rate: int, bpm: float) -> bool:
    """Tell whether the mono `samples` have a pulse of this tempo, all through, that is more than chance."""
    beats = len(samples) / rate * bpm / 60.0
    return clarity(rises(samples, rate), rate, bpm) >= max(_LEAST_CLARITY, _CHANCE + _CHANCE_OF_ONE / beats)


def clarity(risen: NDArray[np.float64], rate: int, bpm: float) -> float:
    """The correlation of `rises` with themselves a beat or two later, the better one: 1.0 is a metronome, 0.0 chance.

    0.0 also where next to nothing rises.
    """
    if not len(risen) or risen.mean() < _LEAST_RISE_ON_AVERAGE:
        return 0.0
    # Rises that fade would be like themselves at any distance.
    centred = risen - uniform_filter1d(risen, round(_STRETCH * rate / HOP), mode="nearest")
    power = float(centred @ centred)
    count = len(centred)
    spectrum = np.abs(scipy.fft.rfft(centred, 2 * count)) ** 2
    overlap = count - np.arange(count)
    alike = scipy.fft.irfft(spectrum)[:count] / power * (count / overlap)
    best = 0.0
    for beats in _NEXT:
        lag = beats * 60.0 / bpm * rate / HOP
        first, last = int(lag * (1.0 - _SPREAD)), int(np.ceil(lag * (1.0 + _SPREAD)))
        if last < _MOST_OF_IT * count:
            best = max(best, float(alike[first : last + 1].max()))
    return best


def _band_powers(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float64], float]:
    """The power in each band and window, of shape (windows, bands), and the most that a window has in all.

    In batches, for a file may last hours.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    bins = np.geomspace(_LOWEST, _HIGHEST, _BANDS + 1) * WINDOW / rate
    edges = np.unique(np.round(bins).astype(np.intp))
    shape = np.hanning(WINDOW).astype(np.float32)
    powers = np.empty((len(windows), len(edges) - 1))
    loudest = 0.0
    for start in range(0, len(windows), _BATCH):
        spectra = np.abs(scipy.fft.rfft(windows[start : start + _BATCH] * shape, axis=1)) ** 2
        powers[start : start + _BATCH] = np.add.reduceat(spectra[:, : edges[-1]], edges[:-1], axis=1)
        loudest = max(loudest, float(spectra[:, 1:].sum(axis=1).max()))
    return powers, loudest
