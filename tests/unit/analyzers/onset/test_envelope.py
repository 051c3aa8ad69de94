"""Onset strengths beside those of librosa 0.11, which `support.onset_signals` kept in golden.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers.onset.envelope import onset_strength
from support.onset_signals import EVERY, SIGNALS, noise

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())


@pytest.mark.parametrize("name", SIGNALS)
def test_strengths_are_those_of_librosa(name: str) -> None:
    rate, make = SIGNALS[name]
    strength = onset_strength(make(), rate)
    assert strength[::EVERY] == pytest.approx(GOLDEN[name]["strength"], abs=1e-5)


@pytest.mark.parametrize("count", [1, 511, 512, 1023, 1024, 1025, 2048, 5000, 128 * 512 - 1, 128 * 512, 129 * 512 + 7])
def test_there_is_a_strength_every_512_samples(count: int) -> None:
    strength = onset_strength(noise(count), 44100)
    assert len(strength) == count // 512 + 1
    # Nothing has risen before the first two frames, and half a frame more.
    assert not strength[:3].any()
    assert strength.min() >= 0.0


def test_strength_of_a_file_goes_by_its_own_loudest_band() -> None:
    loud = noise(20_000)
    assert onset_strength(loud * np.float32(2**-10), 44100) == pytest.approx(onset_strength(loud, 44100), abs=1e-4)


def test_a_rise_by_tenfold_amplitude_is_20_db_in_all() -> None:
    # A step in the middle of noise: the rises of the frames that it passes through add up to it.
    samples = noise(60_000) * np.float32(0.01)
    samples[30_000:] *= 10
    strength = onset_strength(samples, 44100)
    passing = strength[30_000 // 512 : 30_000 // 512 + 6].sum()
    steady = strength[10:50].mean() * 6
    assert passing - steady == pytest.approx(20.0, abs=5.0)


@pytest.mark.parametrize("rate", [1000, 8000, 192_000])
def test_silence_has_strength_0_at_every_rate(rate: int) -> None:
    assert not onset_strength(np.zeros(10_000, np.float32), rate).any()


def test_strengths_of_overflowing_samples_are_not_finite() -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(onset_strength(noise(10_000) * np.float32(1e30), 44100)).all()
