"""Waveforms: the lowest and the highest sample of each column, of files of any length in little memory."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from audiobatchd.audio.blocks import Block
from audiobatchd.worker.orders import COLUMNS, Waveform

_FINE, _MOST_BINS = 32, 1 << 16
"""Bins for each column, so that their bounds are near enough; and the number of bins above which two become one."""
_DIGITS = 5


class WaveformReceiver:
    """Takes samples block by block; a `decode.Receiver`."""

    def __init__(self) -> None:
        self._rate = 1
        self._frames = 0
        self._size = 1
        """Frames of a bin."""
        self._rest = np.empty((2, 0), np.float32)
        """Extremes of each of the last frames, which fill no bin yet: the lowest, and the highest."""
        self._bins: list[NDArray[np.float32]] = []
        """Extremes of bins in their order, in arrays of the shape (2, bins)."""
        self._count = 0
        """Number of bins."""

    def on_promise(self, seconds: float | None) -> None:
        """See `decode.Receiver`."""

    def begin(self, rate: int, channels: tuple[str, ...], promised: float | None) -> None:  # noqa: ARG002
        """See `decode.Receiver`. A wrong promise costs precision alone."""
        self._rate = rate
        self._size = max(1, int((promised or 0.0) * rate) // (COLUMNS * _FINE))

    def feed(self, block: Block) -> None:
        """See `decode.Receiver`."""
        self._frames += len(block)
        extremes = np.concatenate([self._rest, np.stack([block.min(axis=1), block.max(axis=1)])], axis=1)
        whole = extremes.shape[1] // self._size
        self._rest = extremes[:, whole * self._size :].copy()
        if whole:
            self._bins.append(_folded(extremes[:, : whole * self._size], self._size))
            self._count += whole
        while self._count > _MOST_BINS:
            self._halve()

    def finish(self) -> bytes:
        """Give the waveform, as JSON."""
        return msgspec.json.encode(self.waveform())

    def waveform(self) -> Waveform:
        """Give the waveform."""
        last = [_folded(self._rest, self._rest.shape[1])] if self._rest.size else []
        bins = np.concatenate([*self._bins, *last], axis=1)
        count = bins.shape[1]
        columns = min(COLUMNS, count)
        starts = np.arange(columns) * count // columns
        low, high = np.minimum.reduceat(bins[0], starts), np.maximum.reduceat(bins[1], starts)
        return Waveform(self._frames / self._rate, _told(low), _told(high))

    def _halve(self) -> None:
        """Make one bin of two; an odd one at the end goes back to the frames that fill no bin yet."""
        bins = np.concatenate(self._bins, axis=1)
        even = bins.shape[1] // 2 * 2
        self._rest = np.concatenate([np.repeat(bins[:, even:], self._size, axis=1), self._rest], axis=1)
        self._bins = [_folded(bins[:, :even], 2)]
        self._count = even // 2
        self._size *= 2


def _folded(extremes: NDArray[np.float32], by: int) -> NDArray[np.float32]:
    """Make one of `by` neighbours each."""
    low, high = extremes.reshape(2, -1, by)
    return np.stack([low.min(axis=1), high.max(axis=1)])


def _told(numbers: NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(round(number, _DIGITS) for number in numbers.tolist())
