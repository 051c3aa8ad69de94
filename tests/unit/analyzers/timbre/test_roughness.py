"""Roughness: nothing for one partial, most for partials a quarter of a critical band apart."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.timbre.roughness import mean_roughness


def pair(distance: float, second: float = 0.5) -> float:
    """The roughness of 1 kHz beside another tone."""
    time = np.arange(44100) / 44100
    return mean_roughness(0.5 * np.sin(2 * np.pi * 1000 * time) + second * np.sin(2 * np.pi * (1000 + distance) * time))


def test_one_tone_is_not_rough() -> None:
    assert pair(300.0, second=0.0) == 0.0


def test_roughness_falls_with_distance() -> None:
    found = [pair(distance) for distance in (100.0, 200.0, 400.0, 800.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 10 * found[-1]


def test_a_pair_is_the_curve_of_plomp_and_levelt() -> None:
    width = 0.24 / (0.0207 * 1000 + 18.96)
    curve = {
        distance: np.exp(-3.51 * width * distance) - np.exp(-5.75 * width * distance) for distance in (150.0, 300.0)
    }
    assert pair(300.0) / pair(150.0) == pytest.approx(curve[300.0] / curve[150.0], rel=0.05)


def test_silence_is_not_rough() -> None:
    assert mean_roughness(np.zeros(17640)) == 0.0


@pytest.mark.parametrize("length", [17640, 17641, 19000, 44100])
def test_frames_beyond_the_end_count_as_0(length: int) -> None:
    time = np.arange(length) / 44100
    signal = np.sin(2 * np.pi * 1000 * time) + np.sin(2 * np.pi * 1100 * time)
    assert mean_roughness(signal) > 0.0
