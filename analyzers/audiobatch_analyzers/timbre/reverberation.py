"""Reverberation: the reverberation time that decays in the signal itself tell, blindly.

After H. W. Loellmann and others (IWAENC 2010), with the Laplacian likelihood of T. Jan and W. Wang (EUSIPCO 2012). As
the score was fitted: every second sample is taken without a filter, the last sub-frame is never looked at, so that the
longest decays give no estimate, and later sub-frames are one sample longer than the first.
"""

from __future__ import annotations

import math
from collections import deque
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TIMES = np.arange(2, 12) / 10.0
"""The reverberation times in seconds that are told apart."""

SHORTEST = 0.2
"""In seconds: what is said where no decay was found."""

# The method's lengths, given at 24 kHz for two sub-samples each.
_SUB_FRAME = round(RATE / 24_000 * 700 / 2)
_SHIFT = round(RATE / 24_000 * 200 / 2) // 2
_HISTORY = round(RATE / 24_000 * 800 / 2)
_FRAME = 7 * _SUB_FRAME
_LOOKED_AT = 6
_LEAST_FALLS = 3

_INITIAL = 0.3
_SMOOTHING = 0.995
_BATCH = 2048


def reverberation_time(channel: NDArray[np.float32]) -> float:
    """The reverberation time in seconds of one `channel` at 44.1 kHz, 0.2 to 1.1."""
    if len(channel) <= 2 * _FRAME:
        return SHORTEST
    samples = channel[::2]
    frames = (len(channel) - 2 * _FRAME) // (2 * _SHIFT) + 1
    estimates = np.full(frames, -1)
    for first in range(0, frames, _BATCH):
        for frame, falls in _decays(samples, first, min(first + _BATCH, frames)):
            start = frame * _SHIFT
            estimates[frame] = _most_likely(samples[start : start + falls * _SUB_FRAME].astype(np.float64))
    return _smoothed(estimates.tolist())


def _decays(samples: NDArray[np.float32], first: int, end: int) -> Iterator[tuple[int, int]]:
    """The frames from `first` to `end` in which sub-frame after sub-frame falls, and how often, if often enough."""
    under_way = np.arange(first, end)
    before = _spread(samples, under_way * _SHIFT, _SUB_FRAME)
    for place in range(1, _LOOKED_AT):
        now = _spread(samples, under_way * _SHIFT + place * _SUB_FRAME, _SUB_FRAME + 1)
        falls = (before[0] > now[0]) & (before[1] < now[1])
        falls[falls] = before[2][falls] > now[2][falls]
        if place - 1 >= _LEAST_FALLS:
            yield from ((frame, place - 1) for frame in under_way[~falls].tolist())
        under_way, before = under_way[falls], (now[0][falls], now[1][falls], now[2][falls])


def _spread(samples: NDArray[np.float32], starts: NDArray[np.intp], length: int) -> tuple[Array, Array, Array]:
    """The largest, the smallest and the variance of the samples of each sub-frame."""
    frames = sliding_window_view(samples, length)[starts]
    return frames.max(axis=1), frames.min(axis=1), frames.var(axis=1, dtype=np.float64)


def _most_likely(decay: Array) -> int:
    """The place in `TIMES` of the most likely reverberation time of `decay`."""
    weights, constant = _likelihood(len(decay))
    return int((constant - len(decay) * np.log(weights @ np.abs(decay))).argmax())


@cache
def _likelihood(length: int) -> tuple[Array, Array]:
    """Parts of the logarithm of the likelihood of each of `TIMES`, for a decay of so many samples."""
    count = np.arange(length, dtype=np.float64)
    rates = np.exp(-3.0 * math.log(10.0) / (TIMES * (RATE / 2)))
    return rates[:, np.newaxis] ** -count / length, -count.sum() * np.log(rates)


def _smoothed(estimates: list[int]) -> float:
    """The mean of the smoothed reverberation time over the frames with an estimate; -1 is none.

    What is smoothed is the commonest of the last 735 estimates. The very first estimate is never forgotten.
    """
    histogram = [0] * len(TIMES)
    recent: deque[int] = deque(maxlen=_HISTORY)
    raw = smooth = _INITIAL
    count = 0
    told = []
    for estimate in estimates:
        if estimate >= 0:
            histogram[estimate] += 1
            count += 1
            if count > _HISTORY + 1:
                histogram[recent[0]] -= 1
            recent.append(estimate)
            raw = float(TIMES[histogram.index(max(histogram))])
        smooth = _SMOOTHING * smooth + (1.0 - _SMOOTHING) * raw
        if estimate >= 0:
            told.append(smooth)
    return float(np.mean(told)) if told else SHORTEST
