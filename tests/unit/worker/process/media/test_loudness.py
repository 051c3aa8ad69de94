"""Loudness over time, by pyloudnorm's blocks and by the analyzer's own integrated value."""

from __future__ import annotations

import math

import numpy as np
import pyloudnorm
import pytest

from audiobatch_analyzers.loudness import bs1770
from audiobatchd.errors import UnmeasurableError
from audiobatchd.worker.orders import COLUMNS, Loudness
from audiobatchd.worker.process.media.loudness import LoudnessReceiver
from support.audio_files import Samples, music, tone

RATE = 48000


def taken(samples: Samples, rate: int = RATE) -> Loudness:
    receiver = LoudnessReceiver()
    receiver.begin(rate, ("FL", "FR"), None)
    for start in range(0, len(samples), 10_000):
        receiver.feed(samples[start : start + 10_000])
    return receiver.loudness()


@pytest.mark.parametrize(("steps", "field"), [(4, "momentary_high"), (30, "short_term")])
def test_windows_are_those_of_pyloudnorm(steps: int, field: str) -> None:
    samples = music(12.0, RATE)
    meter = pyloudnorm.Meter(RATE, block_size=steps / 10, overlap=1 - 1 / steps)
    meter.integrated_loudness(samples.astype(np.float64))
    found = getattr(taken(samples), field)
    assert found[: steps - 1] == (None,) * (steps - 1)
    expected = [float(each) for each in meter.blockwise_loudness]
    measured = found[steps - 1 :]
    assert abs(len(measured) - len(expected)) <= 1
    pairs = list(zip(measured, expected, strict=False))
    assert max(abs(one - other) for one, other in pairs) < 0.05


def test_integrated_value_is_the_analyzers() -> None:
    samples = music(9.0, RATE, seed=3)
    powers = bs1770.step_powers(samples, RATE, (1.0, 1.0))
    assert taken(samples).integrated == pytest.approx(bs1770.integrated_loudness(powers), abs=0.01)
    assert taken(tone(2.0, RATE, dbfs=-23.0)).integrated == pytest.approx(-23.0, abs=0.05)


def test_long_file_keeps_its_loudest_and_quietest_window() -> None:
    samples = np.repeat(tone(150.0, 8000, channels=1, dbfs=-30.0), 2, axis=1)
    samples[800_000:804_000] = 0.5
    samples[800_000:804_000:2] = -0.5
    samples[400_000:404_000] = 0.0
    found = taken(samples, 8000)
    assert len(found.momentary_low) == COLUMNS
    highs = [each for each in found.momentary_high if each is not None]
    lows = [each for each in found.momentary_low if each is not None]
    assert max(highs) > -10
    assert highs.index(max(highs)) / COLUMNS == pytest.approx(804_000 / 1_200_000, abs=0.01)
    assert min(lows) < -50
    assert all(low <= high for low, high in zip(lows, highs, strict=True))
    assert any(low < high - 1 for low, high in zip(lows, highs, strict=True))


def test_silence_is_the_absolute_gate() -> None:
    found = taken(np.zeros((RATE * 4, 2), np.float32))
    assert {*found.momentary_high[3:], *found.short_term[29:], found.integrated} == {-70.0}
    assert all(math.isfinite(each) for each in found.momentary_low if each is not None)


def test_what_has_no_loudness_is_said() -> None:
    with pytest.raises(UnmeasurableError, match="400 ms"):
        taken(tone(0.3, RATE))
    with pytest.raises(UnmeasurableError, match="8 kHz"):
        LoudnessReceiver().begin(4000, ("FC",), None)
    with pytest.raises(UnmeasurableError, match="low-frequency"):
        LoudnessReceiver().begin(RATE, ("LFE",), None)
