"""Saturation against formulas, and against a count of frames one by one."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from audiobatch_analyzers.saturation import SaturationAnalyzer
from audiobatch_analyzers.saturation.analyzer import COUNT, RATIO, EventCounter
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, STEMS, BlockAnalyzer, Measurement, OptionError, Options, Settings, Stream
from support import feeding
from support.audio_files import PLACES, Samples, music

RATE = 44100
HOLD, SHORTEST = 3, 2
"""Frames of 256 samples at 44.1 kHz: 20 and 10 ms, rounded."""


def measured(samples: Samples, rate: int = RATE, block: int = 1 << 16) -> Measurement:
    audio = Decoded(FULL_MIX, samples.copy(), rate, PLACES[samples.shape[1]])
    return feeding.measured(SaturationAnalyzer(Settings()), audio, block)


def found(wave: NDArray[np.float64], rate: int = RATE) -> tuple[object, object]:
    """Share and number of events in a mono file."""
    values = measured(wave.astype(np.float32)[:, np.newaxis], rate).values
    return values[RATIO], values[COUNT]


def frames(pattern: str, level: float = 0.95) -> NDArray[np.float64]:
    """A frame of 256 samples for each character; of an X one sample has the level."""
    wave = np.zeros((len(pattern), 256))
    wave[[place for place, each in enumerate(pattern) if each == "X"], 100] = level
    return wave.ravel()


def one_by_one(saturated: list[bool], hold: int, shortest: int) -> tuple[int, int]:
    """Events, and the frames that they span, by walking from frame to frame."""
    events: list[list[int]] = []
    for place, each in enumerate(saturated):
        if each and events and place - events[-1][1] - 1 <= hold:
            events[-1][1] = place
        elif each:
            events.append([place, place])
    spans = [last - first + 1 for first, last in events if last - first + 1 >= shortest]
    return len(spans), sum(spans)


# Formulas


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
def test_square_at_full_scale_is_saturated_all_through(rate: int) -> None:
    wave = np.sign(np.sin(2 * np.pi * 100 * np.arange(rate) / rate + 0.01))
    assert found(wave, rate) == (pytest.approx(rate // 256 * 256 / rate, rel=1e-4), 1)


@pytest.mark.parametrize(("ceiling", "expected"), [(1.0, 1.0), (0.96, 1.0), (0.94, 0.0)])
def test_clipped_sine_is_saturated_if_its_ceiling_is_high(ceiling: float, expected: float) -> None:
    # Its crests are 5 ms apart: less than the hold, more than a frame.
    wave = np.clip(2 * np.sin(2 * np.pi * 100 * np.arange(256 * 400) / RATE), -ceiling, ceiling)
    assert found(wave) == (pytest.approx(expected, abs=0.01), round(expected))


@pytest.mark.parametrize(
    ("pattern", "spanned", "events"),
    [
        ("..........", 0, 0),
        ("..X.......", 0, 0),
        ("..XX......", 2, 1),
        ("X...X.....", 5, 1),
        ("X....X....", 0, 0),
        ("XX...XX...", 7, 1),
        ("XX....XX..", 4, 2),
        ("XX....X...", 2, 1),
        (".........X", 0, 0),
        ("........XX", 2, 1),
        ("XXXXXXXXXX", 10, 1),
    ],
)
def test_gaps_of_up_to_three_frames_are_bridged(pattern: str, spanned: int, events: int) -> None:
    assert found(frames(pattern)) == (spanned / len(pattern), events)


@pytest.mark.parametrize(("level", "events"), [(0.95, 1), (-0.95, 1), (0.9499, 0), (-1.0, 1), (7.0, 1)])
def test_least_peak_is_0_95_of_either_sign(level: float, events: int) -> None:
    assert found(frames("..XX......", level))[1] == events


def test_what_fills_no_frame_counts_for_the_length_alone() -> None:
    wave = np.concatenate([frames("XX"), np.ones(255)])
    assert found(wave) == (pytest.approx(512 / 767, rel=1e-4), 1)


def test_share_of_a_long_file_keeps_its_digits() -> None:
    wave = np.concatenate([frames("XX"), np.zeros(40 * RATE)])
    assert found(wave)[0] == pytest.approx(512 / len(wave), abs=5e-8)


def test_channels_are_mixed() -> None:
    loud = np.ones((RATE, 2), np.float32)
    half = loud * np.array([1, 0.5], np.float32)
    effects = np.zeros((RATE, 6), np.float32)
    effects[:, 3] = 1.0
    assert measured(loud).values[COUNT] == 1
    assert measured(half).values == {RATIO: 0.0, COUNT: 0}
    assert measured(effects).values == {RATIO: 0.0, COUNT: 0}


# One by one


@given(st.lists(st.booleans(), max_size=60), st.lists(st.integers(0, 9), max_size=20))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_events_are_those_that_a_walk_finds(saturated: list[bool], pieces: list[int]) -> None:
    counter, place = EventCounter(HOLD, SHORTEST), 0
    for size in [*pieces, len(saturated)]:
        counter.feed(np.array(saturated[place : place + size], dtype=bool))
        place = min(place + size, len(saturated))
    assert counter.finish() == one_by_one(saturated, HOLD, SHORTEST)


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_sizes_of_blocks_alter_nothing(sizes: list[int]) -> None:
    samples = np.clip(music(sum(sizes) / RATE, seed=3) * 3, -1, 1)
    made, place = SaturationAnalyzer(Settings()), 0
    feed = made.begin(Stream(FULL_MIX, RATE, PLACES[2], None))
    for size in sizes:
        feed.feed(samples[place : place + size])
        place += size
    assert feed.finish() == measured(samples)


def test_blocks_of_one_sample_give_the_same() -> None:
    samples = np.clip(music(0.05, seed=4) * 4, -1, 1)
    assert measured(samples, block=1) == measured(samples)


# Borders


@pytest.mark.parametrize("frames_", [0, 1, 255])
def test_shorter_than_a_frame_has_neither_value(frames_: int) -> None:
    expected = dict.fromkeys((RATIO, COUNT), "shorter than 256 samples")
    assert measured(np.ones((frames_, 2), np.float32)) == Measurement({}, expected)


def test_silence_is_not_saturated() -> None:
    found = measured(np.zeros((256, 2), np.float32))
    assert found == Measurement({RATIO: 0.0, COUNT: 0})
    assert type(found.values[COUNT]) is int


def test_constant_offset_at_full_scale_is_saturated() -> None:
    assert found(np.ones(256 * 10)) == (1.0, 1)


def test_one_impulse_is_no_event() -> None:
    wave = np.zeros(RATE)
    wave[20_000] = 1.0
    assert found(wave) == (0.0, 0)


# Names and options


def test_features_are_of_the_mix_alone() -> None:
    made = SaturationAnalyzer(Settings())
    assert isinstance(made, BlockAnalyzer)
    assert [feature.name for feature in made.features(FULL_MIX)] == [RATIO, COUNT]
    assert not any(made.features(stem) for stem in STEMS)
    made.load()
    assert made.models == {}


def test_options_are_refused() -> None:
    with pytest.raises(OptionError):
        SaturationAnalyzer(Settings(Options({"ceiling": 0.9})))
