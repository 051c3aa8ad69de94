"""The analyzer `spectral`: what it reads, refuses and rounds."""

from __future__ import annotations

import math
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.spectral import SpectralAnalyzer
from audiobatch_analyzers.spectral.shape import medians
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Analyzer,
    Measurement,
    OptionError,
    Options,
    Settings,
    Stream,
    View,
    significant,
)
from support.audio_files import PLACES, Samples, music
from support.measurements import number

NAMES = ["spectral_flatness", "spectral_flux", "spectral_skewness", "spectral_kurtosis"]


def measured(samples: Samples, rate: int = 44100) -> Measurement:
    return SpectralAnalyzer(Settings()).analyze(Decoded(FULL_MIX, samples.copy(), rate, PLACES[samples.shape[1]]))


def values(samples: Samples, rate: int = 44100) -> dict[str, float]:
    found = measured(samples, rate)
    assert not found.unmeasurable
    return {name: number(value) for name, value in found.values.items()}


@pytest.mark.parametrize("channels", PLACES)
@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
def test_values_are_medians_of_the_mono_view(rate: int, channels: int) -> None:
    samples = music(0.5, rate, seed=1, channels=channels)
    mono = Decoded(FULL_MIX, samples.copy(), rate, PLACES[channels]).view(View(44100, mono=True))
    assert list(values(samples, rate).values()) == [significant(value) for value in medians(mono).values()]


def test_small_values_keep_their_digits() -> None:
    # Above 4 kHz there is nothing but what resampling leaves.
    flatness = values(music(1.0, 8000, seed=2), 8000)["spectral_flatness"]
    assert 0.0 < flatness < 0.001
    assert len(f"{flatness:.15g}".replace("0", "").replace(".", "").split("e")[0]) >= 3


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((0, 2), np.float32), "shorter than 2048 samples at 44.1 kHz"),
        (music(1.0)[:2047], "shorter than 2048 samples at 44.1 kHz"),
        (np.zeros((44100, 2), np.float32), "silent"),
        (np.full((44100, 1), 0.5, np.float32), "silent"),
        (music(1.0) * np.float32(1e-4), "silent"),
        (music(1.0)[:, :1] * np.array([1, -1], np.float32), "its channels cancel each other"),
    ],
    ids=["empty", "short", "zeros", "offset", "faint", "cancelled"],
)
def test_nothing_is_measured_of(samples: Samples, reason: str) -> None:
    assert measured(samples) == Measurement({}, dict.fromkeys(NAMES, reason))


def test_one_frame_is_enough() -> None:
    assert all(map(math.isfinite, values(music(1.0)[:2048]).values()))


def test_impulse_and_full_scale_square_are_finite() -> None:
    impulse = np.zeros((44100, 1), np.float32)
    impulse[20_000] = 1.0
    square = np.sign(np.sin(2 * np.pi * 441 * np.arange(44100) / 44100 + 0.01)).astype(np.float32)[:, np.newaxis]
    for samples in (impulse, square):
        assert all(map(math.isfinite, values(samples).values()))
    assert values(impulse)["spectral_flatness"] == pytest.approx(1.0)


def test_same_audio_has_the_same_values() -> None:
    samples = music(1.0, seed=3)
    first = measured(samples)
    assert measured(music(1.0, seed=4)) != first
    assert measured(samples) == first


@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40),
    st.sampled_from((1, 50, 4096, 9000)),
    st.sampled_from((1e-30, 1e-3, 1.0, 1e12)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_samples_have_values_or_reasons(numbers: list[float], frames: int, gain: float) -> None:
    samples = np.resize(np.array(numbers, np.float32) * np.float32(gain), (frames, 1))
    found = measured(samples)
    assert list(found.values) + list(found.unmeasurable) == NAMES
    assert all(math.isfinite(value) for value in found.values.values() if isinstance(value, float))


def test_memory_is_within_what_is_told() -> None:
    samples = np.resize(music(1.0, channels=1), (60 * 44100, 1))
    audio, made = Decoded(FULL_MIX, samples, 44100, PLACES[1]), SpectralAnalyzer(Settings())
    told = made.working_memory(Stream(FULL_MIX, 44100, PLACES[1], 60.0), 60.0)
    tracemalloc.start()
    made.analyze(audio)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told / 20 < peak < told


def test_features_are_of_the_mix_alone() -> None:
    made = SpectralAnalyzer(Settings())
    assert isinstance(made, Analyzer)
    assert [feature.name for feature in made.features(FULL_MIX)] == NAMES
    assert made.views(FULL_MIX) == (View(44100, mono=True),)
    assert not any((*made.features(stem), *made.views(stem)) for stem in STEMS)
    made.load()
    assert made.models == {}


def test_options_are_refused() -> None:
    with pytest.raises(OptionError):
        SpectralAnalyzer(Settings(Options({"frame": 1024})))
