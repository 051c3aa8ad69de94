"""Tempo and beats: metronomes of known tempos, Essentia called directly, and audio in which there is no tempo."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from importlib.util import find_spec
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.loudness.silence import CANCELLED
from audiobatch_analyzers.rhythm.analyzer import (
    BEAT_COUNT,
    BPM,
    BPM_ESSENTIA,
    CONFIDENCE,
    DEGARA,
    FAST,
    GRID,
    IS_DEFINED,
    MULTIFEATURE,
    REGULARITY,
    STEADINESS,
    RhythmAnalyzer,
    folded,
    steadiness,
)
from audiobatch_analyzers.rhythm.ties import draw_alike
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import (
    FULL_MIX,
    STEMS,
    Analyzer,
    AnalyzerUnavailableError,
    Measurement,
    OptionError,
    Options,
    Settings,
    View,
)
from support.audio_files import PLACES, Samples, music, tone
from support.measurements import number

METHODS = (MULTIFEATURE, FAST, DEGARA)
TEMPOS = (60, 66, 74, 90, 100, 120, 128, 150, 160, 174)
NAMES = (BPM, BPM_ESSENTIA, IS_DEFINED, CONFIDENCE, BEAT_COUNT, REGULARITY, STEADINESS, GRID)
MONO_44 = View(44100, mono=True)
NO_CONFIDENCE = "the method degara gives none"

needs_essentia = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")


def analyzer(**options: object) -> RhythmAnalyzer:
    return RhythmAnalyzer(Settings(Options(options)))


@cache
def loaded(method: str = MULTIFEATURE, fold: tuple[float, float] | None = None) -> RhythmAnalyzer:
    made = analyzer(method=method, **({} if fold is None else {"fold": list(fold)}))
    made.load()
    return made


def audio(samples: Samples, rate: int = 44100) -> Decoded:
    return Decoded(FULL_MIX, samples.copy(order="K"), rate, PLACES[samples.shape[1]])


def grid(found: Measurement) -> list[float]:
    """The times of the beats, and every line of their file is one."""
    text = found.files[GRID]
    assert isinstance(text, str)
    lines = text.splitlines(keepends=True)
    assert all(line.endswith("\n") and len(line.strip().partition(".")[2]) == 6 for line in lines)
    return [float(line) for line in lines]


def defined(found: Measurement) -> float:
    """Return the number that tells whether there is one tempo: many readers of records pass over true and false."""
    value = found.values[IS_DEFINED]
    assert type(value) is int
    return value


# Signals


def clicks(bpm: float, seconds: float = 24.0, rate: int = 44100, jitter: float = 0.0) -> Samples:
    """A metronome in one channel; no click is further than `jitter` seconds from its place."""
    random = np.random.default_rng(1)
    time = np.arange(rate // 50) / rate
    click = (0.8 * np.exp(-time / 0.004) * np.sin(2 * np.pi * 1500 * time)).astype(np.float32)
    samples = np.zeros((round(seconds * rate) + len(click), 1), np.float32)
    for place in np.arange(0.1, seconds, 60 / bpm):
        start = round((place + random.uniform(-jitter, jitter)) * rate)
        samples[start : start + len(click), 0] += click
    return samples[: round(seconds * rate)]


def clicks_at(times: Iterable[float], seconds: float) -> Samples:
    """Place one click at each of these times, in one channel."""
    click, samples = clicks(60.0, 0.5)[4410:5292], silence(seconds)
    for time in times:
        start = round(time * 44100)
        if start + len(click) < len(samples):
            samples[start : start + len(click)] += click
    return samples


def drawn_clicks(step: Callable[[float], float], seconds: float) -> Samples:
    """Clicks of which each is `step(time)` seconds behind the one before."""
    times = [0.1]
    while times[-1] < seconds:
        times.append(times[-1] + step(times[-1]))
    return clicks_at(times, seconds)


def rubato(seconds: float) -> Samples:
    """Clicks by a player who never keeps a tempo: each interval is up to twice the one before."""
    random = np.random.default_rng(7)
    return drawn_clicks(lambda _time: 0.55 * float(np.exp(random.normal(0, 0.3))), seconds)


def speech(seconds: float) -> Samples:
    """Voiced and hissing syllables of uneven length, with pauses."""
    random = np.random.default_rng(5)
    wave, start = np.zeros(round(seconds * 44100)), 0.1
    while start < seconds - 0.5:
        length = random.uniform(0.08, 0.3)
        time = np.arange(round(length * 44100)) / 44100
        pitch, formant = random.uniform(90, 160), random.uniform(400, 1800)
        voice = sum(
            np.sin(2 * np.pi * number * pitch * time) * np.exp(-(((number * pitch - formant) / 600) ** 2))
            for number in range(1, 20)
        )
        if random.random() < 0.35:
            voice = 0.3 * random.standard_normal(len(time))
        first = round(start * 44100)
        wave[first : first + len(time)] += voice * np.sqrt(np.sin(np.pi * time / length)) * random.uniform(0.3, 1)
        start += length + (random.uniform(0.25, 0.9) if random.random() < 0.15 else random.uniform(0.0, 0.08))
    found: Samples = (0.2 * wave / np.abs(wave).max()).astype(np.float32)[:, np.newaxis]
    return found


def bursts(times: Iterable[float], seconds: float) -> Samples:
    """Tones of 440 Hz that swell for 150 ms, one at each of these times."""
    samples = silence(seconds)
    burst = (np.hanning(6615) * np.sin(2 * np.pi * 440 * np.arange(6615) / 44100) / 3).astype(np.float32)
    for time in times:
        start = round(time * 44100)
        if start + len(burst) < len(samples):
            samples[start : start + len(burst), 0] += burst
    return samples


def silence(seconds: float) -> Samples:
    return np.zeros((round(seconds * 44100), 1), np.float32)


def noise(seconds: float, dbfs: float) -> Samples:
    """White noise whose root mean square is `dbfs`."""
    wave = np.random.default_rng(2).standard_normal((round(seconds * 44100), 1))
    return (wave * 10 ** (dbfs / 20)).astype(np.float32)


@cache
def extracted(bpm: float, method: str) -> object:
    """The extractor's answer to a metronome, found once for all spans that its tempo is brought into."""
    draw_alike()
    found: object = loaded(method)._extract(clicks(bpm)[:, 0].copy())
    return found


