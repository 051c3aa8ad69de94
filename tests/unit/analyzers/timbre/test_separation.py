"""The percussive share against medians in two dimensions and a transform of the whole signal at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from audiobatch_analyzers.timbre.onsets import frame_count, onset_strength, transform
from audiobatch_analyzers.timbre.separation import percussive_share_and_strength
from support.timbre_signals import noise

Array = NDArray[np.float64]


def expected_share(signal: Array) -> float:
    """The same in one piece and in double precision."""
    spectrum = transform(signal, 0, frame_count(len(signal)))
    magnitude = np.abs(spectrum)
    held = median_filter(magnitude, (31, 1), mode="reflect") ** 2
    struck = median_filter(magnitude, (1, 31), mode="reflect") ** 2
    total = held + struck
    mask = np.where(total > 0, struck / np.where(total > 0, total, 1), 0.5)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    length = 2048 + 512 * (len(spectrum) - 1)
    made, weight = np.zeros(length), np.zeros(length)
    for place, frame in enumerate(np.fft.irfft(spectrum * mask, axis=1)):
        made[place * 512 : place * 512 + 2048] += frame * window
        weight[place * 512 : place * 512 + 2048] += window**2
    percussive = (made / np.where(weight > 0, weight, 1))[1024:-1024]
    harmonic = signal[: len(percussive)] - percussive
    roots = [
        sum(np.sqrt(np.mean(part[start : start + 1024] ** 2)) for start in range(0, len(part) - 1023, 512))
        for part in (percussive, harmonic)
    ]
    return float(roots[0] / sum(roots))


@pytest.mark.parametrize("length", [17640, 44100, 140000, 300000])
def test_share_is_that_of_one_piece(length: int) -> None:
    time = np.arange(length)
    signal = 0.3 * noise(length) * np.exp(-(time % 9000) / 1500) + 0.2 * np.sin(2 * np.pi * 330 * time / 44100)
    share, strength = percussive_share_and_strength(signal)
    assert share == pytest.approx(expected_share(signal), abs=1e-5)
    assert strength == pytest.approx(onset_strength(signal), abs=1e-9)


def test_clicks_are_percussive_and_tones_are_not() -> None:
    time = np.arange(88200)
    click = np.where(time % 11025 == 5000, 1.0, 0.0)
    tone = np.sin(2 * np.pi * 440 * time / 44100)
    assert percussive_share_and_strength(click)[0] > 0.9
    assert percussive_share_and_strength(tone)[0] < 0.1


def test_silence_has_no_share() -> None:
    assert np.isnan(percussive_share_and_strength(np.zeros(44100))[0])
