"""Spectra: short-time power, its peaks, and what brightness and depth take from them.

Peaks are picked as MIRtoolbox's `mirpeaks` does (O. Lartillot). Power spectrograms have periodic Hamming windows, the
mean of each frame removed, and the scaling "spectrum" of scipy: a sine's power is read off its bin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft
from scipy.signal import butter, sosfilt
from scipy.signal.windows import hamming

from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_LOWEST = 20.0
_TIMES = 3
_BATCH = 1 << 17  # samples of frames that are transformed at once

_BRIGHT_FRAME, _BRIGHT_HOP = 2048, 512
_BRIGHT_RATIO_ABOVE, _BRIGHT_CENTROID_ABOVE = 2000.0, 100.0

_DEEP_FRAME, _DEEP_HOP = 4096, 1024
_DEEP_CENTROID_BELOW, _DEEP_RATIO_BELOW = 2000.0, 500.0
_DEEP_LEAST_POWER = 0.001
_DEEP_CONTRAST = 0.01


def high_passed(signal: Array, frequency: float = _LOWEST) -> Array:
    """`signal` through a Butterworth high-pass of second order, three times."""
    return _filtered(signal, frequency, "highpass")


def low_passed(signal: Array, frequency: float) -> Array:
    """`signal` through a Butterworth low-pass of second order, three times."""
    return _filtered(signal, frequency, "lowpass")


def _filtered(signal: Array, frequency: float, kind: Literal["lowpass", "highpass"]) -> Array:
    section = butter(2, 2.0 * frequency / RATE, kind, output="sos")
    return np.asarray(sosfilt(np.repeat(section, _TIMES, axis=0), signal), dtype=np.float64)


def power_blocks(signal: Array, frame: int, hop: int) -> Iterator[Array]:
    """The power spectrogram of `signal`, some frames at a time: arrays of shape (frames, `frame` // 2 + 1)."""
    window = hamming(frame, sym=False)
    scale = 1.0 / window.sum() ** 2
    frames = sliding_window_view(signal, frame)[::hop]
    batch = max(1, _BATCH // frame)
    for start in range(0, len(frames), batch):
        block = frames[start : start + batch]
        spectrum = rfft((block - block.mean(axis=1, keepdims=True)) * window, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2) * scale
        power[:, 1:-1] *= 2.0
        yield power


def frequencies(frame: int) -> Array:
    """The frequencies in Hz of the bins of a frame of that many samples."""
    return np.arange(frame // 2 + 1, dtype=np.float64) * (RATE / frame)


def bright_metrics(signal: Array) -> tuple[float, float]:
    """The share of the power above 2 kHz, and the centroid in Hz of what lies above 100 Hz.

    `signal` has been high-passed at 20 Hz. Both are means over frames weighted by their power, which is the same as
    taking the total of the power. NaN where there is no power.
    """
    bins = frequencies(_BRIGHT_FRAME)
    whole = _total(signal, _BRIGHT_FRAME, _BRIGHT_HOP).sum()
    high = _total(high_passed(signal, _BRIGHT_RATIO_ABOVE), _BRIGHT_FRAME, _BRIGHT_HOP).sum()
    spectrum = _total(high_passed(signal, _BRIGHT_CENTROID_ABOVE), _BRIGHT_FRAME, _BRIGHT_HOP)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(high / whole), float((spectrum @ bins) / spectrum.sum())


def _total(signal: Array, frame: int, hop: int) -> Array:
    return sum((block.sum(axis=0) for block in power_blocks(signal, frame, hop)), np.zeros(frame // 2 + 1))


@dataclass(frozen=True)
class DeepMetrics:
    """Metrics of the spectra for depth."""

    centroid: float
    """In Hz: of what lies below 2 kHz, at most that."""
    ratio: float
    """The share of the power below 500 Hz."""
    lowest_peak: float
    """In Hz: the lowest peak above 0 Hz; 1.0 where the highest is at 0 Hz; NaN where there is no peak."""


def deep_metrics(signal: Array) -> DeepMetrics:
    """The three for `signal`, high-passed at 20 Hz and with a peak of 1.0."""
    blocks = list(_summed(signal))
    power = np.concatenate([frames for frames, _ in blocks])
    spectrum = sum((total for _, total in blocks), np.zeros(_DEEP_FRAME // 2 + 1))
    loud = power > _DEEP_LEAST_POWER
    low = low_passed(signal, _DEEP_CENTROID_BELOW)
    bins = frequencies(_DEEP_FRAME)
    blocks_of_low = power_blocks(low, _DEEP_FRAME, _DEEP_HOP)
    moments = np.concatenate([np.stack([block.sum(axis=1), block @ bins], axis=1) for block in blocks_of_low])
    low = low_passed(signal, _DEEP_RATIO_BELOW)
    below = np.concatenate([block.sum(axis=1) for block in power_blocks(low, _DEEP_FRAME, _DEEP_HOP)])
    with np.errstate(invalid="ignore", divide="ignore"):
        centroids = moments[loud, 1] / moments[loud, 0]
        centroid = float((centroids * power[loud]).sum() / power.sum())
        ratio = float(below[loud].sum() / power.sum())
    return DeepMetrics(min(_DEEP_CENTROID_BELOW, centroid), ratio, _lowest_peak(spectrum))


def _summed(signal: Array) -> Iterator[tuple[Array, Array]]:
    for block in power_blocks(signal, _DEEP_FRAME, _DEEP_HOP):
        yield block.sum(axis=1), block.sum(axis=0)


def _lowest_peak(spectrum: Array) -> float:
    if not np.ptp(spectrum) > 0.0:
        return float("nan")
    scaled = (spectrum - spectrum.min()) / np.ptp(spectrum)
    places = peaks(scaled, _DEEP_CONTRAST)
    if not len(places):
        return float("nan")
    if places[0] == 0:
        return 1.0
    positions = refined(places, scaled)[1] * (RATE / _DEEP_FRAME)
    return float(positions[positions > 0.0].min())


def candidates(values: Array, contrast: float) -> NDArray[np.intp]:
    """Find where `values`, scaled to 0 to 1, rise and then do not, and are at least `contrast`; both ends may be it."""
    rises = np.concatenate([[True], values[1:] > values[:-1]])
    falls = np.concatenate([values[1:] <= values[:-1], [True]])
    return np.flatnonzero((values >= contrast) & rises & falls)


def peaks(values: Array, contrast: float) -> NDArray[np.intp]:
    """The places of the peaks of `values`, scaled to 0 to 1, the highest first: `mirpeaks` with that `contrast`.

    A peak stands out by `contrast` against the notches on both sides of it; where a notch is no such contrast, the
    higher of its two neighbours stands for both.
    """
    return by_height(values, contrasting(values, candidates(values, contrast), contrast))


def by_height(values: Array, places: NDArray[np.intp]) -> NDArray[np.intp]:
    """`places`, the one with the highest value first."""
    return places[np.argsort(values[places])[::-1]]


def contrasting(values: Array, places: NDArray[np.intp], contrast: float) -> NDArray[np.intp]:
    """Keep those of the candidates at `places` that are peaks."""
    if len(places) <= 1:
        return places
    # The sample before a candidate does not count, unless there is but one between two.
    ends = np.maximum(places[1:] - 1, places[:-1] + 1)
    edges = np.stack([places[:-1], ends], axis=1).reshape(-1)
    notches = np.minimum.reduceat(values, edges)[::2].tolist()
    heights = values[places].tolist()
    kept = []
    current, before, behind = 0, -np.inf, np.inf
    for place, notch in enumerate(notches, 1):
        behind = min(behind, notch)
        if heights[current] - behind >= contrast:
            if heights[current] - before >= contrast:
                kept.append(current)
                before = behind
            else:
                before = min(before, behind)
            current, behind = place, np.inf
        elif heights[place] > heights[current]:
            before = min(before, behind)
            current, behind = place, np.inf
        else:
            before = min(before, behind)
    if heights[current] - before >= contrast:
        kept.append(current)
    return places[kept]


def refined(places: NDArray[np.intp], values: Array) -> tuple[Array, Array]:
    """The heights and the positions, in bins, of the parabolas through the peaks at `places`; not at either end."""
    heights, positions = values[places], places.astype(np.float64)
    inner = (places > 0) & (places < len(values) - 1)
    middle = places[inner]
    left, centre, right = values[middle - 1], values[middle], values[middle + 1]
    shift = (right - left) / (2.0 * (2.0 * centre - right - left))
    heights[inner] = centre - 0.25 * (left - right) * shift
    positions[inner] += shift
    return heights, positions
