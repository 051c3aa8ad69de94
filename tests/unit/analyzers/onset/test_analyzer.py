"""The features of onsets, their file, and audio that has none."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers.loudness.silence import CANCELLED, LOW_FREQUENCY_ALONE
from audiobatch_analyzers.onset.analyzer import (
    COUNT,
    DENSITY,
    NO_ONSETS,
    STRENGTH_MEAN,
    STRENGTH_STD,
    TIMES,
    TOO_LOUD,
    TOO_SHORT,
    OnsetAnalyzer,
)
from audiobatch_analyzers.onset.picking import detect, picked
from audiobatchd.audio.views import Decoded
from audiobatchd.errors import OptionError
from audiobatchd.plugin_api import (
    FULL_MIX,
    LARGEST_RESULT,
    STEMS,
    Analyzer,
    Measurement,
    Options,
    Settings,
    Stream,
    View,
)
from support.audio_files import PLACES, Samples, tone
from support.measurements import number
from support.onset_signals import noise, plucks

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text())
NAMES = (COUNT, DENSITY, STRENGTH_MEAN, STRENGTH_STD, TIMES)
RATE = 44100
LOW_ALONE = np.array([0, 0, 0, 1, 0, 0], np.float32)


def analyzer(**options: object) -> OnsetAnalyzer:
    made = OnsetAnalyzer(Settings(Options(options)))
    made.load()
    return made


def audio(samples: Samples, rate: int = RATE) -> Decoded:
    columns = samples if samples.ndim > 1 else samples[:, np.newaxis]
    return Decoded(FULL_MIX, columns.copy(), rate, PLACES[columns.shape[1]])


@pytest.fixture(scope="module")
def found() -> Measurement:
    return analyzer().analyze(audio(plucks(RATE, 3.0)))


def test_onset_is_an_analyzer_of_the_mix() -> None:
    made = analyzer()
    assert isinstance(made, Analyzer)
    assert (made.name, made.version, made.models) == ("onset", 1, {})
    features = made.features(FULL_MIX)
    assert tuple(feature.name for feature in features) == NAMES
    assert all(feature.description and feature.bounds and feature.source for feature in features)
    assert made.views(FULL_MIX) == (View(mono=True),)
    assert {made.features(stem) + made.views(stem) for stem in STEMS} == {()}


def test_number_and_density_are_those_of_the_onsets(found: Measurement) -> None:
    expected = GOLDEN["plucks at 44.1 kHz"]["onsets"]
    assert found.values[COUNT] == len(expected) == 16
    assert found.values[DENSITY] == 5.333
    assert not found.unmeasurable


def test_the_file_has_a_time_on_each_line(found: Measurement) -> None:
    expected = [f"{frame * 512 / RATE:.6f}\n" for frame in GOLDEN["plucks at 44.1 kHz"]["onsets"]]
    assert found.files == {TIMES: "".join(expected)}


def test_strengths_have_four_significant_digits(found: Measurement) -> None:
    onsets = detect(plucks(RATE, 3.0), RATE)
    assert onsets is not None
    assert number(found.values[STRENGTH_MEAN]) == pytest.approx(onsets.strengths.mean(), rel=5e-4)
    assert number(found.values[STRENGTH_STD]) == pytest.approx(onsets.strengths.std(), rel=5e-4)
    assert all(float(f"{number(value):.4g}") == value for value in found.values.values())


def test_the_mean_of_channels_is_measured(found: Measurement) -> None:
    assert analyzer().analyze(audio(np.repeat(plucks(RATE, 3.0)[:, np.newaxis], 2, axis=1))) == found


def test_without_the_option_no_file_is_promised(found: Measurement) -> None:
    made = analyzer(onsets=False)
    assert tuple(feature.name for feature in made.features(FULL_MIX)) == NAMES[:-1]
    assert made.analyze(audio(plucks(RATE, 3.0))) == Measurement(found.values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"onsets": "no"}, 'option `onsets`: expected true or false, got "no"'),
        ({"onset": True}, "unknown option `onset` (there are: `onsets`)"),
    ],
    ids=str,
)
def test_options_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        analyzer(**options)
    assert str(caught.value) == message


def growing(seconds: float) -> Samples:
    """Clicks, one in the middle between two frames, that grow ever faster: no rise stands out among those about it."""
    clicks = np.zeros((round(seconds * RATE), 1), np.float32)
    clicks[256::512] = 0.9
    place = np.linspace(0.0, 1.0, len(clicks))[:, np.newaxis]
    grown: Samples = (clicks * 10.0 ** (4.0 * (place**2 - 1.0))).astype(np.float32)
    return grown


def test_a_file_without_onsets_has_0_of_them() -> None:
    assert analyzer().analyze(audio(growing(6.0))) == Measurement(
        {COUNT: 0, DENSITY: 0.0}, dict.fromkeys((STRENGTH_MEAN, STRENGTH_STD), NO_ONSETS), {TIMES: ""}
    )


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        pytest.param(np.zeros((RATE, 2), np.float32), "silent", id="silence"),
        pytest.param(np.zeros((0, 1), np.float32), TOO_SHORT, id="nothing"),
        pytest.param(noise(2047)[:, np.newaxis], TOO_SHORT, id="a frame less a sample"),
        pytest.param(tone(1.0) * np.array([1, -1], np.float32), CANCELLED, id="one channel against the other"),
        pytest.param(tone(1.0, channels=6) * LOW_ALONE, LOW_FREQUENCY_ALONE, id="low-frequency effects alone"),
        pytest.param(noise(RATE)[:, np.newaxis] * np.float32(1e30), TOO_LOUD, id="too loud"),
    ],
)
def test_audio_that_cannot_be_measured_has_a_reason(samples: Samples, reason: str) -> None:
    assert analyzer().analyze(audio(samples)) == Measurement({}, dict.fromkeys(NAMES, reason))


def test_one_frame_is_enough() -> None:
    assert COUNT in analyzer().analyze(audio(noise(2048)[:, np.newaxis])).values


def test_memory_that_is_promised_covers_what_is_taken() -> None:
    made, taken, promised = analyzer(), [], []
    for seconds in (5.0, 65.0):
        track = audio(noise(round(seconds * RATE)))
        track.view(View(mono=True))
        tracemalloc.start()
        made.analyze(track)
        taken.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        promised.append(made.working_memory(Stream(FULL_MIX, RATE, ("FC",), None), seconds))
    assert taken[0] < promised[0]
    a_minute, enough = taken[1] - taken[0], promised[1] - promised[0]
    assert a_minute < enough < 2 * a_minute


@pytest.mark.parametrize("rate", [8000, 44100, 96000, 192_000])
def test_two_hours_of_onsets_are_read_for_other_features(rate: int) -> None:
    # The strongest rise twice in as few frames as may be: what follows an onset within 30 ms is none.
    strength = np.zeros(3 * rate // 512, np.float32)
    closest = next(step for step in range(1, 40) if len(picked(spikes(strength, step), rate)) > 1)
    most = 7200.0 * rate / 512 / closest
    assert most * len("7199.999999\n") <= LARGEST_RESULT


def spikes(strength: Samples, step: int) -> Samples:
    """Two equal peaks, so many frames apart."""
    found: Samples = strength.copy()
    found[[10, 10 + step]] = 1.0
    return found
