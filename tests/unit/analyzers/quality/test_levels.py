"""Offset and clipping of signals of which both are known by formula."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.quality.levels import Levels
from support.audio_files import Samples, quantized, tone


def levels(samples: Samples, piece: int = 4096) -> tuple[float, float]:
    found = Levels(samples.shape[1])
    for start in range(0, len(samples), piece):
        found.add(samples[start : start + piece].T.astype(np.float64))
    return found.finish()


@pytest.mark.parametrize("offset", [0.0, 0.25, -0.25, 0.001])
def test_offset_is_that_of_the_channel_where_it_is_largest(offset: float) -> None:
    samples = tone(1.0, dbfs=-12.0)
    samples[:, 1] += np.float32(offset)
    assert levels(samples)[0] == pytest.approx(offset, abs=1e-7)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("drive", [1.25, 2.0, 10.0])
def test_clipped_sine_has_the_share_of_the_arcsine(drive: float, bits: int) -> None:
    samples = tone(1.0, frequency=101.0, dbfs=20 * np.log10(drive))
    share = 1.0 - 2.0 / np.pi * np.arcsin(1.0 / drive)
    assert levels(quantized(samples, bits))[1] == pytest.approx(share, abs=0.005)


@pytest.mark.parametrize(("length", "counted"), [(1, 0), (2, 0), (3, 3), (7, 7)])
@pytest.mark.parametrize("start", [0, 1, 4090, 4094, 4096, 9993])
def test_samples_at_full_scale_count_from_three_in_a_row(start: int, length: int, counted: int) -> None:
    samples = np.full((10_000, 2), 0.5, np.float32)
    samples[start : start + length, 1] = -1.0
    assert levels(samples)[1] * 20_000 == pytest.approx(counted)


@pytest.mark.parametrize("piece", [1, 2, 5, 1000])
def test_rows_across_pieces_are_one(piece: int) -> None:
    samples = np.zeros((3000, 1), np.float32)
    samples[10:12] = samples[100:1100] = samples[2998:] = 1.0
    assert levels(samples, piece)[1] * 3000 == pytest.approx(1000)


def test_both_signs_at_full_scale_make_one_row() -> None:
    # A square wave that is clipped on both sides changes sign without leaving full scale.
    samples = np.tile(np.array([[1.0], [-1.0]], np.float32), (100, 1))
    assert levels(samples)[1] == 1.0


def test_a_normalised_sine_is_not_clipped() -> None:
    assert levels(tone(1.0, frequency=5000.0, dbfs=0.0))[1] == 0.0
