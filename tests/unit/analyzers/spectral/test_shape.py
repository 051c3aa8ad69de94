"""Measures of spectra against Essentia's algorithms called one by one, and against formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.spectral.shape import MEASURES, medians, shapes
from support.audio_files import music

BINS = 1025


def by_essentia(spectra: NDArray[np.float32]) -> NDArray[np.float64]:
    """The four measures of each spectrum."""
    standard = essentia.standard()
    flatness, flux = standard.Flatness(), standard.Flux(norm="L2")
    moments, distribution = standard.CentralMoments(range=BINS), standard.DistributionShape()
    return np.array([[flatness(each), flux(each), *distribution(moments(each))[1:]] for each in spectra])


def spectra_by_essentia(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    standard = essentia.standard()
    window, spectrum = standard.Windowing(type="hann", size=2048), standard.Spectrum(size=2048)
    frames = standard.FrameGenerator(samples, frameSize=2048, hopSize=512, startFromZero=True)
    return np.array([spectrum(window(frame)) for frame in frames])


def random_spectra() -> NDArray[np.float64]:
    """Spectra as different as those of noise, tones, bass and hiss."""
    random = np.random.default_rng(5)
    noise = random.rayleigh(size=(6, BINS))
    noise[1] *= np.geomspace(1, 1e-6, BINS)
    noise[2] *= np.geomspace(1e-4, 1, BINS)
    noise[3] = 1e-7
    noise[3, 20:23] = 0.5, 1.0, 0.5
    noise[4] *= 1e-12
    noise[5, 700:] = 1e-9
    return noise


# Essentia


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_are_essentia_s(measure: str) -> None:
    spectra = random_spectra()
    expected = by_essentia(spectra.astype(np.float32))
    column = MEASURES.index(measure)
    assert shapes(spectra, np.zeros(BINS))[:, column] == pytest.approx(expected[:, column], rel=2e-4, abs=2e-4)


def test_medians_are_those_of_essentia_s_chain() -> None:
    samples = music(4.0, seed=2, channels=1)[:, 0]
    expected = np.median(by_essentia(spectra_by_essentia(samples)), axis=0)
    assert list(medians(samples).values()) == pytest.approx(expected.tolist(), rel=1e-4)


def test_flux_goes_on_from_block_to_block() -> None:
    spectra = random_spectra()
    whole = shapes(spectra, np.zeros(BINS))
    parts = [shapes(spectra[:2], np.zeros(BINS)), shapes(spectra[2:], spectra[1])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


# Formulas


def test_white_noise_is_as_flat_as_its_magnitudes_are_rayleigh() -> None:
    noise = np.random.default_rng(0).standard_normal(3 * 44100).astype(np.float32)
    found = medians(noise)
    assert found["flatness"] == pytest.approx(2 * math.exp(-np.euler_gamma / 2) / math.sqrt(math.pi), abs=0.003)
    assert found["skewness"] == pytest.approx(0.0, abs=0.02)
    # An even distribution has a kurtosis 1.2 below that of a normal one.
    assert found["kurtosis"] == pytest.approx(-1.2, abs=0.02)


def test_impulse_is_flat() -> None:
    samples = np.zeros(20_000, np.float32)
    samples[10_100] = 1.0
    found = medians(samples)
    assert found["flatness"] == pytest.approx(1.0, abs=1e-9)
    assert found["kurtosis"] == pytest.approx(-1.2, abs=1e-4)


def test_tone_is_not_flat_and_does_not_change() -> None:
    found = medians(np.sin(2 * np.pi * 1000 * np.arange(44100) / 44100).astype(np.float32))
    assert 0.0 < found["flatness"] < 1e-3
    assert found["flux"] < 0.06
    assert found["skewness"] > 10.0


def test_gain_moves_flux_alone() -> None:
    samples = music(1.0, seed=3, channels=1)[:, 0]
    louder, found = medians(samples * np.float32(8.0)), medians(samples)
    assert louder.pop("flux") == pytest.approx(8 * found.pop("flux"))
    assert louder == pytest.approx(found)


def test_codec_s_low_pass_leaves_a_flatness() -> None:
    # Bins above it hold next to nothing, in single precision exactly nothing at times.
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(1 << 16))
    spectrum[len(spectrum) * 3 // 4 :] = 0
    samples = np.fft.irfft(spectrum).astype(np.float32)
    assert 0.0 < medians(samples)["flatness"] < 0.1


# Silence


def test_silent_frames_do_not_count() -> None:
    samples = music(2.0, seed=4, channels=1)[:, 0]
    # In whole hops, so that all frames of the first part are those of the samples alone.
    silence = np.zeros(512 * 400, np.float32)
    alone, beside = medians(samples), medians(np.concatenate([silence, samples[: 512 * 172], silence]))
    assert beside["flatness"] == pytest.approx(alone["flatness"], rel=0.05)
    assert beside["flux"] == pytest.approx(alone["flux"], rel=0.05)


@pytest.mark.parametrize("level", [0.0, 0.25, -1.0])
def test_samples_that_are_all_equal_have_no_measures(level: float) -> None:
    assert medians(np.full(2048 + 512 * 40, level, np.float32)) == {}


def test_frame_that_the_window_leaves_nothing_of_does_not_count() -> None:
    samples = np.zeros(2048, np.float32)
    samples[0] = 1.0
    assert medians(samples) == {}


def test_bin_of_nothing_makes_the_flatness_zero() -> None:
    spectra = random_spectra()[:1]
    spectra[0, 500] = 0.0
    assert shapes(spectra, np.zeros(BINS))[0, 0] == 0.0
