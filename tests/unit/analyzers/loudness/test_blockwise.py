"""A filter by blocks is the filter of scipy, sample by sample, wherever the signal is cut."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from audiobatch_analyzers.loudness.blockwise import CHUNK, BlockFilter
from audiobatch_analyzers.loudness.bs1770 import k_weighting


def noise(count: int, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(count).astype(np.float32)


def filtered(sections: NDArray[np.float64], samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Filter all of `samples`, a chunk at a time."""
    by_blocks = BlockFilter(sections)
    chunks = (samples[start : start + CHUNK] for start in range(0, len(samples), CHUNK))
    return np.concatenate([by_blocks(chunk)[: len(chunk)].copy() for chunk in chunks])


def error(sections: NDArray[np.float64], samples: NDArray[np.float32]) -> float:
    """The largest difference from the same filter in float64, of the largest sample that goes in."""
    exact = sosfilt(sections, samples.astype(np.float64))
    return float(np.abs(filtered(sections, samples) - exact).max() / np.abs(samples).max())


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
@pytest.mark.parametrize("count", [1, 31, 32, 33, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 12345])
def test_the_k_weighting(rate: int, count: int) -> None:
    assert error(k_weighting(rate), noise(count)) < 1e-6


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
def test_the_roundings_of_an_offset_do_not_gather(rate: int) -> None:
    assert error(k_weighting(rate), noise(3 * CHUNK) * np.float32(1e-4) + np.float32(0.5)) < 1e-6


@settings(max_examples=30, deadline=None)
@given(rate=st.integers(8000, 192_000), count=st.integers(1, 2 * CHUNK), seed=st.integers(0, 1000))
def test_any_rate_and_any_length(rate: int, count: int, seed: int) -> None:
    assert error(k_weighting(rate), noise(count, seed)) < 1e-6


def test_another_filter_of_more_sections() -> None:
    sections = butter(6, [0.01, 0.3], "bandpass", output="sos")
    assert error(sections, noise(CHUNK + 1)) < 1e-5


def test_an_offset_is_added_to_every_sample() -> None:
    sections, samples = k_weighting(44100), noise(1000)
    raised = BlockFilter(sections)(samples, 0.25)[:1000]
    assert raised == pytest.approx(filtered(sections, samples + np.float32(0.25)), abs=1e-6)
