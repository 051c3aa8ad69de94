"""Envelopes of a signal: peaks that are held and let fall, and root mean squares of blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.timbre.programme import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RMS_BLOCK = 256
"""In samples, of `rms_envelope`."""

_HOLD = 441  # 10 ms
_CHUNK = 1 << 16  # a list of Python's floats takes four times the memory of an array


def peak_envelope(signal: Array, decay: float, lead: int = 0) -> Array:
    """The envelope of `signal` with `lead` zeros before it: a peak is held for 10 ms, then falls.

    It falls by the largest magnitude of the signal in `decay` seconds, and no further than the signal, which it then
    follows; only a sample that is not below the envelope is held anew.
    """
    envelope = np.zeros(lead + len(signal))
    fall = max(float(signal.max()), -float(signal.min())) / (decay * RATE)
    level, held = 0.0, 0
    for start in range(0, len(signal), _CHUNK):
        part = np.abs(signal[start : start + _CHUNK]).tolist()
        level, held = _follow(part, level, held, fall)
        envelope[lead + start : lead + start + len(part)] = part
    return envelope


def _follow(samples: list[float], level: float, held: int, fall: float) -> tuple[float, int]:
    """Put the envelope in the place of `samples`; the level and the length of the hold behind them.

    Every step needs the one before, so this loop is Python's: some 50 ns a sample.
    """
    for place, sample in enumerate(samples):
        if sample >= level:
            level = sample
            held = 0
        elif held < _HOLD:
            held += 1
            samples[place] = level
        else:
            level -= fall
            if level > sample:
                samples[place] = level
            else:
                level = sample
    return level, held


def rms_envelope(signal: Array) -> Array:
    """The root mean squares of blocks of 256 samples, the last one the remainder, over the largest of them."""
    squares = np.add.reduceat(signal * signal, np.arange(0, len(signal), RMS_BLOCK))
    lengths = np.full(len(squares), float(RMS_BLOCK))
    lengths[-1] = len(signal) - RMS_BLOCK * (len(squares) - 1)
    rms = np.sqrt(squares / lengths)
    return np.asarray(rms / rms.max(), dtype=np.float64)