@cache
def metronome(bpm: float, method: str) -> Measurement:
    return loaded(method).analyze(audio(clicks(bpm)))


# Tempos


def octaves_off(bpm: float, expected: float) -> float:
    """The power of 2 that `bpm` is off, where within 1 % it is one of at most an octave."""
    for power in (0.5, 1.0, 2.0):
        if bpm == pytest.approx(expected * power, rel=0.01):
            return power
    pytest.fail(f"{bpm} BPM is neither {expected} nor an octave from it")


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bpm", TEMPOS)
def test_a_metronome_has_its_tempo_or_an_octave_of_it(bpm: float, method: str) -> None:
    found = metronome(bpm, method)
    power = octaves_off(number(found.values[BPM]), bpm)
    assert defined(found) == 1
    # One beat may be missed at either end.
    assert number(found.values[BEAT_COUNT]) == pytest.approx(24 * bpm * power / 60, abs=2)


@needs_essentia
@pytest.mark.parametrize("method", [MULTIFEATURE, DEGARA])
@pytest.mark.parametrize("bpm", TEMPOS)
def test_values_are_those_of_essentia_called_directly(bpm: float, method: str) -> None:
    extract = essentia.standard().RhythmExtractor2013(method=method)
    tempo, beats, confidence, *_ = extract(clicks(bpm)[:, 0].copy())
    found = metronome(bpm, method)
    assert found.values[BPM] == round(tempo, 2)
    assert found.values[BEAT_COUNT] == len(beats)
    assert grid(found) == pytest.approx(beats, abs=1e-6)
    if method == MULTIFEATURE:
        assert found.values[CONFIDENCE] == round(confidence, 3)


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bpm", TEMPOS)
def test_beats_fall_on_the_clicks(bpm: float, method: str) -> None:
    found = metronome(bpm, method)
    # Half way between the clicks too, where twice as many are counted.
    step = 60 / bpm / max(1.0, octaves_off(number(found.values[BPM]), bpm))
    distance = [abs((beat - 0.1 + step / 2) % step - step / 2) for beat in grid(found)]
    assert float(np.median(distance)) < 0.03


