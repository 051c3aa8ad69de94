"""Attacks: how wide, how fast and how bright the beginning of each sound is, from which hardness is told.

The time of an attack is that of the method of weakest effort (G. Peeters, CUIDADO 2004).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from audiobatch_analyzers.timbre.onsets import HOP
from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FRAME = 4096
"""In samples, of the bandwidth curve."""

LEAD = FRAME + 1
"""Zeros before the signal; the curve is asked for places that count one less."""

_CURVE_HOP = 128
_CURVE_RATE = RATE / _CURVE_HOP
_LOWEST_SHARE = 0.05
_HIGHEST_MAGNITUDE = 10.0 ** (-75.0 / 20.0)
_QUIET = 0.1
_BATCH = 256
_LEAST_BANDWIDTH = 512.0

_LONGEST = 0.1  # seconds, of an attack
_START = 0.2
_THRESHOLDS = 9
_EFFORT = 3.0

_CENTROID_SAMPLES = int(0.125 * RATE)
_CENTROID_LEAST_SAMPLES = 512
_CENTROID_LOWEST = 20.0
_LEAST_CENTROID = 200.0


def bandwidth_curve(signal: Array) -> Array:
    """The bandwidth in Hz every 128 samples of `signal` with `LEAD` zeros before it, 0 where it is quiet.

    From where the magnitudes reach a twentieth of their sum, up to the highest that is above -75 dB.
    """
    totals, widths = map(np.concatenate, zip(*_curve(signal), strict=True))
    loud = totals > totals.min() + _QUIET * np.ptp(totals)
    return np.where(loud, widths * (RATE / FRAME), 0.0)


def _curve(signal: Array) -> Iterator[tuple[Array, Array]]:
    count = (len(signal) + LEAD - FRAME) // _CURVE_HOP + 1
    scale = np.float32(math.sqrt(1.0 / (RATE * FRAME)))
    for first in range(0, count, _BATCH):
        frames = _frames(signal, first, min(first + _BATCH, count))
        magnitude = np.abs(rfft(frames - frames.mean(axis=1, keepdims=True), axis=1)) * scale
        sums = np.cumsum(magnitude, axis=1)
        totals = sums[:, -1]
        lowest = (sums >= np.float32(_LOWEST_SHARE) * totals[:, np.newaxis]).argmax(axis=1)
        above = magnitude >= np.float32(_HIGHEST_MAGNITUDE)
        highest = FRAME // 2 - above[:, ::-1].argmax(axis=1)
        yield totals.astype(np.float64), np.where(above.any(axis=1), highest - lowest, 0).astype(np.float64)


def _frames(signal: Array, first: int, end: int) -> NDArray[np.float32]:
    start, stop = first * _CURVE_HOP - LEAD, (end - 1) * _CURVE_HOP + FRAME - LEAD
    part = np.zeros(stop - start, np.float32)
    source = signal[max(start, 0) : max(stop, 0)]
    part[max(-start, 0) : max(-start, 0) + len(source)] = source
    return sliding_window_view(part, FRAME)[::_CURVE_HOP]


@dataclass(frozen=True)
class Attacks:
    """Means over the attacks of a signal; NaN where no attack could be told."""

    bandwidth: float
    """In Hz, the mean of each attack's largest, weighted by onset strength; 86 where that is 512 or less."""
    centroid: float
    """In Hz, of 125 ms from the beginning; at least 200."""
    strength: float
    """The mean of each sound's largest onset strength."""
    time: float
    """The mean of the logarithms to base 10 of their times in seconds."""


