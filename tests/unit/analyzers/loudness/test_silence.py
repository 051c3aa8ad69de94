"""The gate: a hair above and below its threshold, constant offsets, and arrays with next to nothing in them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.loudness.silence import THRESHOLD, is_silent, sounding_share
from support.audio_files import tone

RATES = (8000, 44100, 48000, 96000)
Wave = NDArray[np.float32]


def sine(dbfs: float, seconds: float = 2.0, rate: int = 44100) -> Wave:
    """1 kHz whose root mean square is `dbfs`."""
    return tone(seconds, rate, channels=1, dbfs=dbfs + 3.0103)[:, 0]


def noise(dbfs: float, seconds: float = 2.0, rate: int = 44100) -> Wave:
    """White noise whose root mean square is `dbfs`."""
    wave = np.random.default_rng(1).standard_normal(round(seconds * rate))
    return (wave * 10 ** (dbfs / 20)).astype(np.float32)


def level(value: float, frames: int) -> Wave:
    return np.full(frames, value, np.float32)


# The threshold


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("above", "silent"), [(-0.1, True), (0.1, False)], ids=["just below", "just above"])
def test_a_tone_around_the_threshold(above: float, silent: bool, rate: int) -> None:
    assert is_silent(sine(THRESHOLD + above, rate=rate), rate) is silent


@pytest.mark.parametrize(("dbfs", "silent"), [(-90.0, True), (-70.3, True), (-69.7, False), (-20.0, False)])
def test_noise(dbfs: float, silent: bool) -> None:
    assert is_silent(noise(dbfs), 44100) is silent


@pytest.mark.parametrize(
    ("seconds", "silent"),
    [pytest.param(0.1, False, id="-66 dBFS over a block"), pytest.param(0.01, True, id="-76 dBFS over a block")],
)
def test_a_burst_counts_by_its_power_over_400_ms(seconds: float, silent: bool) -> None:
    samples = level(0.0, 44100 * 2)
    burst = sine(-60.0, seconds)
    samples[18000 : 18000 + len(burst)] = burst
    assert is_silent(samples, 44100) is silent


@pytest.mark.parametrize("block", range(5))
def test_single_loud_block_is_heard_anywhere(block: int) -> None:
    samples = level(0.0, 17640 * 5)
    samples[17640 * block : 17640 * (block + 1)] = sine(-60.0, 0.4)
    assert not is_silent(samples, 44100)


def test_remainder_behind_the_last_whole_block_is_heard() -> None:
    assert not is_silent(np.concatenate([level(0.0, 17640), sine(-60.0, 0.05)]), 44100)


@pytest.mark.parametrize("amplitude", [2.0, 1e6, 1e12])
def test_samples_above_full_scale(amplitude: float) -> None:
    assert not is_silent(sine(0.0) * np.float32(amplitude), 44100)


@pytest.mark.parametrize(
    ("pauses", "share"),
    [([], 1.0), ([1.2], 1.0), ([3.0], 0.6), ([6.0], 0.25), ([8.0], 0.0)],
    ids=["none", "shorter than a beat", "3 s of 8", "6 s of 8", "all of it"],
)
def test_the_share_in_which_something_is_heard(pauses: list[float], share: float) -> None:
    samples = sine(-20.0, 8.0)
    for seconds in pauses:
        samples[: round(seconds * 44100)] = 0.0
    assert sounding_share(samples, 44100) == pytest.approx(share, abs=0.25)
    assert (sounding_share(samples, 44100) == 1.0) is (share == 1.0)
    assert (sounding_share(samples, 44100) == 0.0) is (share == 0.0)


def test_empty_audio_is_silent() -> None:
    assert sounding_share(level(0.0, 0), 44100) == 0.0


# Offsets


@pytest.mark.parametrize("offset", [1e-4, 0.3, -1.0, 100.0])
def test_a_constant_offset_is_silence(offset: float) -> None:
    assert is_silent(level(offset, 44100), 44100)


@pytest.mark.parametrize("offset", [0.3, -1.0])
def test_an_offset_neither_hides_nor_lifts_what_is_on_it(offset: float) -> None:
    assert is_silent(np.float32(offset) + noise(-90.0), 44100)
    assert is_silent(np.float32(offset) + sine(THRESHOLD - 0.2), 44100)
    assert not is_silent(np.float32(offset) + sine(THRESHOLD + 0.2), 44100)


# Next to nothing


@pytest.mark.parametrize("samples", [[], [0.0], [0.5], [0.0] * 100, [-0.0, 0.0], [1e-40] * 3], ids=str)
def test_inaudible_audio_is_silent(samples: list[float]) -> None:
    assert is_silent(np.array(samples, np.float32), 44100)


@pytest.mark.parametrize("samples", [[0.5, -0.5], [0.0, 1.0], [0.0] * 99 + [1.0]], ids=["two", "a step", "an impulse"])
def test_a_few_samples_can_be_sound(samples: list[float]) -> None:
    assert not is_silent(np.array(samples, np.float32), 44100)


def test_samples_are_only_read() -> None:
    samples = noise(-75.0)
    before = samples.copy()
    samples.flags.writeable = False
    assert is_silent(samples, 44100)
    np.testing.assert_array_equal(samples, before)
