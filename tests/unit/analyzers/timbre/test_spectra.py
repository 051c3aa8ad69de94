"""Spectrograms against scipy's, peaks against `mirpeaks` read out step by step."""

from __future__ import annotations

from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from scipy.signal import butter, lfilter, spectrogram

from audiobatch_analyzers.timbre.spectra import (
    bright_metrics,
    candidates,
    deep_metrics,
    frequencies,
    high_passed,
    low_passed,
    peaks,
    power_blocks,
    refined,
)
from support.timbre_signals import noise

Array = NDArray[np.float64]
TWO_SECONDS = np.arange(88200) / 44100


@pytest.mark.parametrize(("frame", "hop"), [(2048, 512), (4096, 1024)])
def test_power_is_scipy_s_spectrogram(frame: int, hop: int) -> None:
    signal = noise(30000) + 0.2
    _, _, expected = spectrogram(signal, 44100, "hamming", frame, frame - hop, scaling="spectrum")
    assert np.concatenate(list(power_blocks(signal, frame, hop))) == pytest.approx(expected.T, abs=1e-12)
    assert frequencies(frame)[-1] == 22050.0


def test_filters_run_three_times() -> None:
    signal = noise(20000)
    designs = butter(2, 100 / 22050, "highpass"), butter(2, 100 / 22050, "lowpass")
    for made, design in zip((high_passed(signal, 100.0), low_passed(signal, 100.0)), designs, strict=True):
        expected = signal
        numerator, denominator = design
        for _ in range(3):
            expected = lfilter(numerator, denominator, expected)
        assert made == pytest.approx(expected, abs=1e-9)


def test_bright_metrics_of_two_tones() -> None:
    share, centroid = bright_metrics(np.sin(2 * np.pi * 500 * TWO_SECONDS) + np.sin(2 * np.pi * 8000 * TWO_SECONDS))
    assert share == pytest.approx(0.5, abs=0.01)
    assert centroid == pytest.approx(4250, abs=30)


def test_deep_metrics_of_two_tones() -> None:
    found = deep_metrics(0.5 * np.sin(2 * np.pi * 110 * TWO_SECONDS) + 0.5 * np.sin(2 * np.pi * 1000 * TWO_SECONDS))
    assert found.ratio == pytest.approx(0.5, abs=0.01)
    passed = (1 / (1 + 0.5**4)) ** 3  # of 1 kHz, below 2 kHz
    assert found.centroid == pytest.approx((110 + 1000 * passed) / (1 + passed), abs=2)
    assert found.lowest_peak == pytest.approx(110, abs=3)


def test_a_lowest_peak_at_0_hz_is_passed_over() -> None:
    steps = np.sign(np.sin(2 * np.pi * 1.3 * TWO_SECONDS)) * 0.4 + 0.3 * np.sin(2 * np.pi * 1000 * TWO_SECONDS)
    assert np.isfinite(np.log10(deep_metrics(steps).lowest_peak))


def test_silence_has_no_lowest_peak() -> None:
    assert np.isnan(deep_metrics(np.zeros(44100)).lowest_peak)


# Peaks


def mirpeaks(values: Array, contrast: float) -> list[int]:
    """As MIRtoolbox has it: -2 at both ends, a running notch, and the higher of two that no notch parts."""
    padded = np.concatenate([[-2.0], values, [-2.0]])
    rises = np.diff(padded)
    found = [
        place
        for place in range(1, len(padded) - 1)
        if padded[place] >= contrast and rises[place - 1] > 0 >= rises[place]
    ]
    if not found:
        return []
    kept, here, before, notch = [], found[0], -2.0, 2.0
    for latest, place in pairwise(found):
        between = padded[latest : place - 1] if place - latest > 2 else padded[latest : latest + 1]
        notch = min(notch, float(between.min()))
        if padded[here] - notch < contrast:
            before = min(before, notch)
            if padded[place] > padded[here]:
                here, notch = place, 2.0
        else:
            if padded[here] - before >= contrast:
                kept.append(here)
                before = notch
            else:
                before = min(before, notch)
            here, notch = place, 2.0
    if padded[here] - before >= contrast:
        kept.append(here)
    return sorted((place - 1 for place in kept), key=lambda place: -values[place])


@settings(max_examples=400, deadline=None)
@given(
    npst.arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.8, 1.0])),
    st.sampled_from([0.01, 0.2]),
)
def test_peaks_are_those_of_mirpeaks(values: Array, contrast: float) -> None:
    expected = mirpeaks(values, contrast)
    found = peaks(values, contrast)
    assert sorted(found.tolist()) == sorted(expected)
    assert np.all(np.diff(values[found]) <= 0)


def test_candidates_may_be_at_both_ends() -> None:
    assert candidates(np.array([1.0, 0.2, 0.5, 0.5, 0.1, 0.9]), 0.3).tolist() == [0, 2, 5]


def test_a_parabola_refines_its_own_top() -> None:
    places = np.arange(20.0)
    heights, positions = refined(np.array([7]), 3.0 - (places - 7.3) ** 2)
    assert (heights[0], positions[0]) == (pytest.approx(3.0), pytest.approx(7.3))


def test_peaks_at_the_ends_are_not_refined() -> None:
    heights, positions = refined(np.array([0, 2]), np.array([5.0, 1.0, 4.0]))
    assert (heights.tolist(), positions.tolist()) == ([5.0, 4.0], [0.0, 2.0])