@needs_essentia
@pytest.mark.parametrize("span", [(60.0, 120.0), (80.0, 160.0), (100.0, 200.0), (150.0, 400.0), (20.0, 41.0)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_fold_brings_tempos_into_the_span_and_no_more(method: str, span: tuple[float, float]) -> None:
    folding = loaded(method, span)
    for bpm in (60, 174):
        plain = metronome(bpm, method)
        folding._extract = partial(lambda bpm, _samples: extracted(bpm, method), bpm)
        brought = folding.analyze(audio(clicks(bpm)))
        low, high = span
        assert low <= number(brought.values[BPM]) <= high
        powers = math.log2(number(brought.values[BPM]) / number(plain.values[BPM]))
        assert powers == pytest.approx(round(powers), abs=1e-3)
        assert {**brought.values, BPM: plain.values[BPM]} == plain.values
        assert brought.values[BPM_ESSENTIA] == plain.values[BPM]
        assert brought.files == plain.files


# Regularity and confidence


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
def test_a_metronome_is_regular_and_jittered_clicks_are_less_so(method: str) -> None:
    steady, jittered = metronome(120, method).values, loaded(method).analyze(audio(clicks(120, jitter=0.06))).values
    assert 0.98 <= number(steady[STEADINESS]) <= 1.0
    assert 0.5 < number(jittered[STEADINESS]) < number(steady[STEADINESS]) - 0.05
    assert 0.0 <= number(steady[REGULARITY]) < 0.02 < number(jittered[REGULARITY]) < 0.2


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
def test_regularity_is_the_deviation_of_the_intervals_in_s(method: str) -> None:
    found = loaded(method).analyze(audio(clicks(120, jitter=0.06)))
    assert found.values[REGULARITY] == pytest.approx(float(np.std(np.diff(grid(found)))), abs=1e-4)


@needs_essentia
@pytest.mark.parametrize("bpm", TEMPOS)
def test_confidence_is_multifeature_s_alone(bpm: float) -> None:
    assert 1.5 < number(metronome(bpm, MULTIFEATURE).values[CONFIDENCE]) <= 5.32
    without = metronome(bpm, DEGARA)
    assert CONFIDENCE not in without.values
    assert without.unmeasurable == {CONFIDENCE: NO_CONFIDENCE}


# What makes a measurement of Essentia's answer


def answered(
    method: str, bpm: float, beats: list[float], confidence: float, samples: Samples | None = None
) -> Measurement:
    """Measure a metronome of 120 BPM, or these samples, where the extractor answers so."""
    made = analyzer(method=method)
    made.load()
    made._extract = lambda samples: (bpm, np.array(beats, np.float32), confidence, None, None)
    return made.analyze(audio(clicks(120, 12.0) if samples is None else samples))


STEADY = [0.5, 1.0, 1.5, 2.0, 2.5]


@pytest.mark.parametrize(("confidence", "certain"), [(0.0, 0), (0.999, 0), (1.0, 1), (1.0001, 1), (5.32, 1)])
def test_multifeature_is_certain_from_a_confidence_of_1(confidence: float, certain: int) -> None:
    found = answered(MULTIFEATURE, 120.0, STEADY, confidence)
    assert found.values == {
        BPM: 120.0,
        BPM_ESSENTIA: 120.0,
        IS_DEFINED: certain,
        CONFIDENCE: round(confidence, 3),
        BEAT_COUNT: 5,
        REGULARITY: 0.0,
        STEADINESS: 1.0,
    }
    assert not found.unmeasurable


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("beats", "deviation", "steady", "certain"),
    [
        (STEADY, 0.0, 1.0, 1),
        # Quartiles of the intervals 1, 1, 1.2, 1.4, 1.4 and 1, 1, 1.2, 1.2, 1.2.
        pytest.param([0.0, 1.0, 2.2, 3.2, 4.6, 6.0], 0.1789, 0.667, 0, id="uneven"),
        pytest.param([0.0, 1.0, 2.2, 3.4, 4.4, 5.6], 0.098, 0.833, 1, id="a little uneven"),
    ],
)
def test_both_methods_are_certain_of_steady_beats_alone(
    beats: list[float], deviation: float, steady: float, certain: int, method: str
) -> None:
    found = answered(method, 60.0, beats, 4.0)
    expected = {BPM: 60.0, BPM_ESSENTIA: 60.0, IS_DEFINED: certain, BEAT_COUNT: len(beats)}
    expected |= {REGULARITY: deviation, STEADINESS: steady}
    assert {name: value for name, value in found.values.items() if name != CONFIDENCE} == expected
    assert found.unmeasurable == ({CONFIDENCE: NO_CONFIDENCE} if method == DEGARA else {})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("bpm", "inside"), [(39.99, False), (40.0, True), (208.0, True), (208.01, False), (738.28, False)]
)
def test_a_tempo_out_of_the_promised_range_is_none(bpm: float, inside: bool, method: str) -> None:
    found = answered(method, bpm, STEADY, 4.25)
    assert (BPM in found.values) is inside
    if not inside:
        assert defined(found) == 0
        assert {found.unmeasurable[name] for name in NAMES if name not in (IS_DEFINED, CONFIDENCE)} == {
            "no tempo from 40 to 208 BPM"
        }


