"""The analyzer `timbre`: what it promises, what it refuses, the span, the stems, and any audio at all."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from audiobatch_analyzers.timbre import TimbreAnalyzer
from audiobatch_analyzers.timbre.scores import NAMES
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, NATIVE, STEMS, Analyzer, Cost, Measurement, OptionError, Options, Settings
from support.measurements import number
from support.timbre_signals import noise, plucks

LAYOUTS = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
Samples = NDArray[np.float32]


def analyzer(**options: object) -> TimbreAnalyzer:
    made = TimbreAnalyzer(Settings(Options(options)))
    made.load()
    return made


def measured(samples: Samples, rate: int = 44100, role: str = FULL_MIX, **options: object) -> Measurement:
    audio = Decoded(role, samples.copy(order="K"), rate, LAYOUTS[samples.shape[1]])
    return analyzer(**options).analyze(audio)


def heard(seconds: float = 6.0, channels: int = 2) -> Samples:
    return (plucks(channels=channels)[: round(seconds * 44100)] / 32768).astype(np.float32)


def recording(rate: int) -> Samples:
    """Plucked strings in two channels, all of them."""
    return (plucks(rate) / 32768).astype(np.float32)


@cache
def recorded(rate: int) -> Measurement:
    """Measure them once for all that is compared with them."""
    return measured(recording(rate), rate)


def refusal(samples: Samples, rate: int = 44100) -> str:
    """The one reason for which none of the eight is there."""
    found = measured(samples, rate)
    assert not found.values
    assert set(found.unmeasurable) == set(NAMES)
    (reason,) = set(found.unmeasurable.values())
    return reason


# What it promises


def test_it_is_an_analyzer_and_heavy() -> None:
    assert isinstance(analyzer(), Analyzer)
    assert analyzer().cost is Cost.HEAVY


def test_keys_are_those_of_the_guide_s_script() -> None:
    assert [feature.name for feature in analyzer().features(FULL_MIX)] == [
        "brightness",
        "roughness",
        "hardness",
        "depth",
        "booming",
        "reverberation",
        "sharpness",
        "warmth",
    ]


def test_scores_are_rounded_to_four_decimals() -> None:
    found = measured(heard()).values
    assert set(found) == set(NAMES)
    assert all(round(number(value), 4) == value for value in found.values())
    assert found["brightness"] == 45.3518
    assert found["warmth"] == 54.6496


def test_scores_are_not_clamped() -> None:
    high = (0.5 * np.sin(2 * np.pi * 10000 * np.arange(88200) / 44100)).astype(np.float32)[:, np.newaxis]
    found = measured(high).values
    assert number(found["sharpness"]) > 105.0
    assert number(found["booming"]) < -40.0


# Stems


@pytest.mark.parametrize("role", STEMS)
def test_stems_are_left_out_by_default(role: str) -> None:
    assert analyzer().features(role) == ()
    assert analyzer().views(role) == ()


def test_a_stem_that_is_named_has_its_own_keys() -> None:
    made = analyzer(stems=["bass"])
    assert [feature.name for feature in made.features("bass")] == [f"{name}_bass" for name in NAMES]
    assert made.features("drums") == ()
    assert made.views("bass") == (NATIVE,)
    assert set(measured(heard(1.0), role="bass", stems=["bass"]).values) == {f"{name}_bass" for name in NAMES}


@pytest.mark.parametrize("given", ["bass", ["guitar"], ["full_mix"], True, [1]])
def test_other_stems_are_refused(given: object) -> None:
    with pytest.raises(OptionError, match='option `stems`: expected a list of "drums", "bass", "other", "vocals"'):
        analyzer(stems=given)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(OptionError, match=r"unknown option `exerpt` \(there are: `excerpt`, `stems`\)"):
        analyzer(exerpt=30)


# The span


@pytest.mark.parametrize("given", [0, 0.5, -30, "30", True, [30], math.inf, math.nan, 10**400])
def test_other_excerpts_are_refused(given: object) -> None:
    with pytest.raises(OptionError, match="option `excerpt`: expected a number that is 1 or more"):
        analyzer(excerpt=given)


@pytest.mark.parametrize(("options", "span"), [({}, "middle 300 s"), ({"excerpt": 30}, "middle 30 s")])
def test_the_span_stands_in_the_provenance_and_binds(options: dict[str, Any], span: str) -> None:
    made = analyzer(**options)
    assert made.models == {"span": span}
    assert made.binding == {"span"}


@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_an_excerpt_is_the_middle_of_the_file(rate: int) -> None:
    excerpt = measured(recording(rate), rate, excerpt=2).values
    assert excerpt == measured(recording(rate)[2 * rate : 4 * rate], rate).values
    assert excerpt != recorded(rate).values


def test_a_file_shorter_than_the_excerpt_is_analysed_whole() -> None:
    assert measured(heard(2.0), excerpt=100).values == measured(heard(2.0)).values


def test_of_a_long_file_the_middle_300_s_are_analysed(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def programme(samples: Samples, rate: int) -> None:
        lengths.append(len(samples))
        raise KeyboardInterrupt

    monkeypatch.setattr("audiobatch_analyzers.timbre.measurement.programme", programme)
    for seconds in (299, 300, 301, 3600):
        with pytest.raises(KeyboardInterrupt):
            measured(np.ones((seconds * 8000, 1), np.float32), 8000)
    assert lengths == [299 * 8000, *[300 * 8000] * 3]


# What is refused


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 96000])
def test_less_than_0_4_s_is_refused(rate: int) -> None:
    samples = 0.1 * noise(rate)[:, np.newaxis].astype(np.float32)
    shortest = math.ceil(0.4 * rate)
    assert refusal(samples[: shortest - 1], rate) == "shorter than 0.4 s"
    assert measured(samples[:shortest], rate).values


@pytest.mark.parametrize("count", [0, 1, 100])
def test_next_to_nothing_is_refused(count: int) -> None:
    assert refusal(np.ones((count, 1), np.float32)) == "shorter than 0.4 s"


def test_silence_is_refused() -> None:
    assert refusal(np.zeros((44100, 2), np.float32)) == "silent"


def test_channels_that_cancel_are_refused() -> None:
    one = heard(2.0, channels=1)
    assert refusal(np.concatenate([one, -one], axis=1)) == "its channels cancel each other"


def test_sound_in_the_back_channels_alone_is_refused() -> None:
    samples = np.zeros((88200, 6), np.float32)
    samples[:, 4] = heard(2.0, channels=1)[:, 0]
    assert refusal(samples) == "silent in its first 3 channels"


def test_what_lies_below_the_gate_is_refused() -> None:
    click = np.zeros((44100, 1), np.float32)
    click[22050] = 1 / 32768
    assert refusal(click) == "nowhere above -70 LUFS"
    assert refusal((1e-4 * noise(44100))[:, np.newaxis].astype(np.float32)) == "nowhere above -70 LUFS"
    assert refusal(np.full((44100, 1), 0.5, np.float32)[:0]) == "shorter than 0.4 s"


def test_a_score_that_lacks_does_not_lose_the_other_seven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audiobatch_analyzers.timbre.segments.peaks", lambda spectrum, contrast: np.zeros(0, np.intp))
    found = measured(heard(2.0))
    assert found.unmeasurable == {"warmth": "no sound in it has a spectral peak"}
    assert set(found.values) == set(NAMES) - {"warmth"}


# Any audio


@st.composite
def audio(draw: st.DrawFn) -> tuple[Samples, int]:
    """Finite audio of 0 to 10 s in any layout: tones, noise, steps, clicks and silence, in pieces."""
    rate = draw(st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]))
    channels = draw(st.sampled_from(sorted(LAYOUTS)))
    frames = draw(st.integers(0, 10 * rate) | st.integers(0, rate))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    samples = np.zeros((frames, channels), np.float32)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, frames))
        piece = samples[start : start + draw(st.integers(0, frames))]
        level = draw(st.sampled_from([1.0, 1e-3, 1e-6, 3e-39, 1e5, 3e37, -0.5]))
        time = np.arange(len(piece))
        match draw(st.sampled_from(["tone", "noise", "step", "click", "decay", "same"])):
            case "tone":
                frequency = draw(st.floats(0.0, 0.5))
                piece[:] += (level * np.sin(2 * np.pi * frequency * time))[:, np.newaxis].astype(np.float32)
            case "noise":
                piece[:] += (level * random.uniform(-1, 1, piece.shape)).astype(np.float32)
            case "step":
                piece[:] = level
            case "click" if len(piece):
                piece[random.integers(len(piece)), random.integers(channels)] = level
            case "decay":
                piece[:] += (level * random.uniform(-1, 1, piece.shape) * 0.999 ** time[:, np.newaxis]).astype(
                    np.float32
                )
            case "same":
                piece[:, 1:] = -piece[:, :1]
    return np.clip(samples, -3e38, 3e38), rate


@settings(max_examples=40, deadline=None)
@given(audio(), st.sampled_from([None, 1.0, 2.5]))
def test_any_audio_has_finite_scores_or_reasons(given: tuple[Samples, int], excerpt: float | None) -> None:
    samples, rate = given
    options: dict[str, Any] = {} if excerpt is None else {"excerpt": excerpt}
    found = measured(samples, rate, **options)
    assert sorted([*found.values, *found.unmeasurable]) == sorted(NAMES)
    assert all(math.isfinite(number(value)) for value in found.values.values())
    assert all(found.unmeasurable.values())


@st.composite
def loud_audio(draw: st.DrawFn) -> tuple[Samples, int]:
    """Audio that is nowhere near the gate: noise throughout, and a tone with beats."""
    rate = draw(st.sampled_from([16000, 44100, 48000]))
    frames = draw(st.integers(rate // 2, 4 * rate))
    channels = draw(st.sampled_from(sorted(LAYOUTS)))
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    time = np.arange(frames) / rate
    tone = np.sin(2 * np.pi * draw(st.floats(30, 5000)) * time) * np.sin(2 * np.pi * draw(st.floats(0.1, 90)) * time)
    noise_level = draw(st.floats(0.05, 0.5))
    wave = noise_level * random.uniform(-1, 1, (frames, channels)) + draw(st.floats(0, 0.5)) * tone[:, np.newaxis]
    return wave.astype(np.float32), rate


@settings(max_examples=12, deadline=None)
@given(loud_audio(), st.integers(-3, 20))
def test_a_gain_by_a_power_of_two_changes_nothing(given: tuple[Samples, int], exponent: int) -> None:
    samples, rate = given
    plain = measured(samples, rate)
    assert plain.values
    assert measured(np.ldexp(samples, exponent), rate) == plain


@pytest.mark.parametrize("exponent", [-5, -1, 1, 5])
@pytest.mark.parametrize("rate", [22050, 44100, 96000])
def test_the_level_of_a_recording_changes_no_bit(exponent: int, rate: int) -> None:
    assert measured(np.ldexp(recording(rate), exponent), rate) == recorded(rate)
