"""The fingerprint: held against Essentia and Chromaprint's own library, and where there is none."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.fingerprint import FingerprintAnalyzer
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    BlockAnalyzer,
    Measurement,
    OptionError,
    Options,
    Settings,
    Stream,
)
from support import chromaprint, feeding
from support.audio_files import PLACES, Samples, music

pytestmark = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")

MUSIC = music(12.0)


def analyzer() -> FingerprintAnalyzer:
    made = FingerprintAnalyzer(Settings())
    made.load()
    return made


def measured(
    samples: Samples, rate: int = 44100, places: tuple[str, ...] | None = None, block: int = 50_000
) -> Measurement:
    audio = Decoded(FULL_MIX, samples, rate, places or PLACES[samples.shape[1]])
    return feeding.measured(analyzer(), audio, block)


def fingerprint(samples: Samples, rate: int = 44100) -> str:
    found = measured(samples, rate)
    assert not found.unmeasurable
    (text,) = found.files.values()
    assert isinstance(text, str)
    assert text.endswith("\n")
    return text[:-1]


def differing(one: str, other: str) -> float:
    """The share of the bits in which two fingerprints that begin together differ."""
    pairs = list(zip(chromaprint.decoded(one), chromaprint.decoded(other), strict=False))
    return sum((a ^ b).bit_count() for a, b in pairs) / (32 * len(pairs))


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_fingerprint_is_that_of_fpcalc_but_for_a_few_bits(rate: int) -> None:
    samples = music(8.0, rate)
    theirs = chromaprint.as_fpcalc(samples, rate)
    ours = fingerprint(samples, rate)
    assert abs(len(chromaprint.decoded(ours)) - len(chromaprint.decoded(theirs))) <= 1
    assert differing(ours, theirs) < 0.03


def test_mono_at_its_own_rate_equals_essentia() -> None:
    samples = music(8.0, 11025, channels=1)
    theirs = essentia.standard().Chromaprinter(sampleRate=11025)(samples[:, 0].copy())
    assert differing(fingerprint(samples, 11025), theirs) < 0.01


def test_another_piece_has_another_fingerprint() -> None:
    assert differing(fingerprint(MUSIC), fingerprint(music(12.0, seed=7))) > 0.3


def test_what_comes_after_two_minutes_changes_nothing() -> None:
    samples = music(124.0, 8000, channels=1)
    longer = np.concatenate([samples[: 120 * 8000], np.ones((8000, 1), np.float32)])
    found = fingerprint(samples, 8000)
    assert found == fingerprint(longer, 8000) == fingerprint(samples[: 120 * 8000], 8000)
    assert len(found) <= 4000
    assert 930 <= len(chromaprint.decoded(found)) <= 960


@given(st.lists(st.integers(1, 90_000), min_size=3, max_size=8))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_blocks_of_mixed_sizes_alter_no_character(sizes: list[int]) -> None:
    samples = np.resize(MUSIC, (44100 * 4, 2))
    feed = analyzer().begin(Stream(FULL_MIX, 44100, PLACES[2], None))
    for start, end in pairwise(np.unique(np.clip([0, *np.cumsum(sizes), len(samples)], 0, len(samples)))):
        feed.feed(np.array(samples[start:end], order="F" if start % 2 else "C"))
    assert feed.finish() == measured(samples)


SHORT = "shorter than 3 s"


@pytest.mark.parametrize(
    ("samples", "places", "why"),
    [
        pytest.param(MUSIC[: 3 * 44100 - 1], None, SHORT, id="short"),
        pytest.param(MUSIC[:0], None, SHORT, id="empty"),
        pytest.param(MUSIC * 0, None, "silent", id="silent"),
        pytest.param(MUSIC * 0 + np.float32(0.5), None, "silent", id="an offset"),
        pytest.param(MUSIC * np.float32(1e-5), None, "silent", id="dither"),
        pytest.param(MUSIC[:, :1] * np.array([1, -1], np.float32), None, "its channels cancel each other", id="turned"),
        pytest.param(MUSIC[:, :1], ("LFE",), "silent but for low-frequency effects", id="LFE"),
    ],
)
def test_what_has_no_fingerprint_says_why(samples: Samples, places: tuple[str, ...] | None, why: str) -> None:
    assert measured(samples, places=places) == Measurement({}, {".CHROMAPRINT": why})


def test_silence_of_two_minutes_is_not_that_of_the_file() -> None:
    samples = np.zeros((123 * 8000, 1), np.float32)
    samples[121 * 8000 :] = 0.5 * np.sin(np.arange(2 * 8000))[:, np.newaxis]
    assert measured(samples, 8000) == Measurement({}, {".CHROMAPRINT": "silent in its first 120 s"})


def test_three_seconds_are_enough() -> None:
    assert len(chromaprint.decoded(fingerprint(MUSIC[: 3 * 44100]))) >= 1


@pytest.mark.parametrize("gain", [0.01, 10.0, 1e12, 3e38])
def test_gain_alters_few_bits(gain: float) -> None:
    assert differing(fingerprint(MUSIC), fingerprint(MUSIC * np.float32(gain))) < 0.03


def test_low_frequency_effects_are_left_out() -> None:
    samples = music(4.0, channels=6)
    louder = samples.copy()
    louder[:, PLACES[6].index("LFE")] *= 0.0
    assert fingerprint(samples) == fingerprint(louder)


def test_feature_is_a_file_of_the_mix_alone() -> None:
    made = FingerprintAnalyzer(Settings())
    assert isinstance(made, BlockAnalyzer)
    assert (made.name, made.version, made.models) == ("fingerprint", 1, {})
    (feature,) = made.features(FULL_MIX)
    assert (feature.name, feature.unit) == (".CHROMAPRINT", "")
    assert all((feature.description, feature.bounds, feature.source))
    assert not any(made.features(stem) for stem in STEMS)


def test_options_are_refused() -> None:
    with pytest.raises(OptionError):
        FingerprintAnalyzer(Settings(Options({"seconds": 60})))
