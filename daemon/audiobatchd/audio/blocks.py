"""Decoded frames as blocks of float32, whatever sample format the decoder gives.

A block is laid out channel by channel: analyzers filter one channel at a time, and most decoders give planes. Its
memory is used again for the next one, so that nothing here grows with the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from av import AudioFrame
from av.audio.plane import AudioPlane
from numpy.typing import NDArray

BLOCK = 1 << 18
"""Frames of a block. A decoder's own frames are far smaller, and every call of an analyzer has a price."""

_FORMATS: dict[str, tuple[np.dtype[Any], float, float]] = {
    # Type of every packed sample format, its value of silence, and the divisor that makes full scale 1.0.
    "u8": (np.dtype(np.uint8), 128.0, 1 / 128),
    "s16": (np.dtype(np.int16), 0.0, 1 / (1 << 15)),
    "s32": (np.dtype(np.int32), 0.0, 1 / (1 << 31)),
    "s64": (np.dtype(np.int64), 0.0, 1 / (1 << 63)),
    "flt": (np.dtype(np.float32), 0.0, 1.0),
    "dbl": (np.dtype(np.float64), 0.0, 1.0),
}

Block = NDArray[np.float32]


class Blocks:
    """Takes frames of one sample format and number of channels, and hands on their samples in blocks of `BLOCK`.

    `hand_on` is given each block, of shape (frames, channels), valid during the call and not to be written to. No block
    is handed on from the first one on that has a sample which is not finite, or beyond `most` times full scale.
    """

    def __init__(
        self, sample_format: str, channels: int, hand_on: Callable[[Block], None], most: float = math.inf
    ) -> None:
        packed = sample_format.removesuffix("p")
        self._dtype, silence, scale = _FORMATS[packed]
        self._silence, self._scale = np.float32(silence), np.float32(scale)
        self._is_float = self._dtype.kind == "f"
        self._is_planar = packed != sample_format
        self._channels = channels
        self._hand_on = hand_on
        self._most = most
        self._buffer = np.empty((channels, BLOCK), np.float32)
        self._targets = list(self._buffer) if self._is_planar else [self._buffer]
        self._filled = 0
        self._flushed = 0
        self.magnitude = 0.0
        """The largest one so far, of no meaning where some are `bad`; 0.0 of integers, which lie within full scale."""
        self.bad = 0
        """Number of samples that are NaN or infinite."""
        self.first_bad = 0
        """The frame of the first one of them."""

    @property
    def count(self) -> int:
        """Number of frames that were taken."""
        return self._flushed + self._filled

    def add(self, frame: AudioFrame) -> NDArray[Any]:
        """Append one frame; gives the raw samples of its last plane (of the only one, where they are interleaved).

        The raw samples are the decoder's memory: they are valid until the next frame is decoded.
        """
        count, place = frame.samples, 0
        if self._is_planar:
            # PyAV looks for the end of the planes behind the eighth, where there is something else.
            planes = [self._raw(plane, count) for plane in frame.planes[: self._channels]]
            last = planes[-1]
        else:
            last = self._raw(frame.planes[0], count * self._channels)
            planes = [last.reshape(count, self._channels).T]
        while place < count:
            start = self._filled
            end = min(start + count - place, BLOCK)
            for target, plane in zip(self._targets, planes, strict=True):
                target[..., start:end] = plane[..., place : place + end - start]
            self._filled, place = end, place + end - start
            if end == BLOCK:
                self.flush()
        return last

    def flush(self) -> None:
        """Hand on what there is, as the last block is."""
        if not self._filled:
            return
        samples = self._buffer[:, : self._filled]
        # Every scale is a power of two: only the conversion itself rounds, once, and only what float32 cannot hold.
        if self._silence:
            samples -= self._silence
        if self._scale != 1.0:
            samples *= self._scale
        if self._is_float:
            self._look_at(samples)
        self._flushed += self._filled
        self._filled = 0
        if not self.bad and self.magnitude <= self._most:
            block = samples.T
            block.flags.writeable = False
            self._hand_on(block)

    def _raw(self, plane: AudioPlane, count: int) -> NDArray[Any]:
        return np.frombuffer(memoryview(plane), self._dtype, count)

    def _look_at(self, samples: Block) -> None:
        """Take note of the magnitude of the samples, and of those that are not finite."""
        magnitude = max(float(samples.max()), -float(samples.min()))
        if not math.isfinite(magnitude):
            finite = np.isfinite(samples)
            if not self.bad:
                self.first_bad = self._flushed + int(np.argmin(finite.all(axis=0)))
            self.bad += finite.size - int(np.count_nonzero(finite))
        self.magnitude = max(self.magnitude, magnitude)
