"""The input that the scores have in common: 44.1 kHz, one channel at -24 LUFS, and the first two channels as they were.

Owns the span that is analysed, the resampling, the sum of the channels, and the loudness that the sum is brought to.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyloudnorm
import soxr
from scipy.signal import sosfilt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Signal = NDArray[np.float64]

RATE = 44_100
"""In Hz: the rate that every window, hop and hold of the scores is fitted to."""

SHORTEST = 0.4
"""In seconds: one gating block of ITU-R BS.1770, below which no loudness is defined."""

TARGET = -24.0
"""In LUFS: the loudness that the summed channels are brought to."""

ABSOLUTE_GATE = -70.0
"""In LUFS: below it no block of 400 ms counts (ITU-R BS.1770-4)."""

SUMMED = 3
"""So many channels, the first ones, are summed."""

_SEPARATE = 2
_QUALITY = "VHQ"
_OFFSET = -0.691
_RELATIVE_GATE = -10.0
_STEP = RATE // 10
_BLOCK_STEPS = 4
_CHUNK = 64 * _STEP
_DOUBLE = 20.0 * math.log10(2.0)  # dB


@dataclass(frozen=True)
class Programme:
    """The mono programme to be analysed, at 44.1 kHz.

    A gain by a power of two, above the gate, alters no bit of it but `loudness`.
    """

    channels: tuple[NDArray[np.float32], ...]
    """The first two channels, or the only one, each scaled by a power of two of its own: reverberation is found there.
    """
    loudness: float
    """Integrated loudness of the sum of the first three channels, in LUFS; minus infinity: nothing is above the gate.
    """
    signal: Signal
    """The sum at -24 LUFS, or with a peak of 1.0 where its peak would be higher; of no level without a loudness."""


def middle(frames: int, rate: int, seconds: float) -> slice:
    """The frames of the middle `seconds` of a file of `frames` at `rate` Hz: all of them where there are no more."""
    length = min(frames, round(seconds * rate))
    start = (frames - length) // 2
    return slice(start, start + length)


def programme(samples: NDArray[np.float32], rate: int) -> Programme:
    """The programme of `samples`, of shape (frames, channels) at `rate` Hz; every sample has to be finite."""
    columns = [_resampled(column, rate) for column in samples.T[:SUMMED]]
    signal = columns[0].astype(np.float64)
    for column in columns[1:]:
        signal += column
    exponent = _exponent(signal)
    np.ldexp(signal, -exponent, out=signal)
    loudness = _integrated(signal, exponent)
    if math.isfinite(loudness):
        signal *= 10.0 ** ((TARGET - loudness) / 20.0)
        peak = max(float(signal.max()), -float(signal.min()))
        if peak > 1.0:
            signal /= peak
    channels = tuple(_scaled(column) for column in columns[:_SEPARATE])
    return Programme(channels, loudness + _DOUBLE * exponent, signal)


def _resampled(column: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    if rate == RATE:
        return np.ascontiguousarray(column)
    # Scaled before, so that no filter meets numbers so small that their last bits are missing.
    resampled: NDArray[np.float32] = soxr.resample(_scaled(column), rate, RATE, quality=_QUALITY)
    return np.ldexp(resampled, _exponent(column))


def _scaled(column: NDArray[np.float32]) -> NDArray[np.float32]:
    exponent = _exponent(column)
    return np.ldexp(column, -exponent) if exponent else np.ascontiguousarray(column)


def _exponent(samples: NDArray[np.float32] | Signal) -> int:
    """The power of two that brings the peak to at least 0.5 and below 1.0; 0 of silence."""
    peak = max(float(samples.max(initial=0.0)), -float(samples.min(initial=0.0)))
    return math.frexp(peak)[1]


def k_weighting() -> Signal:
    """The K-weighting filter as second-order sections, by pyloudnorm's first design, which the scores were fitted with.

    `bs1770.k_weighting` follows the standard more closely at other rates; at 44.1 kHz the two differ by 0.05 dB.
    """
    shelf = pyloudnorm.IIRfilter(4.0, 1.0 / math.sqrt(2.0), 1500.0, RATE, "high_shelf")
    high_pass = pyloudnorm.IIRfilter(0.0, 0.5, 38.0, RATE, "high_pass")
    return np.array([[*stage.b, *stage.a] for stage in (shelf, high_pass)], dtype=np.float64)


def _step_energies(samples: Signal) -> Signal:
    """The K-weighted energy of every 100 ms, of which the last may be shorter."""
    sections = k_weighting()
    state = np.zeros((len(sections), 2))
    energies = []
    for start in range(0, len(samples), _CHUNK):
        weighted, state = sosfilt(sections, samples[start : start + _CHUNK], zi=state)
        energies.append(np.add.reduceat(weighted * weighted, np.arange(0, len(weighted), _STEP)))
    return np.concatenate(energies)


def _integrated(samples: Signal, exponent: int) -> float:
    """Gated loudness in LUFS of `samples`, of at least 400 ms, gated as if they were 2 ** `exponent` times as large.

    Blocks are counted as pyloudnorm counts them: the last may reach up to 50 ms beyond the end.
    """
    energies = _step_energies(samples)
    blocks = round((len(samples) - _BLOCK_STEPS * _STEP) / _STEP) + 1
    padded = np.zeros(blocks + _BLOCK_STEPS - 1)
    count = min(len(padded), len(energies))
    padded[:count] = energies[:count]
    powers = sum((padded[place : place + blocks] for place in range(_BLOCK_STEPS)), np.zeros(blocks))
    powers /= _BLOCK_STEPS * _STEP
    gain = _DOUBLE * exponent
    with np.errstate(divide="ignore"):
        levels = _OFFSET + 10.0 * np.log10(powers)
    counted = levels + gain >= ABSOLUTE_GATE
    if not counted.any():
        return -math.inf
    relative = _OFFSET + 10.0 * math.log10(float(powers[counted].mean())) + _RELATIVE_GATE
    counted = (levels > relative) & (levels + gain > ABSOLUTE_GATE)
    if not counted.any():
        return -math.inf
    return _OFFSET + 10.0 * math.log10(float(powers[counted].mean()))