def attacks(signal: Array, envelope: Array, strength: Array, onsets: list[int]) -> Attacks:
    """The attacks of the sounds that begin at `onsets`.

    `envelope`, `strength` and `onsets` are of `signal` with `LEAD` zeros before it.
    """
    places = [0] if len(onsets) == 1 else onsets
    widest = _widest(bandwidth_curve(signal), places)
    strongest = [float(part.max(initial=0.0)) for part in _parts(strength, [place // HOP for place in places])]
    times, centroids = [], []
    for place, part in zip(places, _parts(envelope, places), strict=True):
        attack = _weakest_effort(part)
        if attack is None:
            continue
        start, time = attack
        times.append(time)
        first = place + start - LEAD
        centroid = _centroid(signal, first, min(place + len(part) - LEAD, first + _CENTROID_SAMPLES))
        if centroid is not None:
            centroids.append(centroid)
    weights = [weight for weight, width in zip(strongest, widest, strict=True) if width is not None]
    bandwidth = _weighted([width for width in widest if width is not None], weights)
    return Attacks(
        bandwidth=bandwidth if bandwidth > _LEAST_BANDWIDTH else RATE / _LEAST_BANDWIDTH,
        centroid=max(_LEAST_CENTROID, float(np.mean(centroids)) if centroids else 0.0),
        strength=float(np.mean(strongest)),
        time=float(np.mean(times)) if times else math.nan,
    )


def _parts(values: Array, places: list[int]) -> Iterator[Array]:
    """`values` from each of `places` up to the next; all the rest from a place that is the same as the last."""
    for place, behind in zip(places, [*places[1:], places[-1]], strict=True):
        yield values[place:] if place == places[-1] else values[place:behind]


def _weighted(values: list[float], weights: list[float]) -> float:
    return sum(map(float.__mul__, values, weights)) / sum(weights) if sum(weights) > 0.0 else 0.0


def _widest(curve: Array, onsets: list[int]) -> list[float | None]:
    """The largest bandwidth of each attack; None where it does not rise."""
    places = [max(onset - FRAME, 0) // _CURVE_HOP for onset in onsets]
    longest = int(_LONGEST * _CURVE_RATE)
    widest: list[float | None] = []
    for part in _parts(curve, places):
        rise = _rise(part)
        if rise is None:
            widest.append(None)
            continue
        first, levels = rise
        start = first + int((levels >= _START * np.ptp(levels) + levels.min()).argmax())
        # The rest is compared with the longest attack as if it were counted from the part's beginning.
        rest = part[start : start + longest] if len(part) - start > start + longest else part[start:]
        widest.append(float(rest.max()))
    return widest


def _rise(part: Array) -> tuple[int, Array] | None:
    """Find the last minimum before the peak of `part`, and the values from there to the peak, which is 1.0."""
    highest = int(part.argmax()) if len(part) else 0
    if not highest or not part[highest] > 0.0:
        return None
    before = part[:highest]
    first = int(np.flatnonzero(before == before.min())[-1])
    return first, part[first : highest + 1] / part[highest]


def _weakest_effort(part: Array) -> tuple[int, float] | None:
    """Find where the attack in the envelope `part` begins, and the logarithm of its seconds; None without a rise.

    The envelope crosses nine thresholds; the attack is where that takes no more than three times the mean effort.
    """
    rise = _rise(part)
    if rise is None:
        return None
    first, levels = rise
    lowest, span = levels.min(), np.ptp(levels)
    thresholds = np.linspace(0.1, 0.9, _THRESHOLDS) * span + lowest
    crossed = np.array([int((levels >= threshold).argmax()) for threshold in thresholds])
    effort = np.diff(crossed)
    limit = _EFFORT * effort.mean()
    start = int((effort <= limit).argmax())
    end = int((effort[start:] >= limit).argmax()) or len(effort) - start - 1
    begin, stop = int(crossed[start]), int(crossed[start + end])
    if begin == stop:
        begin, stop = int(crossed[0]), int(crossed[-1])
    samples = stop - begin + 1 if stop > begin else 1
    if samples / RATE > _LONGEST:
        samples = int(_LONGEST * RATE) + 1
    return first + begin, math.log10(samples / RATE)


def _centroid(signal: Array, first: int, end: int) -> float | None:
    """The centroid in Hz of the magnitudes of `signal` from `first` to `end`; None where that is short or nothing."""
    if end - first <= _CENTROID_LEAST_SAMPLES:
        return None
    part = np.zeros(end - first)
    source = signal[max(first, 0) : max(end, 0)]
    part[max(-first, 0) : max(-first, 0) + len(source)] = source
    size = 1 << (len(part) - 1).bit_length()
    magnitude = np.abs(rfft(part, size))
    bins = np.arange(len(magnitude)) * (RATE / size)
    heard = bins >= _CENTROID_LOWEST
    total = magnitude[heard].sum()
    return float((magnitude[heard] @ bins[heard]) / total) if total > 0.0 else None
