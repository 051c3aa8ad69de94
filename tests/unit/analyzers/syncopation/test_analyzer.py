"""The features of a mix from times that were given, of stems from sounds, and the reasons where there are none."""

from __future__ import annotations

import math
from collections.abc import Mapping

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.onset.analyzer import NO_ONSETS, TOO_LOUD, TOO_SHORT
from audiobatch_analyzers.onset.picking import detect
from audiobatch_analyzers.syncopation.analyzer import (
    BEATS,
    COMPLEXITY,
    DENSITY_AVERAGE,
    DENSITY_VARIANCE,
    EVENNESS,
    FEW_ONSETS,
    FLAT,
    IOI_MEAN,
    IOI_STD,
    NO_BEATS,
    ON_BEAT_RATIO,
    ONSETS,
    STEMS,
    SYNCOPATION,
    SyncopationAnalyzer,
)
from audiobatchd.audio.views import Decoded
from audiobatchd.errors import OptionError
from audiobatchd.plugin_api import FULL_MIX, Analyzer, Measurement, Needs, Options, Settings, Value, View
from support.audio_files import PLACES, Samples
from support.measurements import number
from support.onset_signals import noise, plucks

RATE = 44100
OF_MIX = (SYNCOPATION, ON_BEAT_RATIO, COMPLEXITY, EVENNESS, IOI_MEAN, IOI_STD)
OF_STEM = (DENSITY_AVERAGE, DENSITY_VARIANCE, SYNCOPATION, COMPLEXITY, EVENNESS)
NOT_TIMES = "is not a list of times in seconds"


class Folder(Decoded):
    """A file in a folder in which these results were measured."""

    def __init__(self, role: str, samples: Samples, results: Mapping[str, bytes | None]) -> None:
        super().__init__(role, samples.copy(), RATE, PLACES[samples.shape[1]])
        self.results = results

    def result(self, name: str) -> Value | bytes | None:
        return self.results[name]


def analyzer() -> SyncopationAnalyzer:
    made = SyncopationAnalyzer(Settings())
    made.load()
    return made


def mix(onsets: bytes | None, beats: bytes | None) -> Measurement:
    silence = np.zeros((RATE, 1), np.float32)
    return analyzer().analyze(Folder(FULL_MIX, silence, {ONSETS: onsets, BEATS: beats}))


def stem(samples: Samples, beats: bytes | None = b"0.5\n1.0\n1.5\n", role: str = "drums") -> Measurement:
    return analyzer().analyze(Folder(role, samples[:, np.newaxis], {BEATS: beats}))


def test_syncopation_is_an_analyzer_of_mix_and_three_stems() -> None:
    made = analyzer()
    assert isinstance(made, Analyzer)
    assert (made.name, made.version, made.models) == ("syncopation", 1, {})
    assert tuple(feature.name for feature in made.features(FULL_MIX)) == OF_MIX
    assert made.views(FULL_MIX) == made.views("vocals") == ()
    assert made.features("vocals") == ()
    for role in STEMS:
        features = made.features(role)
        assert tuple(feature.name for feature in features) == tuple(f"{name}_{role}" for name in OF_STEM)
        assert all(feature.description and feature.bounds and feature.source for feature in features)
        assert made.views(role) == (View(mono=True),)


def test_it_needs_beats_and_onsets_of_the_mix() -> None:
    made = analyzer()
    assert made.needs(FULL_MIX) == Needs(results=(".BEATS_GRID", ".ONSETS"))
    assert {made.needs(role) for role in STEMS} == {Needs(results=(".BEATS_GRID",))}
    assert made.needs("vocals") == Needs()


def test_no_option_is_known() -> None:
    with pytest.raises(OptionError, match="unknown option `tolerance`"):
        SyncopationAnalyzer(Settings(Options({"tolerance": 0.07})))


# The mix


