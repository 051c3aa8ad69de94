"""Onsets beside librosa's, and by hand: what is picked, and to where it is put back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers.onset.picking import backtracked, detect, picked
from support.onset_signals import SIGNALS, noise, plucks

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())

RATE = 44100
"""At which nothing stronger may lie 2 frames before an onset, and means go over 8 frames to both sides."""


@pytest.mark.parametrize("name", SIGNALS)
def test_onsets_are_those_of_librosa(name: str) -> None:
    rate, make = SIGNALS[name]
    found = detect(make(), rate)
    assert found is not None
    assert found.times.tolist() == [frame * 512 / rate for frame in GOLDEN[name]["onsets"]]


def peaks(*heights: tuple[int, float], length: int = 60) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    strength = np.zeros(length, np.float32)
    for place, height in heights:
        strength[place] = height
    return strength


@pytest.mark.parametrize(
    ("strength", "expected"),
    [
        pytest.param(peaks((20, 5.0)), [20], id="one"),
        pytest.param(peaks((20, 5.0), (40, 5.0)), [20, 40], id="two"),
        # Of the strongest, and above a mean to which the peak itself gives a 17th.
        pytest.param(peaks((20, 5.0), (40, 0.36)), [20], id="lower than 0.07 above its mean"),
        pytest.param(peaks((20, 5.0), (40, 0.38)), [20, 40], id="higher than 0.07 above its mean"),
        pytest.param(peaks((20, 5.0), (22, 4.9)), [20], id="a stronger one 2 frames before"),
        pytest.param(peaks((20, 4.9), (22, 5.0)), [20], id="2 frames after another"),
        pytest.param(peaks((20, 4.9), (23, 5.0)), [20, 23], id="3 frames after another"),
        pytest.param(peaks((0, 5.0)), [0], id="the first frame"),
        pytest.param(peaks((59, 5.0)), [59], id="the last frame"),
        pytest.param(peaks(), [], id="none"),
        pytest.param(np.full(60, 3.0, np.float32), [], id="steady"),
        pytest.param(peaks((0, 2.0), length=1), [], id="a single frame"),
    ],
)
def test_peaks_that_are_picked(strength: np.ndarray[tuple[int], np.dtype[np.float32]], expected: list[int]) -> None:
    assert picked(strength, RATE).tolist() == expected


@pytest.mark.parametrize(
    ("strength", "peak", "expected"),
    [
        pytest.param([0, 3, 1, 2, 5, 0], 4, 2, id="the last least strength"),
        pytest.param([0, 3, 1, 1, 1, 5, 0], 5, 4, id="the end of a level stretch"),
        pytest.param([0, 0, 2, 3, 5, 0], 4, 1, id="through a slow rise"),
        pytest.param([1, 2, 3, 5, 4, 4], 3, 0, id="the first frame"),
        pytest.param([5, 4, 3, 4, 4, 4], 0, 0, id="a peak at the first frame"),
    ],
)
def test_an_onset_is_put_back_to_where_its_rise_begins(strength: list[float], peak: int, expected: int) -> None:
    assert backtracked(np.array([peak]), np.array(strength, np.float32)).tolist() == [expected]


def test_strengths_are_those_where_onsets_begin() -> None:
    found = detect(plucks(RATE, 2.0), RATE)
    assert found is not None
    assert len(found.strengths) == len(found.times)
    # Over noise the level trembles a little before each pluck, and a pluck rises by some 10 dB.
    assert 0.0 < found.strengths[1:].mean() < 5.0


def test_samples_beyond_single_precision_have_no_answer() -> None:
    assert detect(noise(10_000) * np.float32(1e30), RATE) is None
