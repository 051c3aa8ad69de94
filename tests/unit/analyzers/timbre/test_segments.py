"""What sounds between onsets: spectra of known shape, decays of known length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import spectrogram

from audiobatch_analyzers.timbre import segments
from audiobatch_analyzers.timbre.segments import mean_duration, warm_metrics
from support.timbre_signals import noise


@pytest.mark.parametrize("length", [700, 8191, 8192, 30000])
def test_spectrum_is_scipy_s_at_its_defaults(length: int) -> None:
    signal = noise(length)
    _, _, power = spectrogram(signal, 44100, nperseg=min(length, 8192), nfft=8192)
    expected = power.sum(axis=1)
    assert segments._spectrum(signal) == pytest.approx(expected / expected.max(), abs=1e-12)


def test_straightness_of_a_power_law_is_1() -> None:
    bins = np.arange(1.0, 500.0)
    assert segments._straightness(bins, bins**-1.7) == pytest.approx(1.0)
    assert segments._straightness(bins, np.ones(499)) is None
    assert segments._straightness(bins, np.zeros(499)) is None


def test_low_share_begins_at_the_bin_of_the_lowest_peak() -> None:
    time = np.arange(88200) / 44100
    low, high = (np.sin(2 * np.pi * pitch * time) for pitch in (100, 3000))
    assert 0.5 < warm_metrics(low, [0]).low_share < 0.7, "half of the tone's own lobe lies below"
    assert warm_metrics(high, [0]).low_share == 0.0
    assert warm_metrics(high, [0]).centroid == pytest.approx(3000, abs=20)


def test_a_single_onset_stands_for_the_whole() -> None:
    signal = np.concatenate([np.zeros(20000), noise(60000)])
    assert warm_metrics(signal, [20000]) == warm_metrics(signal, [0])


def test_segments_without_a_peak_are_left_out() -> None:
    time = np.arange(60000) / 44100
    signal = np.concatenate([np.zeros(20000), np.sin(2 * np.pi * 200 * time)])
    assert warm_metrics(signal, [0, 20000]) == warm_metrics(signal[20000:], [0])
    assert math.isnan(warm_metrics(np.zeros(20000), [0]).centroid)


def test_duration_ends_40_db_down_or_at_the_next_onset() -> None:
    time = np.arange(5 * 44100)
    decay = 10 ** (-3 * time / (0.6 * 44100))  # 60 dB in 0.6 s
    assert mean_duration(decay, [0]) == pytest.approx(0.4, abs=0.01)
    assert mean_duration(np.ones(44100), [0, 22050]) == pytest.approx(0.5, abs=0.01)