@pytest.mark.parametrize("confidence", [-0.085, -0.0001, -0.0])
def test_a_confidence_is_not_negative(confidence: float) -> None:
    value = number(answered(MULTIFEATURE, 120.0, STEADY, confidence).values[CONFIDENCE])
    assert value == 0.0
    assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("bpm", "beats"), [(120.0, []), (120.0, [0.5]), (120.0, [0.5, 1.0, 1.5]), (0.0, STEADY)])
def test_fewer_than_four_beats_are_no_tempo(bpm: float, beats: list[float], method: str) -> None:
    found = answered(method, bpm, beats, 0.5)
    reason = "fewer than 4 beats"
    confidence = {CONFIDENCE: NO_CONFIDENCE} if method == DEGARA else {}
    assert found.unmeasurable == dict.fromkeys((BPM, BPM_ESSENTIA, REGULARITY, STEADINESS), reason) | confidence
    expected = {BEAT_COUNT: len(beats), IS_DEFINED: 0}
    assert found.values == expected | ({CONFIDENCE: 0.5} if method != DEGARA else {})
    assert grid(found) == beats


@pytest.mark.parametrize(
    ("bpm", "beats", "confidence"),
    [(math.nan, STEADY, 1.0), (math.inf, STEADY, 1.0), (120.0, [0.5, math.nan], 1.0), (120.0, STEADY, math.nan)],
)
def test_answer_that_is_not_finite_is_an_analyzer_error(bpm: float, beats: list[float], confidence: float) -> None:
    with pytest.raises(ValueError, match=r"^RhythmExtractor2013 gave (nan|inf|120\.0) BPM, \d beats with confidence "):
        answered(MULTIFEATURE, bpm, beats, confidence)


# The contract


def uneven(count: int) -> list[float]:
    """So many times in 30 s, the same each time."""
    return list(np.random.default_rng(11).uniform(0, 30, count))


BEATLESS: Mapping[str, Callable[[], Samples]] = {
    "one sample, then silence": lambda: np.concatenate([np.ones((1, 1), np.float32), silence(12.0)]),
    "one sample in the middle": lambda: np.concatenate([silence(6.0), np.ones((1, 1), np.float32), silence(6.0)]),
    "220 Hz": lambda: tone(12.0, channels=1, frequency=220.0),
    "1 kHz for a minute": lambda: tone(60.0, channels=1),
    "a hum": lambda: tone(20.0, channels=1, frequency=50.0) + noise(20.0, -60.0),
    "12 s of noise": lambda: noise(12.0, -20.0),
    "30 s of noise": lambda: noise(30.0, -20.0),
    "3 s of noise": lambda: noise(3.0, -20.0),
    "noise just above the gate": lambda: noise(12.0, -69.0),
    "noise that swells": lambda: noise(20.0, -20.0) * np.linspace(0, 1, 882_000, dtype=np.float32)[:, np.newaxis],
    "12 s of speech": lambda: speech(12.0),
    "30 s of speech": lambda: speech(30.0),
    "a single burst": lambda: np.concatenate([silence(4.0), noise(0.5, -20.0), silence(8.0)]),
    "one click": lambda: np.concatenate([silence(5.0), clicks(60, 0.5), silence(8.0)]),
    "a step": lambda: np.concatenate([silence(5.0), silence(8.0) + np.float32(0.5)]),
    "clicks in the first second": lambda: np.concatenate([clicks(240, 1.0), silence(11.0)]),
    "clicks in the first three of 30 s": lambda: np.concatenate([clicks(120, 3.0), silence(27.0)]),
    "clicks in the last three of 30 s": lambda: np.concatenate([silence(27.0), clicks(120, 3.0)]),
    "clicks between silences": lambda: np.concatenate([silence(15.0), clicks(120, 5.0), silence(15.0)]),
    "clicks, then two minutes of silence": lambda: np.concatenate([clicks(120, 6.0), silence(120.0)]),
    "from 90 to 140 BPM in 12 s": lambda: drawn_clicks(lambda time: 60 / (90 + 50 * time / 12), 12.0),
    "from 90 to 140 BPM in a minute": lambda: drawn_clicks(lambda time: 60 / (90 + 50 * time / 60), 60.0),
    "from 140 to 90 BPM": lambda: drawn_clicks(lambda time: 60 / (140 - 50 * time / 30), 30.0),
    "90 BPM, then 140": lambda: np.concatenate([clicks(90, 20.0), clicks(140, 20.0)]),
    "rubato": lambda: rubato(30.0),
    "a slow rubato": lambda: drawn_clicks(lambda time: 0.55 * (1 + 0.35 * np.sin(2 * np.pi * time / 8)), 30.0),
    "a click every 2 s": lambda: clicks(30, 30.0),
    "a click every 3 s": lambda: clicks(20, 30.0),
    "a click every 5 s": lambda: clicks(12, 60.0),
    "clicks at random": lambda: clicks_at(uneven(90), 30.0),
    "tone bursts at random": lambda: bursts(uneven(40), 30.0),
    "a sweep": lambda: _sweep(20.0),
}


