"""Decoded frames as blocks of floats: sample formats, frames of any size, samples that cannot be, channels' names."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatchd.audio.blocks import BLOCK, Blocks

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
EXTREMES: dict[str, tuple[type[np.generic], list[float], list[float]]] = {
    "u8": (np.uint8, [0, 128, 129, 255], [-1.0, 0.0, 1 / 128, 127 / 128]),
    "s16": (np.int16, [-32768, 0, 1, 32767], [-1.0, 0.0, 1 / 32768, 32767 / 32768]),
    "s32": (np.int32, [-(1 << 31), 0, 1, (1 << 31) - 1], [-1.0, 0.0, 2.0**-31, 1.0]),
    "flt": (np.float32, [-1.5, 0.0, 1e-30, 1.5], [-1.5, 0.0, 1e-30, 1.5]),
    "dbl": (np.float64, [-1.5, 0.0, 0.1, 1.5], [-1.5, 0.0, float(np.float32(0.1)), 1.5]),
}
"""Type of every sample format, some samples, and what they are as floats."""


def frame(values: NDArray[np.generic], sample_format: str) -> av.AudioFrame:
    """A frame of `values`, of shape (channels, frames)."""
    planar = sample_format.endswith("p")
    array = values if planar else values.T.reshape(1, -1)
    return av.AudioFrame.from_ndarray(np.ascontiguousarray(array), sample_format, LAYOUTS[len(values)])


class Received:
    """What is handed on of `frames`."""

    def __init__(self, frames: Iterable[av.AudioFrame], sample_format: str, channels: int, most: float = 2e9) -> None:
        self.sizes: list[int] = []
        self.blocks = Blocks(sample_format, channels, self.take, most)
        self.samples = np.zeros((0, channels), np.float32)
        for each in frames:
            self.blocks.add(each)
        self.blocks.flush()

    def take(self, block: NDArray[np.float32]) -> None:
        assert not block.flags.writeable
        assert all(channel.flags.c_contiguous for channel in block.T)
        self.sizes.append(len(block))
        self.samples = np.concatenate([self.samples, block])


@pytest.mark.parametrize("planar", ["", "p"], ids=["interleaved", "planar"])
@pytest.mark.parametrize("sample_format", EXTREMES)
def test_sample_formats(sample_format: str, planar: str) -> None:
    kind, raw, expected = EXTREMES[sample_format]
    values = np.array([raw, raw[::-1]]).astype(kind)
    received = Received([frame(values, sample_format + planar)], sample_format + planar, 2)
    assert received.samples.dtype == np.float32
    np.testing.assert_array_equal(received.samples, np.array([expected, expected[::-1]], np.float32).T)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_format", ["s16", "s16p"])
@pytest.mark.parametrize("size", [150, 4096, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_frames_of_any_size_make_full_blocks(size: int, sample_format: str, channels: int) -> None:
    count = 2 * BLOCK + 1000
    values = np.random.default_rng(7).integers(-32768, 32768, (channels, count)).astype(np.int16)
    pieces = [values[:, start : start + size] for start in range(0, count, size)]
    received = Received([frame(piece, sample_format) for piece in pieces], sample_format, channels)
    assert received.blocks.count == count
    assert received.sizes == [BLOCK, BLOCK, 1000]
    np.testing.assert_array_equal(received.samples, values.T / np.float32(32768))


@pytest.mark.parametrize(("bits", "kind", "sample_format"), [(16, np.int16, "s16"), (32, np.int32, "s32")])
def test_raw_samples_are_given_as_decoded(bits: int, kind: type[np.generic], sample_format: str) -> None:
    """Give samples for the MD5 of FLAC: interleaved, and not yet rounded."""
    values = np.random.default_rng(8).integers(-(1 << bits - 1), 1 << bits - 1, (2, 50)).astype(kind)
    given = frame(values, sample_format)
    np.testing.assert_array_equal(Blocks(sample_format, 2, print).add(given), values.T.reshape(-1))


@pytest.mark.parametrize("sample_format", ["flt", "fltp"])
@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([], (0, 0)),
        ([(0, 0)], (1, 0)),
        ([(1, 199_999)], (1, 199_999)),
        ([(1, 70_000), (0, 65_536), (0, 65_535)], (3, 65_535)),
        ([(0, 150_000), (1, 3)], (2, 3)),
    ],
)
def test_samples_that_are_not_finite(sample_format: str, places: list[tuple[int, int]], found: tuple[int, int]) -> None:
    values = np.zeros((2, 200_000), np.float32)
    for number, place in enumerate(places):
        values[place] = (np.nan, np.inf, -np.inf)[number % 3]
    received = Received([frame(values, sample_format)], sample_format, 2)
    assert (received.blocks.bad, received.blocks.first_bad) == found
    assert np.isfinite(received.samples).all()
    assert len(received.samples) == (found[1] // BLOCK * BLOCK if places else 200_000)


@pytest.mark.parametrize("place", [0, BLOCK - 1, BLOCK, 2 * BLOCK + 5])
@pytest.mark.parametrize("sample", [8.5, -8.5])
def test_nothing_is_handed_on_from_a_sample_too_large_on(sample: float, place: int) -> None:
    values = np.full((2, 2 * BLOCK + 10), 8.0, np.float32)
    values[1, place] = sample
    received = Received([frame(values, "fltp")], "fltp", 2, most=8.0)
    assert received.blocks.magnitude == 8.5
    assert len(received.samples) == place // BLOCK * BLOCK
