"""Onsets among the peaks of an onset strength, and where each begins: as librosa 0.11 picks and backtracks by default.

The peak picking is that of Böck, Krebs and Schedl (2012), "Evaluating the online capabilities of onset detection
methods".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.onset.envelope import HOP, onset_strength

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PEAK_SECONDS = 0.03
"""Seconds before an onset in which nothing is stronger, and behind it in which there is no other."""
_MEAN_SECONDS = 0.1
"""Seconds to both sides over which the mean is taken."""
_ABOVE_MEAN = 0.07
"""Least distance of an onset above that mean, of the strongest rise of the file."""


@dataclass(frozen=True)
class Onsets:
    """Onsets of a signal in the order of time."""

    times: NDArray[np.float64]
    """Seconds at which they begin; now and then two begin at the same."""
    strengths: NDArray[np.float32]
    """Onset strengths there, in dB: where a rise begins, so mostly far below its peak, and often 0."""


def detect(samples: NDArray[np.float32], rate: int) -> Onsets | None:
    """Onsets of the mono `samples`, of which there is at least one.

    None where they are too loud for single precision.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        strength = onset_strength(samples, rate)
    if not np.isfinite(strength).all():
        return None
    frames = backtracked(picked(strength, rate), strength)
    return Onsets(frames * HOP / rate, strength[frames])


def picked(strength: NDArray[np.float32], rate: int) -> NDArray[np.intp]:
    """Frames at which `strength` is greatest for 30 ms and stands above its mean of 200 ms."""
    greatest = strength.max()
    if not greatest > 0.0:
        return np.zeros(0, np.intp)
    # The least is 0 already: before the first frames nothing has risen.
    scaled = strength / (greatest + np.finfo(np.float32).tiny)
    before = int(_PEAK_SECONDS * rate // HOP)
    around = int(_MEAN_SECONDS * rate // HOP)
    latest = np.lib.stride_tricks.sliding_window_view(np.pad(scaled, (before, 0)), before + 1).max(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(scaled, dtype=np.float64)])
    places = np.arange(len(scaled))
    first, last = np.maximum(places - around, 0), np.minimum(places + around + 1, len(scaled))
    means = (sums[last] - sums[first]) / (last - first)
    found: list[int] = []
    for place in np.flatnonzero((scaled == latest) & (scaled >= means + _ABOVE_MEAN)):
        if not found or place > found[-1] + before:
            found.append(int(place))
    return np.array(found, np.intp)


def backtracked(peaks: NDArray[np.intp], strength: NDArray[np.float32]) -> NDArray[np.intp]:
    """The last frame before each of `peaks` at which `strength` is least, from which it rises; else the first frame."""
    inner = strength[1:-1]
    least = np.flatnonzero((inner <= strength[:-2]) & (inner < strength[2:])) + 1
    least = np.concatenate([np.zeros(1, np.intp), least])
    return least[np.searchsorted(least, peaks, side="right") - 1]
