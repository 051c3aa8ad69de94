"""Offset and clipping: the mean of a file's samples, and the share of them that stand at full scale in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL_SCALE = 0.9999
"""Magnitude from which a sample is at full scale: the largest of 16 bits is 0.99997."""

RUN = 3
"""Samples in a row from which they are clipped: a file that was normalised has single ones at full scale."""


class Levels:
    """Sums the samples of a file by channel, and counts the clipped ones."""

    def __init__(self, channels: int) -> None:
        self._sums = np.zeros(channels)
        self._frames = self._clipped = 0
        self._open = [0] * channels
        """Samples at full scale in a row with which the last piece ended, by channel."""

    def add(self, piece: NDArray[np.float64]) -> None:
        """Take in the next piece, of shape (channels, frames)."""
        self._sums += piece.sum(axis=1)
        self._frames += piece.shape[1]
        loud = (piece >= FULL_SCALE) | (piece <= -FULL_SCALE)
        for channel, row in enumerate(loud):
            self._clipped += self._counted(channel, row)

    def finish(self) -> tuple[float, float]:
        """Give the mean of the channel in which it is largest, of full scale, and the share of clipped samples."""
        clipped = self._clipped + sum(length for length in self._open if length >= RUN)
        means = self._sums / self._frames
        return float(means[np.argmax(np.abs(means))]), clipped / (self._frames * len(means))

    def _counted(self, channel: int, loud: NDArray[np.bool_]) -> int:
        """Count the samples in rows that have come to an end; one that reaches the piece's end is kept open."""
        before, self._open[channel] = self._open[channel], 0
        if not loud.any():
            return before if before >= RUN else 0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
        starts, lengths = edges[::2], edges[1::2] - edges[::2]
        ended = 0
        if starts[0] == 0:
            lengths[0] += before
        elif before >= RUN:
            ended = before
        if loud[-1]:
            self._open[channel] = int(lengths[-1])
            lengths = lengths[:-1]
        return ended + int(lengths[lengths >= RUN].sum())
