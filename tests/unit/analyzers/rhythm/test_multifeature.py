"""The beat tracker beside Essentia's RhythmExtractor2013 by its method multifeature."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.rhythm.multifeature import BeatTracker, tempo
from audiobatch_analyzers.rhythm.onset_functions import HOP, RATE

pytestmark = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")

Array = NDArray[np.float32]

STEP = HOP / RATE
"""Seconds between two values of an onset function: a beat falls on one of them."""


@cache
def tracker() -> BeatTracker:
    return BeatTracker(essentia.standard())


def metronome(bpm: float, noise: float) -> Array:
    """24 s of clicks of three pitches in turn, over noise of this level."""
    random = np.random.default_rng(round(bpm))
    samples = (noise * random.standard_normal(24 * RATE)).astype(np.float32)
    time = np.arange(3000) / RATE
    for number, start in enumerate(np.arange(0.1, 23.8, 60 / bpm)):
        click = 0.5 * np.exp(-time / 0.012) * np.sin(2 * np.pi * (900, 150, 2500)[number % 3] * time)
        samples[round(start * RATE) :][: len(click)] += click.astype(np.float32)
    return samples


def extracted(samples: Array) -> tuple[float, Array, float]:
    bpm, beats, confidence, *_ = essentia.standard().RhythmExtractor2013(method="multifeature")(samples)
    return bpm, beats, confidence


@pytest.mark.parametrize("bpm", [41.0, 63.5, 90.0, 111.1, 128.0, 147.0, 174.0, 205.0])
def test_beats_over_noise_are_the_extractors(bpm: float) -> None:
    samples = metronome(bpm, noise=0.003)
    found, (bpm, beats, confidence) = tracker()(samples), extracted(samples)
    assert np.array_equal(found[1], beats)
    assert (found[0], found[2]) == (bpm, confidence)


@pytest.mark.parametrize("bpm", [60.0, 97.0, 150.5])
def test_beats_in_silence_are_at_most_a_step_from_them(bpm: float) -> None:
    samples = metronome(bpm, noise=0.0)
    found, (bpm, beats, confidence) = tracker()(samples), extracted(samples)
    assert found[1] == pytest.approx(beats, abs=1.01 * STEP)
    assert found[0] == pytest.approx(bpm, abs=0.2)
    assert found[2] == pytest.approx(confidence, abs=0.3)


def test_nothing_of_one_signal_is_left_for_the_next() -> None:
    first = tracker()(metronome(128.0, noise=0.01))
    tracker()(metronome(70.0, noise=0.1))
    again = tracker()(metronome(128.0, noise=0.01))
    assert np.array_equal(first[1], again[1])
    assert first[::2] == again[::2]


@pytest.mark.parametrize(
    ("beats", "bpm"),
    [
        ([], 0.0),
        ([1.0], 0.0),
        ([1.0, 1.5], 120.0),
        ([0.0, 0.5, 1.0, 1.5, 3.5], 120.0),
        ([0.0, 0.5, 1.01, 1.5], 120.0),
    ],
)
def test_tempo_is_the_mean_near_the_most_frequent(beats: list[float], bpm: float) -> None:
    assert tempo(np.array(beats, np.float32)) == pytest.approx(bpm, abs=0.1)