def _sweep(seconds: float) -> Samples:
    time, growth = np.arange(round(seconds * 44100)) / 44100, np.log(160.0) / seconds
    found: Samples = (0.3 * np.sin(2 * np.pi * 50 / growth * np.expm1(growth * time))).astype(np.float32)[:, np.newaxis]
    return found


BEATEN: Mapping[str, Callable[[], tuple[Samples, int]]] = {
    "a metronome": lambda: (clicks(120, 12.0), 44100),
    "6 s of one": lambda: (clicks(128, 6.0), 44100),
    "one on an offset": lambda: (clicks(120, 12.0) + np.float32(0.5), 44100),
    "one a trillion times full scale": lambda: (clicks(120, 12.0) * np.float32(1e12), 44100),
    "one in noise": lambda: (clicks(100, 24.0) + noise(24.0, -20.0), 44100),
    # Not more: in digital silence any tempo is as good as another, and beats may begin there.
    "one behind 5 s of silence": lambda: (np.concatenate([silence(5.0), clicks(120, 15.0)]), 44100),
    "one that is off by 20 ms": lambda: (clicks(120, 30.0, jitter=0.02), 44100),
    "one that drifts by 3 %": lambda: (drawn_clicks(lambda time: 60 / (118 + 4 * time / 60), 60.0), 44100),
    "tone bursts": lambda: (bursts(np.arange(0.1, 24.0, 0.5), 24.0), 44100),
    "8 kHz": lambda: (clicks(120, 12.0, 8000), 8000),
    "192 kHz": lambda: (clicks(120, 6.0, 192_000), 192_000),
}
KINDS: Mapping[str, Callable[[], tuple[Samples, int]]] = {
    "music": lambda: (music(12.0, seed=1), 44100),
    "two clicks in 3.0 s": lambda: (clicks(40, 3.0), 44100),
    **BEATEN,
    **{name: partial(lambda make: (make(), 44100), make) for name, make in BEATLESS.items()},
}


@cache
def heard(kind: str, method: str) -> tuple[Measurement, float]:
    """Measure audio of a kind once for all that is looked at; with its length in seconds."""
    samples, rate = KINDS[kind]()
    return loaded(method).analyze(audio(samples, rate)), len(samples) / rate


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", BEATLESS)
def test_audio_without_a_beat_has_no_defined_tempo(kind: str, method: str) -> None:
    assert defined(heard(kind, method)[0]) == 0


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", BEATEN)
def test_audio_with_a_beat_has_a_defined_tempo(kind: str, method: str) -> None:
    assert defined(heard(kind, method)[0]) == 1


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_everything_promised_is_there_and_in_its_bounds(kind: str, method: str) -> None:
    found, seconds = heard(kind, method)
    assert sorted([*found.values, *found.unmeasurable, *found.files]) == sorted(NAMES)
    assert all(found.unmeasurable.values())
    assert defined(found) in (0, 1)
    if BPM not in found.values:
        assert defined(found) == 0
        return
    beats = grid(found)
    assert found.values[BEAT_COUNT] == len(beats)
    assert all(earlier < later for earlier, later in pairwise(beats))
    assert all(0 <= beat <= seconds for beat in beats)
    assert 40 <= number(found.values[BPM]) <= 208
    assert 0 <= number(found.values[STEADINESS]) <= 1
    assert 0 <= number(found.values[REGULARITY]) < seconds
    assert 0 <= number(found.values.get(CONFIDENCE, 0.0)) <= 5.32


@needs_essentia
def test_multifeature_is_uncertain_of_a_tempo_in_noise() -> None:
    # 0.2 to 0.5, whatever the noise. In 12 s of it Essentia has a confidence of 1.2 to 1.7.
    assert number(heard("30 s of noise", MULTIFEATURE)[0].values[CONFIDENCE]) < 0.8


@pytest.mark.parametrize("kind", ["one sample, then silence", "clicks in the first second", "a single burst"])
def test_mostly_silence_never_reaches_essentia(kind: str, refusing: RhythmAnalyzer) -> None:
    found = refusing.analyze(audio(BEATLESS[kind]()))
    assert found.values == {IS_DEFINED: 0}
    assert found.unmeasurable[BPM] == found.unmeasurable[BEAT_COUNT] == "silent for most of its length"


