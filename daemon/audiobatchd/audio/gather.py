"""Gathering decoded frames into one float32 array, whatever sample format the decoder gives.

The array is laid out channel by channel: analyzers filter one channel at a time, and most decoders give planes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from av import AudioFrame
from numpy.typing import NDArray

_BLOCK = 1 << 16
_MODEST = 1 << 22

_FORMATS: dict[str, tuple[np.dtype[Any], float, float]] = {
    # Type of every packed sample format, its value of silence, and the divisor that makes full scale 1.0.
    "u8": (np.dtype(np.uint8), 128.0, 1 / 128),
    "s16": (np.dtype(np.int16), 0.0, 1 / (1 << 15)),
    "s32": (np.dtype(np.int32), 0.0, 1 / (1 << 31)),
    "s64": (np.dtype(np.int64), 0.0, 1 / (1 << 63)),
    "flt": (np.dtype(np.float32), 0.0, 1.0),
    "dbl": (np.dtype(np.float64), 0.0, 1.0),
}


def _reserve(channels: int, capacity: int) -> NDArray[np.float32]:
    """Address space, which is no memory yet; less where a lying header asks for more than a machine can have."""
    try:
        return np.empty((channels, max(1, capacity)), np.float32)
    except MemoryError:
        return np.empty((channels, min(capacity, _MODEST)), np.float32)


class Gatherer:
    """Takes frames of one sample format, rate and number of channels, and keeps their samples.

    `capacity` is how many sample frames to make room for; more is made when they do not suffice.
    """

    def __init__(self, sample_format: str, channels: int, capacity: int) -> None:
        packed = sample_format.removesuffix("p")
        self._dtype, silence, scale = _FORMATS[packed]
        self._silence, self._scale = np.float32(silence), np.float32(scale)
        self.is_float = self._dtype.kind == "f"
        self.is_planar = packed != sample_format
        self._channels = channels
        self._samples = _reserve(channels, capacity)
        self._rows = list(self._samples)
        self.count = 0

    def add(self, frame: AudioFrame) -> NDArray[Any]:
        """Append one frame; gives the raw samples of its last plane (of the only one, where they are interleaved).

        The raw samples are the decoder's memory: they are valid until the next frame is decoded.
        """
        count = frame.samples
        start, end = self.count, self.count + count
        if end > self._samples.shape[1]:
            self._make_room(end)
        self.count = end
        if not self.is_planar:
            raw: NDArray[Any] = np.frombuffer(memoryview(frame.planes[0]), self._dtype, count * self._channels)
            self._store(raw.reshape(count, self._channels).T, self._samples[:, start:end])
            return raw
        # PyAV looks for the end of the planes behind the eighth, where there is something else.
        for row, plane in zip(self._rows, frame.planes[: self._channels], strict=True):
            raw = np.frombuffer(memoryview(plane), self._dtype, count)
            self._store(raw, row[start:end])
        return raw

    def _store(self, raw: NDArray[Any], target: NDArray[np.float32]) -> None:
        # Every scale is a power of two: only the conversion itself rounds, once, and only what float32 cannot hold.
        target[...] = raw
        if self._silence:
            target -= self._silence
        if self._scale != 1.0:
            target *= self._scale

    def _make_room(self, needed: int) -> None:
        old = self._samples
        self._samples = np.empty((self._channels, max(needed, old.shape[1] * 3 // 2)), np.float32)
        self._samples[:, : self.count] = old[:, : self.count]
        self._rows = list(self._samples)

    def samples(self) -> NDArray[np.float32]:
        """Samples that were gathered, of shape (frames, channels): each channel contiguous, not copied."""
        return self._samples[:, : self.count].T

    def not_finite(self) -> tuple[int, int]:
        """Number of samples that are NaN or infinite, and the frame of the first one."""
        bad, first = 0, self.count
        if self.is_float:
            for row in self._rows:
                for start in range(0, self.count, _BLOCK):
                    finite = np.isfinite(row[start : min(start + _BLOCK, self.count)])
                    if not finite.all():
                        bad += finite.size - int(np.count_nonzero(finite))
                        first = min(first, start + int(np.argmin(finite)))
        return bad, first

    def magnitude(self) -> float:
        """The largest magnitude; NaN or infinite where a sample is. 0.0 of integers, which lie within full scale."""
        blocks = range(0, self.count if self.is_float else 0, _BLOCK)
        largest = [np.abs(row[start : min(start + _BLOCK, self.count)]).max() for row in self._rows for start in blocks]
        return float(np.max(largest, initial=0.0))
