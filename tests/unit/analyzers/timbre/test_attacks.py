"""Attacks: bandwidth, effort, centroid, each where it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from audiobatch_analyzers.timbre import attacks
from audiobatch_analyzers.timbre.attacks import LEAD, bandwidth_curve
from support.timbre_signals import noise


def test_bandwidth_of_noise_is_wide_and_of_a_tone_narrow() -> None:
    time = np.arange(44100)
    wide = bandwidth_curve(noise(44100))[200]
    narrow = bandwidth_curve(1e-3 * np.sin(2 * np.pi * 1000 * time / 44100))[200]
    assert 19000 < wide < 22050
    assert narrow < wide / 4


def test_the_curve_is_0_where_it_is_quiet() -> None:
    signal = np.concatenate([np.zeros(20000), noise(20000), np.zeros(20000)])
    curve = bandwidth_curve(signal)
    assert not curve[: (20000 - 4096) // 128].any()
    assert curve[(20000 + 4096) // 128] > 0
    assert len(curve) == (60000 + LEAD - 4096) // 128 + 1


def test_a_straight_rise_takes_nine_tenths_less_its_last_step() -> None:
    rise = np.concatenate([np.linspace(0, 1, 1001), np.ones(500)])
    start, time = attacks._weakest_effort(rise) or (0, 0.0)
    assert start == 100
    assert 10**time * 44100 == pytest.approx(701)


def test_a_step_takes_one_sample() -> None:
    start, time = attacks._weakest_effort(np.concatenate([np.zeros(50), np.ones(50)])) or (0, 0.0)
    assert start == 50
    assert time == pytest.approx(math.log10(1 / 44100))


def test_an_attack_takes_at_most_100_ms() -> None:
    _, time = attacks._weakest_effort(np.linspace(0, 1, 44100)) or (0, 0.0)
    assert time == pytest.approx(math.log10(4411 / 44100))


@pytest.mark.parametrize("part", [np.zeros(100), np.linspace(1, 0, 100), np.ones(10), np.zeros(0), np.ones(1)])
def test_without_a_rise_there_is_no_attack(part: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert attacks._weakest_effort(part) is None
    assert attacks._rise(part) is None


def test_the_centroid_of_a_tone_is_its_pitch() -> None:
    tone = np.sin(2 * np.pi * 3000 * np.arange(44100) / 44100) * np.hanning(44100)
    assert attacks._centroid(tone, 20000, 25512) == pytest.approx(3000, rel=0.4)
    assert attacks._centroid(tone, 20000, 20512) is None
    assert attacks._centroid(np.zeros(9000), 0, 5000) is None


def test_parts_end_where_the_next_begins() -> None:
    values = np.arange(10.0)
    assert [part.tolist() for part in attacks._parts(values, [0, 3, 8])] == [[0, 1, 2], [3, 4, 5, 6, 7], [8, 9]]
    assert [len(part) for part in attacks._parts(values, [4, 4])] == [6, 6]
