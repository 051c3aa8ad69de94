"""Reverberation times of noise that decays by so much."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.timbre import reverberation
from audiobatch_analyzers.timbre.reverberation import reverberation_time
from support.timbre_signals import noise


def decays(seconds: float, count: int = 12) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Noise that begins again and again, and decays by 60 dB in so many seconds."""
    place = np.arange(count * 44100) % 44100
    return (noise(count * 44100) * 10 ** (-3 * place / (seconds * 44100))).astype(np.float32)


def test_longer_decays_give_longer_times() -> None:
    found = [reverberation_time(decays(seconds)) for seconds in (0.3, 0.6, 1.0)]
    assert found == sorted(found)
    assert found[-1] - found[0] > 0.15


@pytest.mark.parametrize("rt", [0.2, 0.5, 0.9, 1.1])
def test_the_most_likely_time_is_the_decay_s(rt: float) -> None:
    count = np.arange(2572)
    laplacian = np.random.default_rng(3).laplace(size=2572)
    decay = laplacian * 10 ** (-3 * count / (rt * 22050))
    assert abs(reverberation.TIMES[reverberation._most_likely(decay)] - rt) <= 0.2


@pytest.mark.parametrize("length", [0, 1, 9001, 9002])
def test_what_is_shorter_than_a_frame_is_dry(length: int) -> None:
    assert reverberation_time(np.ones(length, np.float32)) == 0.2


def test_steady_sound_is_dry() -> None:
    assert reverberation_time(np.zeros(44100, np.float32)) == 0.2
    assert reverberation_time(np.ones(44100, np.float32)) == 0.2


def test_smoothing_starts_at_0_3_and_follows_the_commonest() -> None:
    assert reverberation._smoothed([-1, -1]) == 0.2
    assert reverberation._smoothed([9]) == pytest.approx(0.995 * 0.3 + 0.005 * 1.1)
    assert reverberation._smoothed([9] * 5000) > 1.0


def test_all_but_the_first_estimate_are_forgotten() -> None:
    # Of 500 and then 600 others, the 500 have the histogram until the 1,001st; after 736 they begin to be forgotten, so
    # the others have it sooner.
    estimates = [0] * 500 + [9] * 600
    histogram, smooth, told = {0: 0, 9: 0}, 0.3, []
    for number, estimate in enumerate(estimates):
        histogram[estimate] += 1
        if number >= 736:
            histogram[estimates[number - 735]] -= 1
        smooth = 0.995 * smooth + 0.005 * (0.2 if histogram[0] >= histogram[9] else 1.1)
        told.append(smooth)
    assert reverberation._smoothed(estimates) == pytest.approx(np.mean(told))
