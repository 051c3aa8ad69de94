"""Measures of the times of onsets and beats: shares on and off the beat, intervals, their complexity and evenness.

The formulas are those of the feature scripts of the batch guide's users, so that one key means one thing. Where they
put a number in for what cannot be computed, None stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]

ON_BEAT = 0.07
"""Distance in seconds to the nearest beat up to which an onset is on it: the tolerance of beat evaluation (MIREX)."""

LEAST_ONSETS = 3
"""Number of onsets of which intervals can be told apart."""

WINDOW = 4.0
"""Seconds in which a density is taken; the next window begins after half of them."""

_EQUAL = 0.001
"""Seconds by which intervals differ that count as one: less is rounding of their times."""

_BINS = 50
_MOST_ENTROPY = 5.0
_MOST_VARIATION = 2.0


@dataclass(frozen=True)
class Intervals:
    """Measures of the intervals between successive onsets."""

    mean: float
    """Seconds, above 0."""
    deviation: float
    """Standard deviation in seconds."""
    complexity: float
    """From 0 for intervals that are alike to 1: the mean of entropy / 5 and of variation / 2, neither above 1.

    The entropy, in nats, is that of a histogram of the intervals in 50 bins, from the shortest to the longest; the
    variation is deviation over mean.
    """
    evenness: float
    """1 / (1 + variation): 1 for intervals that are alike, down to 0."""


def on_beat(onsets: Times, beats: Times) -> NDArray[np.bool_]:
    """Tell of each of `onsets` whether a beat is near; `beats` ascend, and there is at least one. Seconds."""
    after = np.searchsorted(beats, onsets)
    nearest = np.minimum(
        np.abs(onsets - beats[np.maximum(after - 1, 0)]), np.abs(onsets - beats[np.minimum(after, len(beats) - 1)])
    )
    near: NDArray[np.bool_] = nearest <= ON_BEAT
    return near


def intervals(onsets: Times) -> Intervals | None:
    """Measures of `onsets`, ascending times in seconds; None where they are too few, or all at one time."""
    if len(onsets) < LEAST_ONSETS or onsets[-1] - onsets[0] < _EQUAL:
        return None
    between = np.diff(onsets)
    mean, deviation = float(between.mean()), float(between.std())
    variation = deviation / mean
    complexity = (min(_entropy(between) / _MOST_ENTROPY, 1.0) + min(variation / _MOST_VARIATION, 1.0)) / 2.0
    return Intervals(mean, deviation, complexity, 1.0 / (1.0 + variation))


def densities(onsets: Times, duration: float) -> NDArray[np.float64]:
    """Onsets a second in windows of 4 s, one every 2 s; the last ones end with the file, after `duration` seconds."""
    starts = np.arange(0.0, duration, WINDOW / 2.0)
    ends = np.minimum(starts + WINDOW, duration)
    counts = np.searchsorted(onsets, ends, side="left") - np.searchsorted(onsets, starts, side="left")
    found: NDArray[np.float64] = counts / (ends - starts)
    return found


def _entropy(between: Times) -> float:
    if np.ptp(between) < _EQUAL:
        return 0.0
    counts = np.histogram(between, bins=_BINS)[0]
    shares = counts[counts > 0] / len(between)
    return float(-(shares * np.log(shares)).sum())
