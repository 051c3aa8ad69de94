"""The analyzer `tonal`: keys of cadences, what it reads and refuses."""

from __future__ import annotations

import math
import sys
import tracemalloc
from collections.abc import Mapping
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.tonal import TonalAnalyzer
from audiobatch_analyzers.tonal.key import NAMES
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Analyzer,
    AnalyzerUnavailableError,
    Measurement,
    Needs,
    OptionError,
    Options,
    Settings,
    Stream,
    Value,
    View,
)
from support.audio_files import PLACES, Samples, music
from support.cadences import CHORDS, cadence
from support.measurements import number

FEATURES = [
    *(f"hpcp_{place}" for place in range(12)),
    *(f"tiv_{place}" for place in range(12)),
    "tonic",
    "tonic_strength",
    "tonic_scale",
    "key",
]


@cache
def loaded() -> TonalAnalyzer:
    made = TonalAnalyzer(Settings())
    made.load()
    return made


@pytest.fixture
def analyzer() -> TonalAnalyzer:
    return loaded()


def measured(made: TonalAnalyzer, samples: Samples, rate: int = 44100) -> Measurement:
    return made.analyze(Decoded(FULL_MIX, samples.copy(), rate, PLACES[samples.shape[1]]))


# Keys


@pytest.mark.parametrize("scale", CHORDS)
@pytest.mark.parametrize("tonic", range(12))
def test_cadence_has_its_key(analyzer: TonalAnalyzer, tonic: int, scale: str) -> None:
    found = measured(analyzer, cadence(tonic, scale))
    assert not found.unmeasurable
    values: Mapping[str, Value] = found.values
    assert (values["tonic"], values["tonic_scale"], values["key"]) == (tonic, scale, f"{NAMES[tonic]} {scale}")
    assert type(values["tonic"]) is int
    assert 0.5 < number(values["tonic_strength"]) <= 1.0
    profile = [number(values[f"hpcp_{place}"]) for place in range(12)]
    assert max(profile) == 1.0
    assert {profile.index(1.0)} <= {tonic, (tonic + 7) % 12}


@pytest.mark.parametrize("rate", [8000, 48000, 192_000])
def test_key_is_the_same_at_other_rates(analyzer: TonalAnalyzer, rate: int) -> None:
    assert measured(analyzer, cadence(6, "minor", rate), rate).values["key"] == "F# minor"


def test_everything_promised_is_a_finite_value_of_its_range(analyzer: TonalAnalyzer) -> None:
    found = measured(analyzer, music(1.0, seed=2, channels=6))
    assert list(found.values) == FEATURES
    numbers = [number(found.values[name]) for name in FEATURES[:-2]]
    assert all(map(math.isfinite, numbers))
    assert all(0.0 <= each <= 1.0 for each in numbers[:12])
    assert math.hypot(*numbers[12:24]) == pytest.approx(1.0, abs=0.001)


def test_same_audio_has_the_same_values(analyzer: TonalAnalyzer) -> None:
    samples = music(0.5, seed=3)
    first = measured(analyzer, samples)
    assert measured(analyzer, music(0.5, seed=4)) != first
    assert measured(analyzer, samples) == first


# What has no key


def opposite() -> Samples:
    return cadence(0, "major") * np.array([1, -1], np.float32)


def infrasound() -> Samples:
    time = np.arange(2 * 44100) / 44100
    return (np.exp(-(((time - 1) / 0.3) ** 2)) * 0.5).astype(np.float32)[:, np.newaxis]


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((0, 2), np.float32), "shorter than 4096 samples at 44.1 kHz"),
        (music(1.0)[:4095], "shorter than 4096 samples at 44.1 kHz"),
        (np.zeros((44100, 2), np.float32), "silent"),
        (np.full((44100, 1), 0.5, np.float32), "silent"),
        (opposite(), "its channels cancel each other"),
        (infrasound(), "has no spectral peaks"),
    ],
    ids=["empty", "short", "zeros", "offset", "cancelled", "no pitch"],
)
def test_nothing_is_measured_of(analyzer: TonalAnalyzer, samples: Samples, reason: str) -> None:
    assert measured(analyzer, samples) == Measurement({}, dict.fromkeys(FEATURES, reason))


def test_profile_of_equal_classes_leaves_key_and_vector_out(
    analyzer: TonalAnalyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analyzer, "_pitch_classes", lambda _samples: np.ones(12))
    found = measured(analyzer, music(1.0))
    assert found.values == dict.fromkeys(FEATURES[:12], 1.0)
    assert found.unmeasurable == dict.fromkeys(FEATURES[12:], "its pitch classes are all alike")


@pytest.mark.parametrize("kind", ["impulse", "square"])
def test_impulse_and_square_are_finite(analyzer: TonalAnalyzer, kind: str) -> None:
    samples = np.zeros((44100, 1), np.float32)
    samples[20_000] = 1.0
    if kind == "square":
        samples = np.sign(np.sin(2 * np.pi * 440 * np.arange(44100) / 44100 + 0.01)).astype(np.float32)[:, np.newaxis]
    found = measured(analyzer, samples)
    assert set(found.values) | set(found.unmeasurable) == set(FEATURES)
    if kind == "square":
        assert found.values["hpcp_9"] == 1.0


@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=40),
    st.sampled_from((1, 50, 4096, 9000)),
    st.sampled_from((1e-30, 1e-3, 1.0, 1e12)),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_samples_have_values_or_reasons(numbers: list[float], frames: int, gain: float) -> None:
    samples = np.resize(np.array(numbers, np.float32) * np.float32(gain), (frames, 1))
    found = measured(loaded(), samples)
    assert list(found.values) + list(found.unmeasurable) == FEATURES
    assert all(math.isfinite(value) for value in found.values.values() if isinstance(value, float))


def test_memory_is_within_what_is_told(analyzer: TonalAnalyzer) -> None:
    samples = np.resize(music(1.0, channels=1), (60 * 44100, 1))
    audio, made = Decoded(FULL_MIX, samples, 44100, PLACES[1]), analyzer
    told = made.working_memory(Stream(FULL_MIX, 44100, PLACES[1], 60.0), 60.0)
    tracemalloc.start()
    made.analyze(audio)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told / 20 < peak < told


# Names, needs and options


def test_bass_and_other_stand_for_the_mix() -> None:
    made = TonalAnalyzer(Settings())
    assert isinstance(made, Analyzer)
    assert [feature.name for feature in made.features(FULL_MIX)] == FEATURES
    assert made.needs(FULL_MIX) == Needs(sum_of=("bass", "other"))
    assert made.views(FULL_MIX) == (View(44100, mono=True),)
    for stem in STEMS:
        assert not any((*made.features(stem), *made.views(stem)))
        assert made.needs(stem) == Needs()


def test_without_essentia_it_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    essentia.standard.cache_clear()
    # What is None there cannot be imported.
    monkeypatch.setitem(sys.modules, "essentia", None)
    try:
        with pytest.raises(AnalyzerUnavailableError, match="essentia"):
            TonalAnalyzer(Settings()).load()
    finally:
        essentia.standard.cache_clear()


def test_options_are_refused() -> None:
    with pytest.raises(OptionError):
        TonalAnalyzer(Settings(Options({"profile": "bgate"})))
