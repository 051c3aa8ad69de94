"""The analyzer `quality`: its names, options and borders, and that blocks and signals of all kinds are taken."""

from __future__ import annotations

import math
from collections.abc import Mapping

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.quality import QualityAnalyzer, quality
from audiobatchd.audio.views import Decoded
from audiobatchd.core.assessment import Due, Facts, Offer, Policy, assess
from audiobatchd.core.provenance import Entry
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    AnyAnalyzer,
    BlockAnalyzer,
    Measurement,
    OptionError,
    Options,
    Settings,
    Stream,
)
from audiobatchd.vocabulary.files import FileStamp, Fingerprint
from support import feeding
from support.audio_files import PLACES, Samples, music, tone

SHORT = "shorter than 4096 samples"
NAMES = {
    "quality_cut_start",
    "quality_cut_end",
    "quality_false_stereo",
    "quality_bandwidth_hz",
    "quality_dc_offset",
    "quality_clipped_share",
}
MUSIC = music(1.0, seed=3)


def made(**options: object) -> tuple[AnyAnalyzer, ...]:
    return quality(Settings(Options(options)))


def measured(samples: Samples, rate: int = 44100, block: int = 5000) -> Measurement:
    return feeding.measured(QualityAnalyzer(), Decoded(FULL_MIX, samples, rate, PLACES[samples.shape[1]]), block)


def test_everything_that_is_wrong_with_one_file() -> None:
    wrong = np.clip(tone(1.0, frequency=441.0, dbfs=20 * math.log10(2)) + np.float32(0.1), -1, 1)
    wrong[-1000:] = 0.0
    found = measured(wrong)
    assert not found.unmeasurable
    values = dict(found.values)
    # Of a sine of amplitude 2 about 0.1, what lies beyond 1 on either side.
    share = 1 - (math.asin(0.45) + math.asin(0.55)) / math.pi
    assert values.pop("quality_clipped_share") == pytest.approx(share, abs=0.025)
    assert 0.03 < float(str(values.pop("quality_dc_offset"))) < 0.1
    assert values.pop("quality_bandwidth_hz") == 22050  # clipping has overtones
    assert values == {"quality_cut_start": 1, "quality_cut_end": 0, "quality_false_stereo": 1}


def test_flags_are_numbers_and_not_booleans() -> None:
    values = measured(MUSIC).values
    flags = [values[name] for name in ("quality_cut_start", "quality_cut_end", "quality_false_stereo")]
    assert [type(flag) for flag in flags] == [int] * 3
    assert type(values["quality_bandwidth_hz"]) is int


def test_small_offsets_keep_their_digits() -> None:
    samples = np.full((10_000, 1), 1.23456e-6, np.float32)
    assert measured(samples).values["quality_dc_offset"] == pytest.approx(1.235e-6, rel=1e-6)


CASES: Mapping[str, tuple[Samples, dict[str, str]]] = {
    "one frame": (
        MUSIC[:1],
        {
            "quality_cut_start": "shorter than 12 ms",
            "quality_cut_end": "shorter than 12 ms",
            "quality_bandwidth_hz": SHORT,
            "quality_false_stereo": SHORT,
        },
    ),
    "short": (MUSIC[:4095], {"quality_bandwidth_hz": SHORT, "quality_false_stereo": SHORT}),
    "silent": (np.zeros((9000, 2), np.float32), {"quality_bandwidth_hz": "silent", "quality_false_stereo": "silent"}),
    "mono": (MUSIC[:, :1], {"quality_false_stereo": "it has not two channels"}),
    "5.1": (music(0.5, channels=6), {"quality_false_stereo": "it has not two channels"}),
    "a trillion times full scale": (MUSIC * np.float32(1e12), {}),
    "as loud as floats can be": (MUSIC * np.float32(3e38), {}),
    "subnormal": (MUSIC * np.float32(1e-40), {"quality_bandwidth_hz": "silent", "quality_false_stereo": "silent"}),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_feature_has_a_finite_value_or_a_reason(kind: str) -> None:
    samples, unmeasurable = CASES[kind]
    found = measured(samples)
    assert found.unmeasurable == unmeasurable
    assert found.values.keys() == NAMES - unmeasurable.keys()
    assert all(math.isfinite(float(str(value))) for value in found.values.values())


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=8))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_blocks_of_mixed_sizes_alter_no_bit(sizes: list[int]) -> None:
    samples = np.resize(np.clip(MUSIC * 2, -1, 1), (sum(sizes), 2)).astype(np.float32)
    feed = QualityAnalyzer().begin(Stream(FULL_MIX, 44100, PLACES[2], None))
    place = 0
    for size in sizes:
        # As a decoder lays it out, each channel contiguous, and now and then the other way.
        feed.feed(np.array(samples[place : place + size], order="F" if size % 2 else "C"))
        place += size
    assert feed.finish() == measured(samples, block=len(samples))


def test_features_are_of_the_mix_alone() -> None:
    analyzer = QualityAnalyzer()
    assert isinstance(analyzer, BlockAnalyzer)
    analyzer.load()
    assert (analyzer.name, analyzer.version, analyzer.models) == ("quality", 1, {})
    assert {feature.name for feature in analyzer.features(FULL_MIX)} == NAMES
    assert all(feature.description and feature.bounds for feature in analyzer.features(FULL_MIX))
    assert not any(analyzer.features(stem) for stem in STEMS)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["quality"]),
        ({"heavy": False}, ["quality"]),
        ({"detectors": []}, ["quality"]),
        ({"detectors": ["hum", "gaps"]}, ["quality", "quality_gaps", "quality_hum"]),
        ({"heavy": True}, ["quality", "quality_clicks", "quality_gaps", "quality_hum", "quality_noise"]),
    ],
    ids=str,
)
def test_detectors_are_analyzers_that_options_turn_on(options: dict[str, object], names: list[str]) -> None:
    assert [each.name for each in made(**options)] == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heavy": 1}, "option `heavy`: expected true or false, got 1"),
        ({"detectors": ["pops"]}, "option `detectors`: expected a list of"),
        ({"heavy": True, "detectors": ["hum"]}, "exclude each other"),
        ({"loud": True}, "unknown option `loud` (there are: `heavy`, `detectors`)"),
    ],
    ids=str,
)
def test_options_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(").replace(")", r"\)")):
        made(**options)


def test_detector_that_is_turned_on_is_due_alone() -> None:
    stamp = FileStamp(b"full_mix.flac", 1000, 1)
    read = Fingerprint("full_mix.flac", 1000, 1, "flac:00")
    offers = tuple(
        Offer(each.name, each.version, {FULL_MIX: tuple(feature.name for feature in each.features(FULL_MIX))})
        for each in made(detectors=["gaps", "hum"])
    )
    # Measured while `gaps` alone was on.
    known = {each.name: Entry(fingerprint=read, version=each.version) for each in made(detectors=["gaps"])}
    present = frozenset(name for offer in offers if offer.name in known for name in offer.features[FULL_MIX])
    facts = Facts({FULL_MIX: stamp}, present, lambda analyzer, role: known.get(analyzer), {})
    assert assess(facts, offers, Policy()).due == {FULL_MIX: (Due("quality_hum"),)}