def test_a_mix_has_six_values_from_times_alone() -> None:
    # Entropy of two intervals of 1 s and one of 2 is 0.6365, their variation 0.3536.
    assert mix(b"0.0\n1.0\n2.0\n4.0\n", b"0.0\n1.0\n2.0\n3.0\n") == Measurement({
        SYNCOPATION: 0.25,
        ON_BEAT_RATIO: 0.75,
        COMPLEXITY: 0.152,
        EVENNESS: 0.7388,
        IOI_MEAN: 1.333,
        IOI_STD: 0.4714,
    })  # fmt: skip


def test_a_son_clave_over_quarters_is_mostly_off_the_beat() -> None:
    # Five strokes in sixteen steps of 125 ms: at 0, 3, 6, 10 and 12; beats at every fourth.
    found = mix(b"0.0 0.375 0.75 1.25 1.5", b"0.0 0.5 1.0 1.5")
    assert (found.values[SYNCOPATION], found.values[ON_BEAT_RATIO]) == (0.6, 0.4)


def test_intervals_of_a_long_mix_keep_four_digits() -> None:
    found = mix(b"".join(b"%.6f\n" % (number * 0.0123456) for number in range(200)), None)
    assert found.values[IOI_MEAN] == 0.01235


@pytest.mark.parametrize("beats", [None, b"", b"\n"], ids=["unmeasurable", "empty", "a blank line"])
def test_without_beats_only_the_intervals_are_measured(beats: bytes | None) -> None:
    found = mix(b"0.0\n1.0\n2.0\n", beats)
    assert found.unmeasurable == dict.fromkeys((SYNCOPATION, ON_BEAT_RATIO), NO_BEATS)
    assert set(found.values) == {COMPLEXITY, EVENNESS, IOI_MEAN, IOI_STD}


@pytest.mark.parametrize("onsets", [None, b""], ids=["unmeasurable", "empty"])
def test_without_onsets_nothing_is_measured(onsets: bytes | None) -> None:
    assert mix(onsets, b"0.5\n1.0\n") == Measurement({}, dict.fromkeys(OF_MIX, NO_ONSETS))


def test_two_onsets_have_a_share_and_no_rhythm() -> None:
    found = mix(b"1.0\n1.25\n", b"1.0\n2.0\n")
    assert found == Measurement(
        {SYNCOPATION: 0.5, ON_BEAT_RATIO: 0.5}, dict.fromkeys((COMPLEXITY, EVENNESS, IOI_MEAN, IOI_STD), FEW_ONSETS)
    )


@pytest.mark.parametrize(
    "content",
    [b"0.5\tbeat\n", b"\xff\xfe", b"nan\n1.0\n", b"inf\n", b"-1.0\n", b"1e300\n", b"0x10\n", b"PK\x03\x04\x00"],
    ids=repr,
)
def test_other_content_in_the_files_is_a_reason(content: bytes) -> None:
    assert mix(content, b"1.0\n").unmeasurable == dict.fromkeys(OF_MIX, f"its .ONSETS {NOT_TIMES}")
    found = mix(b"0.0\n1.0\n2.0\n", content)
    assert found.unmeasurable == dict.fromkeys((SYNCOPATION, ON_BEAT_RATIO), f"its .BEATS_GRID {NOT_TIMES}")


_LINES = st.lists(st.floats(-1.0, 20.0) | st.floats() | st.floats(0.0, 1e-300), max_size=12)


@given(*[st.binary(max_size=40) | _LINES.map(lambda times: "\n".join(map(str, times)).encode())] * 2)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_whatever_the_files_hold_each_feature_is_accounted_for(onsets: bytes, beats: bytes) -> None:
    found = mix(onsets, beats)
    assert sorted([*found.values, *found.unmeasurable]) == sorted(OF_MIX)
    assert all(math.isfinite(number(value)) and number(value) >= 0.0 for value in found.values.values())
    assert all(number(found.values.get(name, 0.0)) <= 1.0 for name in OF_MIX[:4])