# What never reaches Essentia


@pytest.fixture(params=METHODS)
def refusing(request: pytest.FixtureRequest) -> RhythmAnalyzer:
    """An analyzer whose extractor must not be asked."""
    made = analyzer(method=request.param)

    def refuse(samples: Samples) -> None:
        pytest.fail("the extractor was asked")

    made._extract = refuse
    return made


SILENT: Mapping[str, Callable[[], Samples]] = {
    "zeros": lambda: silence(5.0),
    "noise at -90 dBFS": lambda: noise(5.0, -90.0),
    "a tone below the gate": lambda: tone(5.0, channels=1, dbfs=-68.0),
    "an offset": lambda: silence(5.0) + np.float32(0.3),
    "noise at -90 dBFS on an offset": lambda: noise(5.0, -90.0) - np.float32(1.0),
    "subnormal numbers": lambda: music(5.0) * np.float32(1e-40),
}
UNHEARD: Mapping[str, tuple[Callable[[], Samples], str]] = {
    "one channel against the other": (lambda: clicks(120, 5.0) * np.array([1, -1], np.float32), CANCELLED),
    "on opposite offsets too": (
        lambda: (clicks(120, 5.0) + np.float32(0.2)) * np.array([1, -1], np.float32),
        CANCELLED,
    ),
    "left and right of six": (lambda: clicks(120, 5.0) * np.array([1, -1, 0, 1, 0, 0], np.float32), CANCELLED),
    "offsets alone": (lambda: silence(5.0) + np.array([0.3, -0.3], np.float32), "silent"),
    "noise below the gate": (lambda: noise(5.0, -90.0) * np.array([1, -1], np.float32), "silent"),
    "all in the low-frequency channel": (
        lambda: clicks(120, 5.0) * np.array([0, 0, 0, 1, 0, 0], np.float32),
        "silent but for low-frequency effects",
    ),
}


@pytest.mark.parametrize("kind", SILENT)
def test_silence_has_no_tempo(kind: str, refusing: RhythmAnalyzer) -> None:
    assert refusing.analyze(audio(SILENT[kind]())) == Measurement({}, dict.fromkeys(NAMES, "silent"))


@pytest.mark.parametrize("kind", UNHEARD)
def test_audio_inaudible_in_mono_has_no_tempo_with_a_reason(kind: str, refusing: RhythmAnalyzer) -> None:
    make, reason = UNHEARD[kind]
    assert refusing.analyze(audio(make())) == Measurement({}, dict.fromkeys(NAMES, reason))


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize("seconds", [0.0, 1.0, 2.9])
def test_audio_shorter_than_3_s_has_no_tempo(seconds: float, rate: int, refusing: RhythmAnalyzer) -> None:
    expected = Measurement({}, dict.fromkeys(NAMES, "shorter than 3 s"))
    assert refusing.analyze(audio(tone(seconds, rate), rate)) == expected


@pytest.mark.parametrize("rate", [8000, 44100, 44101, 48000, 192_000])
def test_frame_less_than_3_s_is_shorter(rate: int, refusing: RhythmAnalyzer) -> None:
    assert set(refusing.analyze(audio(tone(3.0, rate)[:-1], rate)).unmeasurable.values()) == {"shorter than 3 s"}


@needs_essentia
@pytest.mark.parametrize("rate", [8000, 44100, 44101, 48000])
@pytest.mark.parametrize("method", METHODS)
def test_3_s_are_not_shorter(method: str, rate: int) -> None:
    found = loaded(method).analyze(audio(clicks(120, 3.0, rate), rate))
    assert octaves_off(number(found.values[BPM]), 120 * 0.99) == 1.0


# Forms of files


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000])
def test_every_sample_rate_has_the_same_tempo(rate: int, method: str) -> None:
    expected = metronome(120, method)
    found = loaded(method).analyze(audio(clicks(120, rate=rate), rate))
    assert number(found.values[BPM]) == pytest.approx(number(expected.values[BPM]), rel=0.01)
    assert found.values[BEAT_COUNT] == expected.values[BEAT_COUNT]


@needs_essentia
@pytest.mark.parametrize("channels", [2, 6])
@pytest.mark.parametrize("method", METHODS)
def test_channels_that_are_alike_give_what_one_gives(method: str, channels: int) -> None:
    # Two and four halves make a whole exactly; of five heard channels the mean is rounded.
    found = loaded(method).analyze(audio(np.repeat(clicks(120), channels, axis=1)))
    expected = metronome(120, method)
    if channels == 2:
        assert found == expected
    assert number(found.values[BPM]) == pytest.approx(number(expected.values[BPM]), rel=0.01)
    assert found.values[BEAT_COUNT] == expected.values[BEAT_COUNT]


