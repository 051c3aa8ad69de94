"""The two ends of a file: whether sound stands at its very first and last samples, as where it was cut.

The rule is that of Essentia's StartStopCut (the mean power of the outermost 256 samples at 44.1 kHz against -60 dBFS),
here for each channel, for the same time at every sample rate, and without holding the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS = 256 / 44100
"""Length of an end: 5.8 ms."""

THRESHOLD = -60.0
"""Mean power in dBFS above which an end is not silent."""

_THRESHOLD_POWER: float = 10.0 ** (THRESHOLD / 10.0)


class Ends:
    """Keeps the first and the last 5.8 ms of a file of `channels` at `rate` Hz."""

    def __init__(self, rate: int, channels: int) -> None:
        self.frames = max(1, round(rate * SECONDS))
        """Length of an end in frames."""
        self._first = self._last = np.empty((0, channels), np.float32)

    def feed(self, block: NDArray[np.float32]) -> None:
        """Take in the next block, of shape (frames, channels)."""
        if len(self._first) < self.frames:
            self._first = np.concatenate([self._first, block[: self.frames - len(self._first)]])
        if len(block) >= self.frames:
            self._last = block[-self.frames :].copy()
        else:
            self._last = np.concatenate([self._last, block])[-self.frames :]

    def finish(self) -> tuple[bool, bool] | None:
        """Tell whether the start and the end are cut; None of a file that is shorter than both together."""
        if len(self._first) < self.frames:
            return None
        return _sounds(self._first), _sounds(self._last)


def _sounds(end: NDArray[np.float32]) -> bool:
    """Tell whether any channel of `end` lies above the threshold."""
    # One layout whatever the blocks had: the order of a sum shows in its last bit.
    power = np.mean(np.square(np.ascontiguousarray(end.T), dtype=np.float64), axis=1)
    return bool((power > _THRESHOLD_POWER).any())
