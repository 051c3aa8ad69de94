"""Pieces of equal length, cut from blocks of any: what is computed of them is the same however a file was fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

FRAMES = 4096
"""Length of a piece in frames: 93 ms at 44.1 kHz."""


class Pieces:
    """Cuts blocks of shape (frames, channels) into pieces of shape (channels, `FRAMES`), each channel contiguous.

    A piece is overwritten by the next one: keep a copy of what is needed.
    """

    def __init__(self, channels: int) -> None:
        self._piece = np.empty((channels, FRAMES), np.float32)
        self._filled = 0

    def feed(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Take in a block, and yield every piece that it completes."""
        taken = 0
        while taken < len(block):
            count = min(FRAMES - self._filled, len(block) - taken)
            self._piece[:, self._filled : self._filled + count] = block[taken : taken + count].T
            self._filled += count
            taken += count
            if self._filled == FRAMES:
                self._filled = 0
                yield self._piece

    def rest(self) -> NDArray[np.float32]:
        """Return what is left behind the last whole piece, of shape (channels, frames); it may have no frames."""
        return self._piece[:, : self._filled]
