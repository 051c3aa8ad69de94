"""Loudness by ITU-R BS.1770-4 and loudness range by EBU Tech 3342, from one pass over the samples, block by block.

Owns the K-weighting, the channel weights, the 100 ms steps that both measures are made of, and both gates. It works on
plain arrays and knows neither files nor records: what is too short, and what a silent file is called, is `loudness`'s.

The pass gives one weighted mean square per 100 ms step. Four steps are a gating block of 400 ms with 75 % overlap,
thirty are a short-term window of 3 s at the 10 Hz that Tech 3342 asks for (libebur128 takes one window a second, which
saves it work; here the work is done already). Steps that the end of the file cuts off are dropped, as BS.1770 drops
their blocks.
"""

from __future__ import annotations

import math
from array import array
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from audiobatch_analyzers.loudness.blockwise import CHUNK, BlockFilter
from audiobatchd.plugin_api import LOW_FREQUENCY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

ABSOLUTE_GATE = -70.0
"""Loudness in LUFS at and below which neither measure counts a block."""

BLOCK_STEPS = 4
"""A gating block of 400 ms, in steps."""

WINDOW_STEPS = 30
"""A short-term window of 3 s, in steps."""

_STEPS_PER_SECOND = 10
_OFFSET = -0.691
_RELATIVE_GATE_BLOCKS = 0.1  # -10 LU, as a ratio of powers
_RELATIVE_GATE_WINDOWS = 0.01  # -20 LU
_LOW, _HIGH = 0.10, 0.95

_SURROUND_WEIGHT = 1.41
_SIDES = frozenset({"SL", "SR"})
_BACKS = frozenset({"BL", "BR"})

# Silence, or what a float file holds of less than 1e-38, would have the processor compute with subnormal numbers, which
# takes it some forty times as long. This constant input keeps all of them normal; the high-pass stage removes it.
_ANTI_SUBNORMAL = 1e-10


def loudness_of(power: float) -> float:
    """The loudness in LUFS of a weighted mean square `power` above 0 (BS.1770-4, equation 2)."""
    return _OFFSET + 10.0 * float(np.log10(power))


_ABSOLUTE_GATE_POWER = 10.0 ** ((ABSOLUTE_GATE - _OFFSET) / 10.0)


def channel_weights(channels: Sequence[str]) -> tuple[float, ...]:
    """The weight of each channel, by FFmpeg's names (BS.1770-4, tables 3 and 4).

    The low-frequency channels count nothing. Channels level with the listener at 60 to 120 degrees count 1.41: the
    sides (SL, SR), and the backs (BL, BR) where there are no sides, for 5.1 and quad then mean by them the surround
    pair at 110 degrees. Beside sides, as in 7.1, the backs stand at 135 degrees or more and count 1.0. (FFmpeg's own
    meter gives them 1.41, libebur128 leaves them out unless told.) All others count 1.0, so does a mono file: no 3 dB
    are added for the two loudspeakers that may play it.
    """
    surround = _SIDES if _SIDES & set(channels) else _BACKS
    return tuple(0.0 if name in LOW_FREQUENCY else _SURROUND_WEIGHT if name in surround else 1.0 for name in channels)


# The two stages of the K-weighting as B. De Man found them behind the coefficients in print: the frequency in Hz at
# which each turns, and its quality there. The first gain is the shelf's far above that frequency, the second at it.
_SHELF_HERTZ, _SHELF_QUALITY = 1681.9744509555319, 0.7071752369554193
_SHELF_GAIN = 10.0 ** (3.99984385397 / 20.0)
_SHELF_GAIN_AT = _SHELF_GAIN**0.499666774155
_HIGH_PASS_HERTZ, _HIGH_PASS_QUALITY = 38.13547087613982, 0.5003270373253953


def k_weighting(rate: int) -> NDArray[np.float64]:
    """The K-weighting filter at `rate` Hz as second-order sections of shape (2, 6): a high shelf, then a high-pass.

    BS.1770-4 prints coefficients for 48 kHz; B. De Man's formulas, as pyloudnorm has them, give these and the same
    curve at other rates. As in libebur128 and FFmpeg the high-pass numerator is 1, -2, 1 at every rate, which moves the
    level by -0.03 dB at 192 kHz, -0.02 at 96, below 0.01 at 44.1, +0.05 at 22.05, +0.09 at 16 and +0.22 at 8 kHz.
    """
    shelf = (_SHELF_GAIN, _SHELF_GAIN_AT / _SHELF_QUALITY, 1.0)
    numerator, poles = (_digital(stage, _SHELF_HERTZ, rate) for stage in (shelf, (1.0, 1.0 / _SHELF_QUALITY, 1.0)))
    high_poles = _digital((1.0, 1.0 / _HIGH_PASS_QUALITY, 1.0), _HIGH_PASS_HERTZ, rate)
    sections = [[*numerator / poles[0], *poles / poles[0]], [1.0, -2.0, 1.0, *high_poles / high_poles[0]]]
    return np.array(sections, dtype=np.float64)


def _digital(polynomial: tuple[float, float, float], hertz: float, rate: int) -> NDArray[np.float64]:
    """The coefficients of 1, 1/z and 1/z^2 for an analogue `polynomial`, of s^2, s and 1, where s = 1 is `hertz`.

    By the bilinear transform, which is exact at `hertz` (prewarped).
    """
    second, first, constant = polynomial
    warped = math.tan(math.pi * hertz / rate)
    square, cross = constant * warped * warped, first * warped
    return np.array([second + cross + square, 2.0 * (square - second), second - cross + square])


