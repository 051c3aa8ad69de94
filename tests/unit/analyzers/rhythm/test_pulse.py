"""A pulse, or none: judged by rises alone, on signals whose tempo is their formula."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.rhythm.pulse import HOP, WINDOW, clarity, is_clear, rises
from support.audio_files import Samples

RATE = 44100


def clicks(bpm: float, seconds: float = 12.0, jitter: float = 0.0) -> Samples:
    """Bursts of noise of 20 ms at this tempo, each off by up to `jitter` beats."""
    random = np.random.default_rng(3)
    samples = np.zeros(round(seconds * RATE), np.float32)
    burst = random.standard_normal(RATE // 50).astype(np.float32) * np.float32(0.3)
    beat = 60.0 / bpm
    for number in range(int(seconds / beat) - 1):
        start = round((number + random.uniform(-jitter, jitter) + 0.5) * beat * RATE)
        samples[start : start + len(burst)] += burst
    return samples


def tone(seconds: float = 12.0) -> Samples:
    return (0.3 * np.sin(2 * np.pi * 440.0 * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("bpm", [60.0, 97.0, 140.0])
def test_metronome_is_clear_at_its_tempo(bpm: float) -> None:
    samples = clicks(bpm)
    assert is_clear(samples, RATE, bpm)
    assert clarity(rises(samples, RATE), RATE, bpm) > 0.8
    assert clarity(rises(samples, RATE), RATE, bpm * 1.37) < 0.3


def test_tempo_an_octave_too_high_is_clear_as_well() -> None:
    assert is_clear(clicks(70.0), RATE, 140.0)


@pytest.mark.parametrize(
    "samples",
    [tone(), np.zeros(12 * RATE, np.float32), clicks(97.0, jitter=0.5), tone(0.05)],
    ids=["a tone", "silence", "clicks at random", "a moment"],
)
def test_what_has_no_pulse_is_not_clear(samples: Samples) -> None:
    assert not is_clear(samples, RATE, 97.0)


def test_rises_have_one_number_between_two_windows() -> None:
    assert len(rises(tone(2.0), RATE)) == (2 * RATE - WINDOW) // HOP
    assert len(rises(np.zeros(WINDOW + HOP - 1, np.float32), RATE)) == 0


def test_level_of_a_recording_does_not_matter() -> None:
    samples = clicks(97.0)
    quiet = clarity(rises(samples * np.float32(2.0**-9), RATE), RATE, 97.0)
    assert quiet == pytest.approx(clarity(rises(samples, RATE), RATE, 97.0), rel=1e-3)
