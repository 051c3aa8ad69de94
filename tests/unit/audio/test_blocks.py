"""Gathering of decoded frames into one array of floats: every sample format, more frames than room, channels' names."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatchd.audio.gather import Gatherer
from audiobatchd.audio.layout import MOST_CHANNELS, channel_names

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


def gather(frames: Iterable[av.AudioFrame], sample_format: str, channels: int, capacity: int) -> Gatherer:
    gatherer = Gatherer(sample_format, channels, capacity)
    for each in frames:
        gatherer.add(each)
    return gatherer


@pytest.mark.parametrize("planar", ["", "p"], ids=["interleaved", "planar"])
@pytest.mark.parametrize("sample_format", EXTREMES)
def test_sample_formats(sample_format: str, planar: str) -> None:
    kind, raw, expected = EXTREMES[sample_format]
    values = np.array([raw, raw[::-1]]).astype(kind)
    gatherer = gather([frame(values, sample_format + planar)], sample_format + planar, 2, 4)
    assert gatherer.samples().dtype == np.float32
    np.testing.assert_array_equal(gatherer.samples(), np.array([expected, expected[::-1]], np.float32).T)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("sample_format", ["s16", "s16p"])
@pytest.mark.parametrize("capacity", [0, 1, 99, 1000, 100_000])
def test_as_much_room_as_it_takes(capacity: int, sample_format: str, channels: int) -> None:
    values = np.random.default_rng(7).integers(-32768, 32768, (channels, 1000)).astype(np.int16)
    pieces = [values[:, start : start + 150] for start in range(0, 1000, 150)]
    gatherer = gather([frame(piece, sample_format) for piece in pieces], sample_format, channels, capacity)
    assert gatherer.count == 1000
    np.testing.assert_array_equal(gatherer.samples(), values.T / np.float32(32768))
    assert all(channel.flags.c_contiguous for channel in gatherer.samples().T)


def test_a_header_that_lies_takes_no_memory() -> None:
    gatherer = gather([frame(np.ones((2, 10), np.int16), "s16")], "s16", 2, 1 << 50)
    assert gatherer.samples().shape == (10, 2)


@pytest.mark.parametrize(("bits", "kind", "sample_format"), [(16, np.int16, "s16"), (32, np.int32, "s32")])
def test_raw_samples_are_given_as_decoded(bits: int, kind: type[np.generic], sample_format: str) -> None:
    """Give samples for the MD5 of FLAC: interleaved, and not yet rounded."""
    values = np.random.default_rng(8).integers(-(1 << bits - 1), 1 << bits - 1, (2, 50)).astype(kind)
    gatherer = Gatherer(sample_format, 2, 100)
    given = frame(values, sample_format)
    np.testing.assert_array_equal(gatherer.add(given), values.T.reshape(-1))


@pytest.mark.parametrize("sample_format", ["flt", "fltp"])
@pytest.mark.parametrize(
    ("places", "found"),
    [
        ([], (0, 200_000)),
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
    assert gather([frame(values, sample_format)], sample_format, 2, 300_000).not_finite() == found


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("mono", ("FC",)),
        ("stereo", ("FL", "FR")),
        ("5.1(side)", ("FL", "FR", "FC", "LFE", "SL", "SR")),
        ("downmix", ("DL", "DR")),
        ("FR+FL", ("FR", "FL")),
        # No text says where these are: RFC 9639, 9.1.3.
        ("1 channels", ("FC",)),
        ("2 channels", ("FL", "FR")),
        ("3 channels", ("FL", "FR", "FC")),
        ("4 channels", ("FL", "FR", "BL", "BR")),
        ("5 channels", ("FL", "FR", "FC", "BL", "BR")),
        ("6 channels", ("FL", "FR", "FC", "LFE", "BL", "BR")),
        ("7 channels", ("FL", "FR", "FC", "LFE", "BC", "SL", "SR")),
        ("8 channels", ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")),
    ],
)
def test_channel_names(layout: str, names: tuple[str, ...]) -> None:
    assert channel_names(av.AudioLayout(layout)) == names
    assert len(names) <= MOST_CHANNELS == 8