def test_times_out_of_order_are_put_into_it() -> None:
    assert mix(b"2.0\n0.0\n1.0\n4.0\n", b"3.0\n1.0\n0.0\n2.0\n") == mix(b"0\n1\n2\n4\n", b"0\n1\n2\n3\n")


# Stems


def test_densities_of_a_stem_are_those_of_its_windows() -> None:
    samples = plucks(RATE, 5.0)
    onsets = detect(samples, RATE)
    assert onsets is not None
    in_windows = [
        sum(start <= time < min(start + 4, 5) for time in onsets.times) / (min(start + 4, 5) - start)
        for start in (0, 2, 4)
    ]
    found = stem(samples).values
    assert number(found["onset_density_average_drums"]) == pytest.approx(np.mean(in_windows), rel=5e-4)
    assert number(found["onset_density_variance_drums"]) == pytest.approx(np.var(in_windows), rel=5e-4)


@pytest.mark.parametrize("role", STEMS)
def test_syncopation_of_a_stem_goes_by_strength(role: str) -> None:
    samples = plucks(RATE, 2.0)
    onsets = detect(samples, RATE)
    assert onsets is not None
    first_half = onsets.times < 1.0
    # Beats at the onsets of the first second, none later.
    beats = "".join(f"{time:.6f}\n" for time in onsets.times[first_half]).encode()
    found = stem(samples, beats, role)
    later = onsets.strengths[onsets.times > onsets.times[first_half][-1] + 0.07].sum()
    share = later / onsets.strengths.sum()
    assert number(found.values[f"syncopation_{role}"]) == pytest.approx(share, abs=1e-4)
    assert 0.05 < share < 0.95
    assert not found.unmeasurable


def test_plucks_that_are_even_have_even_intervals() -> None:
    clicks = np.zeros(4 * RATE, np.float32)
    clicks[:: RATE // 2] = 0.5
    found = stem(clicks + noise(len(clicks)) * np.float32(1e-4)).values
    assert number(found["rhythmic_evenness_drums"]) > 0.95
    assert number(found["rhythmic_complexity_drums"]) < 0.2


@pytest.mark.parametrize("beats", [None, b"", b"one"], ids=["unmeasurable", "empty", "no times"])
def test_a_stem_without_beats_lacks_syncopation_alone(beats: bytes | None) -> None:
    found = stem(plucks(RATE, 2.0), beats)
    reason = f"its .BEATS_GRID {NOT_TIMES}" if beats else NO_BEATS
    assert found.unmeasurable == {"syncopation_drums": reason}


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        pytest.param(np.zeros(RATE, np.float32), "silent", id="silence"),
        pytest.param(noise(2047), TOO_SHORT, id="a frame less a sample"),
        pytest.param(noise(RATE) * np.float32(1e30), TOO_LOUD, id="too loud"),
    ],
)
def test_a_stem_that_cannot_be_measured_has_a_reason(samples: Samples, reason: str) -> None:
    assert stem(samples) == Measurement({}, {f"{name}_drums": reason for name in OF_STEM})


def test_strokes_out_of_digital_silence_have_no_strength() -> None:
    strokes = np.zeros(3 * RATE, np.float32)
    for start in (RATE // 2, RATE, 2 * RATE):
        strokes[start : start + 2000] = 0.5 * noise(2000)
    found = stem(strokes)
    assert found.unmeasurable == {"syncopation_drums": FLAT}
    # 3 in the window from 0 to 3 s, none in that from 2 s: the third begins in the frame before.
    assert found.values["onset_density_average_drums"] == 0.5


def test_a_single_stroke_has_a_density_and_no_rhythm() -> None:
    strokes = np.zeros(2 * RATE, np.float32)
    strokes[RATE : RATE + 2000] = 0.5 * noise(2000)
    found = stem(strokes)
    assert found.values == {"onset_density_average_drums": 0.5, "onset_density_variance_drums": 0.0}
    assert found.unmeasurable["rhythmic_evenness_drums"] == FEW_ONSETS
