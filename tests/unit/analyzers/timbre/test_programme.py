"""The input of the scores: the span, the sum, its loudness by pyloudnorm, and what a gain does not change."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest

from audiobatch_analyzers.timbre.programme import ABSOLUTE_GATE, TARGET, middle, programme
from support.audio_files import Samples, music
from support.timbre_signals import noise


@pytest.mark.parametrize(
    ("frames", "rate", "seconds", "expected"),
    [
        (100, 10, 300, (0, 100)),
        (100, 10, 5, (25, 75)),
        (101, 10, 5, (25, 75)),
        (0, 10, 5, (0, 0)),
        (30, 10, 3, (0, 30)),
    ],
)
def test_middle_is_centred(frames: int, rate: int, seconds: float, expected: tuple[int, int]) -> None:
    found = middle(frames, rate, seconds)
    assert (found.start, found.stop) == expected


@pytest.mark.parametrize("seconds", [0.4, 0.44, 0.46, 1.0, 7.03])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_loudness_is_pyloudnorm_s(seconds: float, gain: float) -> None:
    samples = music(seconds, seed=3) * np.float32(gain)
    summed = samples.astype(np.float64).sum(axis=1)
    expected = pyloudnorm.Meter(44100).integrated_loudness(summed)
    assert programme(samples, 44100).loudness == pytest.approx(expected, abs=1e-9)


def test_the_sum_is_brought_to_24_lufs() -> None:
    heard = programme(music(5.0), 44100)
    assert pyloudnorm.Meter(44100).integrated_loudness(heard.signal) == pytest.approx(TARGET, abs=1e-6)


def test_the_sum_is_kept_within_full_scale() -> None:
    click = np.zeros((44100, 1), np.float32)
    click[::4410] = 0.5
    assert np.abs(programme(click, 44100).signal).max() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", [0.0, 1e-6])
def test_below_the_gate_there_is_no_loudness(scale: float) -> None:
    quiet = (scale * noise(44100))[:, np.newaxis].astype(np.float32)
    assert programme(quiet, 44100).loudness == -math.inf
    assert ABSOLUTE_GATE == -70.0


@pytest.mark.parametrize("exponent", [-7, 3, 60])
@pytest.mark.parametrize("rate", [44100, 48000])
def test_a_power_of_two_changes_loudness_alone(exponent: int, rate: int) -> None:
    samples = music(1.0, rate)
    plain, other = programme(samples, rate), programme(np.ldexp(samples, exponent), rate)
    assert np.array_equal(plain.signal, other.signal)
    assert all(map(np.array_equal, plain.channels, other.channels))
    assert other.loudness - plain.loudness == pytest.approx(20 * math.log10(2) * exponent)


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (6, 2)])
def test_the_first_two_channels_are_kept_apart(channels: int, kept: int) -> None:
    samples = music(0.5, channels=channels)
    heard = programme(samples, 44100)
    assert len(heard.channels) == kept
    for column, channel in zip(samples.T, heard.channels, strict=False):
        share = column[np.abs(column) > 0.01] / channel[np.abs(column) > 0.01]
        assert np.ptp(share) == 0.0
        assert math.log2(share[0]) % 1 == 0.0


def test_samples_beyond_single_precision_s_squares_are_measured() -> None:
    samples: Samples = np.full((44100, 2), 1e30, np.float32) * music(1.0)
    assert np.isfinite(programme(samples, 48000).signal).all()
