"""The two ends of a file: whether sound stands at its very first and last samples, as where it was cut.

The rule is that of Essentia's StartStopCut: the mean power of either of the two outermost frames, of 256 samples at
44.1 kHz, is above -60 dBFS. Here it holds for each channel and for the same time at every sample rate, and the file is
not kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FRAME = 256 / 44100
"""Length of a frame in seconds: 5.8 ms."""

FRAMES = 2
"""Number of frames that an end has."""

THRESHOLD = -60.0
"""Mean power in dBFS above which an end is not silent."""

_THRESHOLD_POWER: float = 10.0 ** (THRESHOLD / 10.0)


class Ends:
    """Keeps the first and the last 11.6 ms of a file of `channels` at `rate` Hz."""

    def __init__(self, rate: int, channels: int) -> None:
        self._length = FRAMES * max(1, round(rate * FRAME))
        """Samples of an end, in each channel."""
        self._first = self._last = np.empty((0, channels), np.float32)

    def feed(self, block: NDArray[np.float32]) -> None:
        """Take in the next block, of shape (frames, channels)."""
        if len(self._first) < self._length:
            self._first = np.concatenate([self._first, block[: self._length - len(self._first)]])
        if len(block) >= self._length:
            self._last = block[-self._length :].copy()
        else:
            self._last = np.concatenate([self._last, block])[-self._length :]

    def finish(self) -> tuple[bool, bool] | None:
        """Tell whether the start and the end are cut; None of a file that is shorter than one end."""
        if len(self._first) < self._length:
            return None
        return _sounds(self._first), _sounds(self._last)


def _sounds(end: NDArray[np.float32]) -> bool:
    """Tell whether any frame of any channel of `end` lies above the threshold."""
    # One layout whatever the blocks had: the order of a sum shows in its last bit.
    frames = np.ascontiguousarray(end.T).reshape(end.shape[1], FRAMES, -1)
    power = np.mean(np.square(frames, dtype=np.float64), axis=2)
    return bool((power > _THRESHOLD_POWER).any())
