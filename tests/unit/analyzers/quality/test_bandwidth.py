"""Bandwidth: of noise behind a filter, of a lossy file inside FLAC, and beside a click."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt
from scipy.signal.windows import blackmanharris

from audiobatch_analyzers.quality.bandwidth import Bandwidth, blackman_harris
from audiobatch_analyzers.quality.pieces import FRAMES
from support.audio_files import Samples, quantized, write_audio
from support.decoding import read


def bandwidth(samples: Samples, rate: int = 44100) -> int | None:
    found = Bandwidth(rate)
    for start in range(0, len(samples) - FRAMES + 1, FRAMES):
        piece = np.ascontiguousarray(samples[start : start + FRAMES].T)
        found.add(piece, np.mean(np.square(piece, dtype=np.float64), axis=1))
    return found.finish()


def noise(seconds: float, rate: int = 44100, below: float | None = None, seed: int = 0) -> Samples:
    """Stereo noise at -20 dBFS, with `below` behind a low-pass that is 100 dB down within a few hundred Hz."""
    random = np.random.default_rng(seed)
    samples = 0.1 * random.standard_normal((round(seconds * rate), 2))
    if below is not None:
        spectrum = np.fft.rfft(samples, axis=0)
        spectrum[round(below * seconds) :] = 0.0
        samples = np.fft.irfft(spectrum, len(samples), axis=0)
    return samples.astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_low_passed_noise_ends_at_the_filter(share: float, rate: int) -> None:
    edge = share * rate / 2
    assert bandwidth(quantized(noise(2.0, rate, edge), 16), rate) == pytest.approx(edge, abs=200)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 192_000])
def test_white_noise_reaches_half_the_rate(rate: int) -> None:
    assert bandwidth(noise(1.0, rate), rate) == rate // 2


def test_dither_of_16_bits_is_nothing() -> None:
    # Triangular, by the textbook: two uniform numbers of one step each.
    random = np.random.default_rng(2)
    shape = (88200, 2)
    steps = random.uniform(-0.5, 0.5, shape) + random.uniform(-0.5, 0.5, shape)
    samples = noise(2.0, below=5000.0) + (steps / 32768).astype(np.float32)
    assert bandwidth(quantized(samples, 16)) == pytest.approx(5000, abs=150)


def test_a_click_widens_nothing() -> None:
    samples = noise(12.0, below=5000.0)
    samples[260_000] = 1.0
    assert bandwidth(samples) == pytest.approx(5000, abs=150)


def test_what_sounds_in_a_fiftieth_of_the_time_counts() -> None:
    samples = noise(10.0, below=5000.0)
    samples[100_000:116_384] += noise(1.0, seed=3)[:16_384]
    assert bandwidth(samples) == 22050


def test_content_of_one_channel_alone_counts() -> None:
    samples = noise(1.0, below=5000.0)
    samples[:, 1] = noise(1.0, below=9000.0)[:, 1]
    assert bandwidth(samples) == pytest.approx(9000, abs=150)


@pytest.mark.parametrize("samples", [np.zeros((3 * FRAMES, 2), np.float32), noise(1.0)[: FRAMES - 1]], ids=len)
def test_silence_and_short_files_have_none(samples: Samples) -> None:
    assert bandwidth(samples) is None


def test_mp3_inside_flac_ends_at_the_codecs_low_pass(tmp_path: Path) -> None:
    pink = sosfilt(butter(1, 500, fs=44100, output="sos"), noise(5.0) * 5, axis=0).astype(np.float32)
    original = write_audio(tmp_path / "original.flac", pink, 44100)
    lossy = write_audio(tmp_path / "lossy.mp3", pink, 44100, bit_rate=128_000)
    inside = write_audio(tmp_path / "inside.flac", read(lossy).view(), 44100)
    assert bandwidth(read(original).view()) == 22050
    assert bandwidth(read(inside).view()) == pytest.approx(16_500, abs=700)


def test_the_window_is_that_of_scipy() -> None:
    assert np.allclose(blackman_harris(FRAMES), blackmanharris(FRAMES, sym=False), atol=1e-12)
