"""Loudness over time: momentary (400 ms) and short-term (3 s) by ITU-R BS.1770-4, at ten values a second.

The filter, the weights of channels and the steps are those of the analyzer `loudness`, and so is the integrated value.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from audiobatch_analyzers.loudness import bs1770
from audiobatch_analyzers.loudness.analyzer import LOWEST_RATE
from audiobatchd.audio.blocks import Block
from audiobatchd.errors import UnmeasurableError
from audiobatchd.worker.orders import COLUMNS, Loudness

_STEP = 0.1
_FLOOR = 10.0 ** ((bs1770.ABSOLUTE_GATE + 0.691) / 10.0)
"""Power of the absolute gate: what is below it is shown there."""
_DIGITS = 2


class LoudnessReceiver:
    """Takes samples block by block; a `decode.Receiver`."""

    def __init__(self) -> None:
        self._powers: bs1770.StepPowers

    def on_promise(self, seconds: float | None) -> None:
        """See `decode.Receiver`."""

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:  # noqa: ARG002
        """See `decode.Receiver`. Raises UnmeasurableError where no loudness is defined."""
        weights = bs1770.channel_weights(channels)
        if rate < LOWEST_RATE:
            raise UnmeasurableError("is sampled below 8 kHz")
        if not any(weights):
            raise UnmeasurableError("holds low-frequency effects alone")
        self._powers = bs1770.StepPowers(rate, weights)

    def feed(self, block: Block) -> None:
        """See `decode.Receiver`."""
        self._powers.feed(block)

    def finish(self) -> bytes:
        """Give the loudness, as JSON. Raises UnmeasurableError where the file is too short."""
        return msgspec.json.encode(self.loudness())

    def loudness(self) -> Loudness:
        """Give the loudness. Raises UnmeasurableError where the file is too short for any."""
        powers = self._powers.finish()
        if len(powers) < bs1770.BLOCK_STEPS:
            raise UnmeasurableError("is shorter than one 400 ms block")
        momentary, short = windows(powers, bs1770.BLOCK_STEPS), windows(powers, bs1770.WINDOW_STEPS)
        columns = min(COLUMNS, len(powers))
        starts = np.arange(columns) * len(powers) // columns
        return Loudness(
            len(powers) * _STEP,
            _told(np.fmin.reduceat(momentary, starts)),
            _told(np.fmax.reduceat(momentary, starts)),
            _told(np.fmax.reduceat(short, starts)),
            round(bs1770.integrated_loudness(powers), _DIGITS) + 0.0,
        )


def windows(powers: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Give for each step the mean power of the window of `steps` that ends with it; NaN where there is none."""
    means = np.full(len(powers), np.nan)
    if len(powers) >= steps:
        means[steps - 1 :] = sliding_window_view(powers, steps).mean(axis=-1)
    return means


def _told(powers: NDArray[np.float64]) -> tuple[float | None, ...]:
    """Say powers in LUFS; None for NaN."""
    return tuple(
        None if np.isnan(power) else round(bs1770.loudness_of(max(power, _FLOOR)), _DIGITS) + 0.0
        for power in powers.tolist()
    )
