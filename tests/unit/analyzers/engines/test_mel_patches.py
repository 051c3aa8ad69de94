"""Mel spectrograms: held against Essentia's own, whole and in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.engines.mel_patches import BANDS, Patches, mel_bands
from support.audio_files import Samples, music

MUSICNN = Patches(187, 93)


def sound(frames: int) -> Samples:
    return np.resize(music(8.0, 16000, 0, 1)[:, 0], frames)


def essentias(samples: Samples) -> Samples:
    library = essentia.standard()
    bands = library.TensorflowInputMusiCNN()
    frames = library.FrameGenerator(samples, frameSize=512, hopSize=256, startFromZero=False)
    return np.array([bands(frame) for frame in frames])


@pytest.mark.parametrize("frames", [1, 255, 256, 257, 48000])
def test_bands_are_essentias(frames: int) -> None:
    wanted = essentias(sound(frames))
    bands = mel_bands(sound(frames), 0, len(wanted))
    assert bands.dtype == np.float32
    assert bands.shape == (-(-frames // 256) + 1, BANDS)
    assert bands == pytest.approx(wanted, abs=1e-4)
    assert np.abs(bands - wanted).mean() < 2e-6


def test_noise_and_tones_of_any_level_give_essentias_bands() -> None:
    random = np.random.default_rng(0)
    for level in (1e-4, 1e-2, 1.0, 4.0):
        noise = (level * random.standard_normal(8000)).astype(np.float32)
        tone = (level * np.sin(np.arange(8000) * random.uniform(0.05, 3.0))).astype(np.float32)
        for samples in (noise, tone):
            assert mel_bands(samples, 0, 33) == pytest.approx(essentias(samples), abs=2e-4)


def test_silence_is_zero() -> None:
    assert not mel_bands(np.zeros(1000, np.float32), 0, 4).any()


@pytest.mark.parametrize("most", [1, 3, 100])
def test_patches_are_the_same_however_many_at_a_time(most: int) -> None:
    samples = sound(16000 * 12)
    count = MUSICNN.count(len(samples))
    whole = mel_bands(samples, 0, count * MUSICNN.hop + MUSICNN.frames)
    every = np.concatenate(list(MUSICNN.of(samples, count, most)))
    assert every.shape == (count, 187, BANDS) == (7, 187, BANDS)
    # On some processors the matrix product rounds a row by how many there are beside it; the next frame is far from it.
    for number, patch in enumerate(every):
        np.testing.assert_allclose(patch, whole[number * 93 : number * 93 + 187], rtol=0, atol=2e-6)


def test_no_patches_of_what_is_too_short() -> None:
    assert [MUSICNN.count(samples) for samples in (0, 1, 47360, 47361)] == [0, 0, 0, 1]
    assert list(MUSICNN.of(sound(100), 0, 8)) == []
