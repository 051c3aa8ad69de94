"""Segments, from one onset to the next: its spectrum for warmth, its duration for depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal.windows import tukey

from audiobatch_analyzers.timbre.envelopes import RMS_BLOCK, rms_envelope
from audiobatch_analyzers.timbre.programme import RATE
from audiobatch_analyzers.timbre.spectra import frequencies, peaks, refined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FRAME = 8192
_OVERLAP = 8  # the overlap is one eighth of a frame
_TAPER = 0.25
_BATCH = 16
_CONTRAST = 0.2
_WARM_BELOW = 260.0
_WARM_HARMONICS = 3.5
_WARM_LIMIT = 12_000.0

_DECAYED = 0.01  # -40 dB


@dataclass(frozen=True)
class WarmMetrics:
    """Metrics of the segments for warmth; NaN where none of them has a peak."""

    centroid: float
    """In Hz, the mean of the segments'."""
    straightness: float
    """The mean of the determination of a straight line through level over pitch, above the region of warmth."""
    low_share: float
    """Of the power, from the lowest peak to 260 Hz, weighted by the segments' root mean squares."""


def warm_metrics(signal: Array, onsets: list[int]) -> WarmMetrics:
    """The three over the segments of `signal` that begin at `onsets`; a segment without a peak is left out."""
    places = [0] if len(onsets) == 1 else onsets
    found = []
    for start, end in zip(places, [*places[1:], len(signal)], strict=True):
        segment = signal[start:end]
        metrics = _of_spectrum(_spectrum(segment))
        if metrics is not None:
            found.append((*metrics, math.sqrt(float(np.mean(segment * segment)))))
    if not found:
        return WarmMetrics(math.nan, math.nan, math.nan)
    centroids, straightness, shares, weights = map(np.array, zip(*found, strict=True))
    share = float((shares * weights).sum() / weights.sum())
    return WarmMetrics(float(centroids.mean()), float(straightness.mean()), share)


def _spectrum(segment: Array) -> Array:
    """The power of all frames of `segment`, over the largest; zeros where there is none."""
    length = min(len(segment), _FRAME)
    window = tukey(length, _TAPER, sym=False)
    frames = sliding_window_view(segment, length)[:: length - length // _OVERLAP]
    power = np.zeros(_FRAME // 2 + 1)
    for first in range(0, len(frames), _BATCH):
        block = frames[first : first + _BATCH]
        spectrum = rfft((block - block.mean(axis=1, keepdims=True)) * window, _FRAME, axis=1)
        power += (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    power[1:-1] *= 2.0
    highest = power.max()
    return power / highest if highest > 0.0 else power


def _of_spectrum(spectrum: Array) -> tuple[float, float, float] | None:
    """The centroid, the straightness and the low share of a segment; None where it has no peak."""
    places = peaks(spectrum, _CONTRAST)
    if not len(places):
        return None
    bins = frequencies(_FRAME)
    lowest = float(refined(places, spectrum)[1].min()) * (RATE / _FRAME)
    centroid = float((spectrum @ bins) / spectrum.sum())
    share = 0.0
    if lowest < _WARM_BELOW:
        share = float(spectrum[places.min() : int((bins > _WARM_BELOW).argmax())].sum() / spectrum.sum())
    above = int((bins > min(_WARM_HARMONICS * lowest, _WARM_LIMIT)).argmax())
    straightness = _straightness(bins[above:], spectrum[above:])
    return None if straightness is None else (centroid, straightness, share)


def _straightness(bins: Array, spectrum: Array) -> float | None:
    """The determination (R squared) of a straight line through log power over log frequency; None of no power."""
    if not (spectrum > 0.0).all():
        return None
    pitch, level = np.log10(bins), np.log10(spectrum)
    pitch, level = pitch - pitch.mean(), level - level.mean()
    spread = float(level @ level)
    return float((pitch @ level) ** 2 / (pitch @ pitch)) / spread if spread > 0.0 else None


def mean_duration(signal: Array, onsets: list[int]) -> float:
    """The mean time in seconds from each sound's loudest block to its decay by 40 dB, or to the next onset."""
    envelope = rms_envelope(signal)
    places = [onset // RMS_BLOCK for onset in onsets]
    durations = [_duration(part) for part in _parts(envelope, places)]
    return float(np.mean(durations)) * RMS_BLOCK / RATE


def _parts(values: Array, places: list[int]) -> Iterator[Array]:
    for start, end in zip(places, [*places[1:], len(values)], strict=True):
        yield values[start:end]


def _duration(part: Array) -> int:
    behind = part[int(part.argmax()) :] if len(part) else part
    decayed = behind < _DECAYED
    return int(decayed.argmax()) if decayed.any() else len(behind)
