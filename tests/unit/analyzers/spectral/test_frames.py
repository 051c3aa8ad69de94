"""Frames and spectra against Essentia's FrameGenerator, Windowing and Spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.spectral.frames import BLOCK, frames_of, hann, magnitudes
from support.audio_files import music

LENGTHS = (2048, 2049, 2048 + 512, 2048 + 513, 2048 + 512 * (BLOCK - 1), 2048 + 512 * BLOCK, 30_000)


@pytest.mark.parametrize("length", [1, 2047, *LENGTHS])
def test_frames_are_cut_as_essentia_cuts_them(length: int) -> None:
    samples = music(1.0, seed=1, channels=1)[:length, 0]
    theirs = essentia.standard().FrameGenerator(samples, frameSize=2048, hopSize=512, startFromZero=True)
    ours = np.concatenate(list(frames_of(samples, 2048, 512)))
    np.testing.assert_array_equal(ours, np.array(list(theirs)))


def test_no_samples_are_one_frame_of_zeros() -> None:
    (frames,) = frames_of(np.empty(0, np.float32), 2048, 512)
    assert frames.shape == (1, 2048)
    assert not frames.any()


def test_a_block_holds_no_more_frames_than_it_says() -> None:
    assert [len(frames) for frames in frames_of(np.zeros(2048 + 512 * BLOCK, np.float32), 2048, 512)] == [BLOCK, 1]


@pytest.mark.parametrize("size", [2048, 4096])
def test_spectra_are_essentia_s(size: int) -> None:
    standard = essentia.standard()
    window, spectrum = standard.Windowing(type="hann", size=size), standard.Spectrum(size=size)
    frames = np.random.default_rng(0).standard_normal((3, size)).astype(np.float32)
    expected = np.array([spectrum(window(frame)) for frame in frames])
    assert magnitudes(frames, hann(size)) == pytest.approx(expected, abs=1e-6)


def test_a_sine_s_magnitude_is_its_amplitude() -> None:
    frame = 0.25 * np.sin(2 * np.pi * 100 * np.arange(2048) / 2047)
    assert magnitudes(frame.astype(np.float32)[np.newaxis], hann(2048)).max() == pytest.approx(0.25, rel=0.005)