def step_edge(step: int, rate: int) -> int:
    """The frame at which the 100 ms step number `step`, counted from 0, begins: step * rate / 10, rounded.

    Rounding every edge by itself keeps steps at a rate such as 11,025 Hz (1102.5 frames) from drifting.
    """
    return (step * rate + 5) // _STEPS_PER_SECOND


class StepPowers:
    """The K-weighted mean square of every whole 100 ms step, summed over channels by their `weights`.

    It is fed samples of shape (frames, channels), any strides and any number of frames, and gives the same whichever
    they are. `rate` is in Hz, 8000 or more. Beyond its result it holds a few chunks of samples in memory.
    """

    def __init__(self, rate: int, weights: Sequence[float]) -> None:
        self._rate = rate
        self._weights = weights
        self._weighting = BlockFilter(k_weighting(rate), len(weights))
        self._waiting = np.empty((len(weights), CHUNK), np.float32)
        self._filled = 0
        self._frames = 0
        """Frames that were filtered."""
        self._begun = np.zeros(len(weights))
        """Of the step that they end in: each channel's sum of squares so far."""
        self._powers = array("d")

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take in the next samples, which are only read."""
        place = 0
        while place < len(samples):
            count = min(CHUNK - self._filled, len(samples) - place)
            part = samples[place : place + count]
            if count == CHUNK:
                self._measure(part)
            else:
                self._waiting[:, self._filled : self._filled + count] = part.T
                self._filled += count
                if self._filled == CHUNK:
                    self._flush()
            place += count

    def finish(self) -> NDArray[np.float64]:
        """Give the powers, once. Nothing can be fed behind it."""
        if self._filled:
            self._flush()
        return np.array(self._powers) * (_STEPS_PER_SECOND / self._rate)

    def _flush(self) -> None:
        count, self._filled = self._filled, 0
        self._measure(self._waiting[:, :count].T)

    def _measure(self, chunk: NDArray[np.float32]) -> None:
        """Filter `CHUNK` frames, or the last ones, and add the steps that they complete."""
        first, end = len(self._powers), self._frames + len(chunk)
        edges = [step_edge(first, self._rate)]
        while edges[-1] < end:
            edges.append(step_edge(first + len(edges), self._rate))
        bounds = [min(max(edge - self._frames, 0), len(chunk)) for edge in edges]
        complete = len(edges) - 1 - (edges[-1] > end)
        powers = np.zeros(complete)
        for channel, weight in enumerate(self._weights):
            if weight:
                energies = self._energies(chunk[:, channel], channel, bounds)
                energies[0] += self._begun[channel]
                powers += weight * energies[:complete]
                self._begun[channel] = energies[complete] if complete < len(energies) else 0.0
        self._powers.extend(powers.tolist())
        self._frames = end

    def _energies(self, column: NDArray[np.float32], channel: int, bounds: list[int]) -> NDArray[np.float64]:
        """The sum of squares of the filtered `column` between neighbouring `bounds`."""
        # In float32 the squares of what lies far above full scale are infinite.
        weighted = self._weighting(column, _ANTI_SUBNORMAL, channel).astype(np.float64)
        # Not `dot`, for which OpenBLAS starts threads above 100 kHz.
        return np.array([np.einsum("i,i", part, part) for part in (weighted[a:b] for a, b in pairwise(bounds))])


def step_powers(samples: NDArray[np.float32], rate: int, weights: Sequence[float]) -> NDArray[np.float64]:
    """The `StepPowers` of `samples` as a whole."""
    powers = StepPowers(rate, weights)
    powers.feed(samples)
    return powers.finish()


def integrated_loudness(powers: NDArray[np.float64]) -> float:
    """The integrated loudness in LUFS of at least `BLOCK_STEPS` step powers (BS.1770-4, equations 3 to 7).

    Blocks above the absolute gate give the relative gate, 10 LU below their mean; those above both are averaged.
    `ABSOLUTE_GATE` where no block is above it.
    """
    blocks = sliding_window_view(powers, BLOCK_STEPS).mean(axis=-1)
    blocks = blocks[blocks > _ABSOLUTE_GATE_POWER]
    if not len(blocks):
        return ABSOLUTE_GATE
    blocks = blocks[blocks > _RELATIVE_GATE_BLOCKS * blocks.mean()]
    return loudness_of(float(blocks.mean()))


def loudness_range(powers: NDArray[np.float64]) -> float:
    """The loudness range in LU of at least `WINDOW_STEPS` step powers (EBU Tech 3342).

    Short-term windows above the absolute gate and no more than 20 LU below their mean are kept; the range goes from
    their 10th to their 95th percentile, each the nearest rank, as in Tech 3342's own code. 0.0 where no window is above
    the absolute gate.
    """
    windows = sliding_window_view(powers, WINDOW_STEPS).mean(axis=-1)
    windows = windows[windows > _ABSOLUTE_GATE_POWER]
    if not len(windows):
        return 0.0
    windows = np.sort(windows[windows >= _RELATIVE_GATE_WINDOWS * windows.mean()])
    low, high = (windows[int((len(windows) - 1) * fraction + 0.5)] for fraction in (_LOW, _HIGH))
    return loudness_of(float(high)) - loudness_of(float(low))