@needs_essentia
def test_the_samples_are_only_read() -> None:
    track = audio(clicks(120, 5.0))
    before = track.view().copy()
    loaded().analyze(track)
    np.testing.assert_array_equal(track.view(), before)


# The same values each time


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
def test_second_measurement_in_another_order_is_identical(method: str) -> None:
    tracks = {"music": music(8.0, seed=3), "clicks": clicks(100, 8.0), "noise": noise(8.0, -20.0)}
    used = analyzer(method=method)
    used.load()
    first = {name: used.analyze(audio(samples)) for name, samples in tracks.items()}
    again = {name: used.analyze(audio(samples)) for name, samples in reversed(tracks.items())}
    fresh = {}
    for name, samples in tracks.items():
        made = analyzer(method=method)
        made.load()
        fresh[name] = made.analyze(audio(samples))
    assert first == again == fresh


def interrupted() -> Samples:
    """Music before and after 9 s of digital silence, in which the trackers look for a tempo by themselves."""
    return np.concatenate([music(7.0, seed=1, channels=1), silence(9.0), music(5.0, seed=2, channels=1)])


_IN_ANOTHER_PROCESS = """
import json, runpy, sys
sys.path[:0] = json.loads(sys.argv[1])
names = runpy.run_path(sys.argv[2])
audio, clicks, interrupted, loaded = (names[each] for each in ("audio", "clicks", "interrupted", "loaded"))
for method in names["METHODS"]:
    for samples in (clicks(100, 8.0), interrupted()):
        found = loaded(method).analyze(audio(samples))
        print(json.dumps([found.values, found.files]))
"""


@needs_essentia
def test_another_process_measures_bit_for_bit_the_same() -> None:
    command = [sys.executable, "-c", _IN_ANOTHER_PROCESS, json.dumps([path for path in sys.path if path]), __file__]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    pieces = [audio(clicks(100, 8.0)), audio(interrupted())]
    ours = [loaded(method).analyze(piece) for method in METHODS for piece in pieces]
    assert theirs == [[dict(found.values), dict(found.files)] for found in ours]
    assert not done.stderr


@needs_essentia
@pytest.mark.parametrize("method", METHODS)
def test_beats_in_digital_silence_hang_on_no_earlier_file(method: str) -> None:
    # Three trackers in turn, each after another number of draws.
    first, second, third = (loaded(method).analyze(audio(interrupted())) for _ in range(3))
    assert first == second == third


# Functions


@pytest.mark.parametrize(
    ("bpm", "span", "expected"),
    [
        (87.0, None, 87.0),
        (87.0, (80.0, 160.0), 87.0),
        (60.0, (80.0, 160.0), 120.0),
        (174.0, (80.0, 160.0), 87.0),
        (80.0, (80.0, 160.0), 80.0),
        (160.0, (80.0, 160.0), 160.0),
        (40.0, (80.0, 160.0), 80.0),
        (320.0, (80.0, 160.0), 160.0),
        (30.0, (120.0, 250.0), 120.0),
        (738.0, (60.0, 120.0), 92.25),
    ],
)
def test_folded(bpm: float, span: tuple[float, float] | None, expected: float) -> None:
    assert folded(bpm, span) == expected


@given(st.floats(0.1, 1e5), st.floats(1.0, 500.0), st.floats(2.0, 8.0))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_folded_lies_in_the_span_and_octaves_away(bpm: float, low: float, width: float) -> None:
    brought = folded(bpm, (low, low * width))
    assert low <= brought <= low * width
    # A power of 2 changes no digit of a float.
    assert math.frexp(brought)[0] == math.frexp(bpm)[0]
    if low <= bpm <= low * width:
        assert brought == bpm


@pytest.mark.parametrize(
    ("beats", "expected"),
    [
        pytest.param([0, 1, 2, 3, 4], 1.0, id="a metronome"),
        pytest.param([5, 5.5, 6], 1.0, id="three beats"),
        pytest.param([0, 1, 2, 3, 4, 6], 1.0, id="one beat missing"),
        pytest.param([0, 1, 3], 1 - 0.5 / 1.5, id="two intervals"),
        pytest.param([0, 1, 3, 4, 6], 1 - 1 / 1.5, id="a swing of 1 to 2"),
        pytest.param([0, 1, 2, 12, 22], 0.0, id="quartiles further apart than the median is long"),
        pytest.param([1, 1, 1, 1], 0.0, id="all at once"),
    ],
)
def test_steadiness(beats: list[float], expected: float) -> None:
    assert steadiness(np.array(beats, np.float64)) == pytest.approx(expected)


