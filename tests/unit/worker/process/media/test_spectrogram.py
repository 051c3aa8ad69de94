"""Spectrograms: tones at their rows, moments at their columns, of files of any length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatchd.worker.orders import COLUMNS
from audiobatchd.worker.process.media import spectrogram
from audiobatchd.worker.process.media.spectrogram import HIGHEST, LOWEST, ROWS, SpectrogramReceiver
from support.audio_files import Samples, tone


def taken(samples: Samples, rate: int = 44100, promised: float | None = None) -> NDArray[np.uint8]:
    receiver = SpectrogramReceiver()
    receiver.begin(rate, ("FC",) * samples.shape[1], promised)
    for start in range(0, len(samples), 30_000):
        receiver.feed(samples[start : start + 30_000])
    found = receiver.picture()
    assert found.shape == (ROWS, COLUMNS)
    return found


def row_of(hertz: float) -> float:
    """The row at which a frequency lies, counted from the top."""
    return ROWS - ROWS * math.log(hertz / LOWEST) / math.log(HIGHEST / LOWEST)


@pytest.mark.parametrize("hertz", [110.0, 1000.0, 9000.0])
def test_tone_is_brightest_at_its_row(hertz: float) -> None:
    found = taken(tone(3.0, frequency=hertz), promised=3.0)
    middle = found[:, 100:900].mean(axis=1)
    half_a_bin = 44100 / 4096 / 2
    slack = abs(row_of(hertz - half_a_bin) - row_of(hertz)) + 1
    assert int(middle.argmax()) + 0.5 == pytest.approx(row_of(hertz), abs=slack)
    assert middle.max() > 250
    far = [row for row in range(ROWS) if abs(row - row_of(hertz)) > 40]
    assert middle[far].max() < 90  # sidelobes of the window


@pytest.mark.parametrize(("promised", "most"), [(None, 4000), (2.0, 4000), (2000.0, 4000), (2.0, 70)])
def test_moment_is_at_its_column(promised: float | None, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrogram, "_MOST_SPECTRA", most)
    samples = np.zeros((88_200, 2), np.float32)
    samples[44_100:66_150] = tone(0.5)
    bright = taken(samples, promised=promised)[int(row_of(1000.0))] > 200
    places = np.flatnonzero(bright) / COLUMNS
    assert places.min() == pytest.approx(0.5, abs=0.04)
    assert places.max() == pytest.approx(0.75, abs=0.04)


def test_channels_that_cancel_each_other_are_seen() -> None:
    samples = tone(1.0)
    samples[:, 1] *= -1
    assert taken(samples)[int(row_of(1000.0)), 500] > 200


def test_silence_and_what_is_above_half_the_rate_are_dark() -> None:
    assert not taken(np.zeros((44_100, 1), np.float32)).any()
    noise = np.random.default_rng(1).uniform(-1, 1, (16_000, 1)).astype(np.float32)
    found = taken(noise, 8000)
    assert not found[: int(row_of(4000.0)) - 1].any()
    assert found[int(row_of(3500.0)) :].all()


@pytest.mark.parametrize("frames", [1, 100, 5000])
def test_shortest_file_has_a_picture(frames: int) -> None:
    assert taken(tone(1.0)[:frames] + np.float32(0.1)).any()


def test_levels_are_decibels_below_the_loudest_place() -> None:
    samples = tone(2.0, dbfs=-6.0)
    samples[44_100:] = tone(1.0, dbfs=-36.0)
    row = taken(samples)[int(row_of(1000.0))].astype(float)
    assert row[250] - row[750] == pytest.approx(255 * 30 / 90, abs=2)
