"""Profiles of pitch classes against Essentia's chain, and of tones by formula."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.tonal.pitch_classes import CLASSES, PitchClasses
from support.audio_files import Samples, music


@pytest.fixture(scope="module")
def pitch_classes() -> PitchClasses:
    return PitchClasses(essentia.standard())


def by_essentia(samples: Samples) -> Samples:
    standard = essentia.standard()
    window, spectrum = standard.Windowing(type="hann", size=4096), standard.Spectrum(size=4096)
    peaks = standard.SpectralPeaks(maxPeaks=100, magnitudeThreshold=1e-5, sampleRate=44100, orderBy="magnitude")
    profile = standard.HPCP(
        size=12,
        harmonics=8,
        minFrequency=40,
        maxFrequency=5000,
        weightType="cosine",
        nonLinear=True,
        normalized="unitMax",
        referenceFrequency=261.63,
        sampleRate=44100,
    )
    loud = samples * np.float32(0.95 / np.abs(samples).max())
    frames = standard.FrameGenerator(loud, frameSize=4096, hopSize=2048, startFromZero=True)
    mean: Samples = np.mean([profile(*peaks(spectrum(window(frame)))) for frame in frames], axis=0)
    mean /= mean.max()
    return mean


def tone(pitch: int, seconds: float = 0.5) -> Samples:
    """A sine, so many semitones above middle C."""
    time = np.arange(round(seconds * 44100)) / 44100
    return (0.5 * np.sin(2 * np.pi * 261.63 * 2 ** (pitch / 12) * time)).astype(np.float32)


@pytest.mark.parametrize("length", [4096, 4097, 100_000])
def test_profile_is_that_of_essentia_s_chain(pitch_classes: PitchClasses, length: int) -> None:
    samples = music(3.0, seed=1, channels=1)[:length, 0]
    assert pitch_classes(samples) == pytest.approx(by_essentia(samples), abs=1e-5)


@pytest.mark.parametrize("pitch", range(-12, 24))
def test_tone_is_found_in_its_class(pitch_classes: PitchClasses, pitch: int) -> None:
    profile = pitch_classes(tone(pitch))
    assert profile is not None
    assert profile.shape == (CLASSES,)
    assert int(profile.argmax()) == pitch % 12
    assert profile.max() == 1.0


@pytest.mark.parametrize("gain", [1e-3, 4.0, 1e6])
def test_gain_moves_nothing(pitch_classes: PitchClasses, gain: float) -> None:
    samples = music(1.0, seed=2, channels=1)[:, 0]
    assert pitch_classes(samples * np.float32(gain)) == pytest.approx(pitch_classes(samples), abs=1e-5)


def test_silence_around_music_moves_nothing(pitch_classes: PitchClasses) -> None:
    samples, silence = music(1.0, seed=3, channels=1)[:, 0], np.zeros(2048 * 20, np.float32)
    padded = np.concatenate([silence, samples, silence])
    assert pitch_classes(padded) == pytest.approx(pitch_classes(samples), abs=0.1)


@pytest.mark.parametrize(
    "samples",
    [np.zeros(44100, np.float32), np.full(44100, 0.5, np.float32), tone(0)[:0]],
    ids=["zeros", "offset", "empty"],
)
def test_nothing_with_a_pitch_has_no_profile(pitch_classes: PitchClasses, samples: Samples) -> None:
    assert pitch_classes(samples) is None


def test_files_in_turn_share_nothing(pitch_classes: PitchClasses) -> None:
    first, other = (music(0.5, seed=seed, channels=1)[:, 0] for seed in (4, 5))
    profile = pitch_classes(first)
    pitch_classes(other)
    np.testing.assert_array_equal(pitch_classes(first), profile)