@given(st.lists(st.floats(0.001, 10.0), min_size=2, max_size=40), st.floats(0.01, 100.0), st.floats(0, 1000))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_steadiness_is_0_to_1_whatever_tempo_and_start(intervals: list[float], tempo: float, start: float) -> None:
    beats = np.cumsum([0.0, *intervals])
    value = steadiness(beats)
    assert 0.0 <= value <= 1.0
    assert steadiness(start + beats * tempo) == pytest.approx(value, abs=1e-5)


# Names, options, and a machine without Essentia


def test_rhythm_is_an_analyzer() -> None:
    made = analyzer()
    assert isinstance(made, Analyzer)
    assert (made.name, made.version) == ("rhythm", 3)


@pytest.mark.parametrize("method", METHODS)
def test_features_of_the_mix(method: str) -> None:
    features = analyzer(method=method).features(FULL_MIX)
    assert tuple(feature.name for feature in features) == NAMES
    assert all(feature.description and feature.bounds and feature.source for feature in features)
    assert analyzer(method=method).views(FULL_MIX) == (MONO_44,)


@needs_essentia
def test_without_the_option_no_grid_is_promised() -> None:
    made = analyzer(method=DEGARA, beats_grid=False)
    made.load()
    assert tuple(feature.name for feature in made.features(FULL_MIX)) == NAMES[:-1]
    found = made.analyze(audio(clicks(120)))
    expected = metronome(120, DEGARA)
    assert found == Measurement(expected.values, expected.unmeasurable)


@pytest.mark.parametrize("stem", STEMS)
def test_stems_are_not_read(stem: str) -> None:
    assert analyzer().features(stem) == ()
    assert analyzer().views(stem) == ()


@pytest.mark.parametrize(
    ("options", "models"),
    [
        ({}, {"RhythmExtractor2013": "multifeature"}),
        ({"method": "multifeature"}, {"RhythmExtractor2013": "multifeature"}),
        ({"method": "multifeature-fast"}, {"RhythmExtractor2013": "multifeature-fast"}),
        ({"method": "degara", "beats_grid": True}, {"RhythmExtractor2013": "degara"}),
        ({"fold": [80, 160]}, {"RhythmExtractor2013": "multifeature", "fold": "80-160"}),
        ({"method": "degara", "fold": [62.5, 130]}, {"RhythmExtractor2013": "degara", "fold": "62.5-130"}),
    ],
    ids=str,
)
def test_options_that_alter_values_stand_beside_them(options: dict[str, object], models: dict[str, str]) -> None:
    assert analyzer(**options).models == models


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"method": "fast"},
            'option `method`: expected "multifeature" or "multifeature-fast" or "degara", got "fast"',
        ),
        ({"fold": [160, 80]}, "option `fold`: expected two positive numbers, the lower one first, got [160, 80]"),
        ({"fold": "80-160"}, 'option `fold`: expected two positive numbers, the lower one first, got "80-160"'),
        ({"fold": [100, 150]}, "option `fold`: expected at least an octave, got [100.0, 150.0]"),
        ({"fold": [80, 159.9]}, "option `fold`: expected at least an octave, got [80.0, 159.9]"),
        ({"beats_grid": 1}, "option `beats_grid`: expected true or false, got 1"),
        ({"folds": [80, 160]}, "unknown option `folds` (there are: `method`, `fold`, `beats_grid`)"),
    ],
    ids=str,
)
def test_options_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        analyzer(**options)
    assert str(caught.value) == message


@pytest.fixture
def _without_essentia(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which Essentia cannot be imported, and has not been before."""
    essentia.standard.cache_clear()
    monkeypatch.setitem(sys.modules, "essentia", None)
    yield
    essentia.standard.cache_clear()


@pytest.mark.usefixtures("_without_essentia")
@pytest.mark.parametrize("method", METHODS)
def test_rhythm_tells_its_offer_without_essentia(method: str) -> None:
    made = analyzer(method=method)
    for _ in range(2):
        with pytest.raises(AnalyzerUnavailableError, match=r"^cannot import essentia: ") as caught:
            made.load()
        assert isinstance(caught.value.__cause__, ImportError)
    assert made.models == {"RhythmExtractor2013": method}
    assert len(made.features(FULL_MIX)) == len(NAMES)


@needs_essentia
def test_rhythm_prints_nothing_while_it_measures(capfd: pytest.CaptureFixture[str]) -> None:
    made = analyzer()
    made.load()
    made.analyze(audio(clicks(120, 3.0)))
    assert capfd.readouterr() == ("", "")
