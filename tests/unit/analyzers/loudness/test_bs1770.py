"""The measures against what the standards print and, on random programmes, against second implementations.

The test signals of EBU Tech 3341 and 3342 are made from their definitions (table 1 of each); those that are recordings
are not here, nor those for peaks. What the analyzer makes of the measures is `test_loudness`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy.signal import sosfreqz

from audiobatch_analyzers.loudness import blockwise, bs1770
from support.audio_files import Samples, tone

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000, 176400, 192000)
EBU_RATES = (44100, 48000, 96000)
STEREO = (1.0, 1.0)
FIVE = ("FL", "FR", "FC", "SL", "SR")
"""Channels in the order in which pyloudnorm takes them."""

Segments = Sequence[tuple[float, float]]
"""Seconds and dBFS, one after the other."""

# Signals


@cache
def one_second(rate: int) -> Samples:
    """1 kHz at full scale: whole cycles, so that it can be put end to end."""
    return tone(1.0, rate, channels=1, dbfs=0.0)[:, 0]


def tones(rate: int, segments: Segments) -> Samples:
    """1 kHz in both channels alike."""
    wave = [
        np.resize(one_second(rate), round(seconds * rate)) * np.float32(10 ** (dbfs / 20)) for seconds, dbfs in segments
    ]
    return np.repeat(np.concatenate(wave)[:, np.newaxis], 2, axis=1)


def powers_of(*segments: tuple[float, float]) -> NDArray[np.float64]:
    """Step powers without any signal: seconds and LUFS, one after the other."""
    return np.concatenate([np.full(round(seconds * 10), 10 ** ((lufs + 0.691) / 10)) for seconds, lufs in segments])


def levels(powers: NDArray[np.float64], steps: int) -> list[float]:
    """The loudness of every `steps` neighbouring steps: momentary of 4, short-term of 30."""
    return [
        -0.691 + 10 * math.log10(math.fsum(powers[first : first + steps]) / steps)
        for first in range(len(powers) - steps + 1)
    ]


# EBU Tech 3341: loudness within 0.1 LU

TECH_3341 = [
    pytest.param([(20, -23)], -23.0, id="1"),
    pytest.param([(20, -33)], -33.0, id="2"),
    pytest.param([(10, -36), (60, -23), (10, -36)], -23.0, id="3"),
    pytest.param([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23.0, id="4"),
    pytest.param([(20, -26), (20.1, -20), (20, -26)], -23.0, id="5"),
]


@pytest.mark.parametrize("rate", EBU_RATES)
@pytest.mark.parametrize(("segments", "lufs"), TECH_3341)
def test_tech_3341(segments: Segments, lufs: float, rate: int) -> None:
    powers = bs1770.step_powers(tones(rate, segments), rate, STEREO)
    assert bs1770.integrated_loudness(powers) == pytest.approx(lufs, abs=0.1)


@pytest.mark.parametrize("rate", EBU_RATES)
@pytest.mark.parametrize("surround", [("BL", "BR"), ("SL", "SR")], ids="-".join)
def test_tech_3341_case_6_five_channels(surround: tuple[str, str], rate: int) -> None:
    peaks = np.float32(10 ** (np.array([-28, -28, -24, -30, -30]) / 20))
    samples = np.resize(one_second(rate), 20 * rate)[:, np.newaxis] * peaks
    powers = bs1770.step_powers(samples, rate, bs1770.channel_weights(("FL", "FR", "FC", *surround)))
    assert bs1770.integrated_loudness(powers) == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("rate", EBU_RATES)
@pytest.mark.parametrize(
    ("segments", "steps", "settled", "lufs"),
    [
        pytest.param([(20, -23)], 4, 0, -23.0, id="1, momentary"),
        pytest.param([(20, -23)], 30, 0, -23.0, id="1, short-term"),
        pytest.param([(20, -33)], 4, 0, -33.0, id="2, momentary"),
        pytest.param([(20, -33)], 30, 0, -33.0, id="2, short-term"),
        pytest.param([(1.34, -20), (1.66, -30)] * 5, 30, 0, -23.0, id="9, short-term: constant after 3 s"),
        pytest.param([(0.18, -20), (0.22, -30)] * 25, 4, 6, -23.0, id="12, momentary: constant after 1 s"),
    ],
)
def test_tech_3341_every_block_and_window(segments: Segments, steps: int, settled: int, lufs: float, rate: int) -> None:
    powers = bs1770.step_powers(tones(rate, segments), rate, STEREO)
    assert levels(powers, steps)[settled:] == pytest.approx([lufs] * (len(powers) - steps + 1 - settled), abs=0.1)


# EBU Tech 3342: range within 1 LU

TECH_3342 = [
    pytest.param([(20, -20), (20, -30)], 10.0, id="1"),
    pytest.param([(20, -20), (20, -15)], 5.0, id="2"),
    pytest.param([(20, -40), (20, -20)], 20.0, id="3"),
    pytest.param([(20, -50), (20, -35), (20, -20), (20, -35), (20, -50)], 15.0, id="4"),
]


@pytest.mark.parametrize("rate", EBU_RATES)
@pytest.mark.parametrize(("segments", "lra"), TECH_3342)
def test_tech_3342(segments: Segments, lra: float, rate: int) -> None:
    powers = bs1770.step_powers(tones(rate, segments), rate, STEREO)
    assert bs1770.loudness_range(powers) == pytest.approx(lra, abs=1.0)
    # "The expected response is unchanged if the test signal is repeated."
    assert bs1770.loudness_range(np.tile(powers, 3)) == pytest.approx(lra, abs=1.0)


# K-weighting


def response(rate: int, hertz: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The K-weighting's gain in dB."""
    _, gain = sosfreqz(bs1770.k_weighting(rate), worN=np.asarray(hertz), fs=rate)
    return np.asarray(20 * np.log10(np.abs(gain)))


def test_the_filter_at_48_khz_is_the_one_in_print() -> None:
    # BS.1770-4, tables 1 and 2: b0 b1 b2, a0 a1 a2.
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    assert bs1770.k_weighting(48000) == pytest.approx(np.array([shelf, high_pass]), abs=2e-12)


@pytest.mark.parametrize("rate", RATES)
def test_the_filter_is_pyloudnorms_at_every_rate(rate: int) -> None:
    shelf = pyloudnorm.IIRfilter(3.99984385397, 0.7071752369554193, 1681.9744509555319, rate, "high_shelf_DeMan")
    high_pass = pyloudnorm.IIRfilter(0.0, 0.5003270373253953, 38.13547087613982, rate, "high_pass_DeMan")
    expected = np.array([[*stage.b, *stage.a] for stage in (shelf, high_pass)])
    assert bs1770.k_weighting(rate) == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate >= 32000])
def test_the_filter_has_one_curve_at_every_rate(rate: int) -> None:
    hertz = np.geomspace(10, rate / 8, 50)
    assert response(rate, hertz) == pytest.approx(response(48000, hertz), abs=0.05)


@pytest.mark.parametrize(
    ("rate", "decibels"),
    [(192000, -0.03), (96000, -0.02), (48000, 0.0), (44100, 0.0), (22050, 0.05), (16000, 0.09), (8000, 0.22)],
)
def test_level_at_a_rate_differs_as_expected(rate: int, decibels: float) -> None:
    assert response(rate, [100.0])[0] - response(48000, [100.0])[0] == pytest.approx(decibels, abs=0.005)


@pytest.mark.parametrize("rate", RATES)
def test_full_scale_in_one_front_channel_is_minus_3_01(rate: int) -> None:
    # BS.1770-4, annex 1, and what it is there for: "0 dB FS, 1 kHz (997 Hz to be exact)".
    powers = bs1770.step_powers(tone(2.0, rate, channels=1, frequency=997.0, dbfs=0.0), rate, (1.0,))
    assert bs1770.integrated_loudness(powers) == pytest.approx(-3.01, abs=0.05)


# Channels

LAYOUTS: Mapping[str, Mapping[str, float]] = {
    "mono": {"FC": 1.0},
    "stereo": {"FL": 1.0, "FR": 1.0},
    "3.0": {"FL": 1.0, "FR": 1.0, "FC": 1.0},
    "quad": {"FL": 1.0, "FR": 1.0, "BL": 1.41, "BR": 1.41},
    "5.0": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "BL": 1.41, "BR": 1.41},
    "5.0(side)": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "SL": 1.41, "SR": 1.41},
    "5.1": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "LFE": 0.0, "BL": 1.41, "BR": 1.41},
    "5.1(side)": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "LFE": 0.0, "SL": 1.41, "SR": 1.41},
    "6.1": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "LFE": 0.0, "BC": 1.0, "SL": 1.41, "SR": 1.41},
    "7.1": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "LFE": 0.0, "BL": 1.0, "BR": 1.0, "SL": 1.41, "SR": 1.41},
    "7.1(wide)": {"FL": 1.0, "FR": 1.0, "FC": 1.0, "LFE": 0.0, "BL": 1.41, "BR": 1.41, "FLC": 1.0, "FRC": 1.0},
    "two low-frequency channels": {"FL": 1.0, "FR": 1.0, "LFE": 0.0, "LFE2": 0.0},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_channel_counts_by_its_place(layout: str) -> None:
    weights = LAYOUTS[layout]
    wave = one_second(48000)
    for place, weight in enumerate(weights.values()):
        alone = np.zeros((len(wave), len(weights)), np.float32)
        alone[:, place] = wave
        powers = bs1770.step_powers(alone, 48000, bs1770.channel_weights(tuple(weights)))
        expected = -3.01 + 10 * math.log10(weight) if weight else bs1770.ABSOLUTE_GATE
        assert bs1770.integrated_loudness(powers) == pytest.approx(expected, abs=0.02)


def test_powers_of_channels_add_up() -> None:
    samples = np.random.default_rng(1).standard_normal((24000, 6)).astype(np.float32)
    weights = bs1770.channel_weights(tuple(LAYOUTS["5.1"]))
    alone = [bs1770.step_powers(samples[:, [place]], 48000, (weight,)) for place, weight in enumerate(weights)]
    assert bs1770.step_powers(samples, 48000, weights) == pytest.approx(np.sum(alone, axis=0), rel=1e-12)


# Gates and ranks, on step powers


@pytest.mark.parametrize(
    ("segments", "lufs"),
    [
        # Half of it 12.7 LU below the other: together they are 2.78 LU below the louder, and the gate 12.78 LU.
        pytest.param([(100, -20.0), (100, -32.7)], -22.78, id="inside the relative gate"),
        pytest.param([(100, -20.0), (100, -32.9)], -20.0, id="outside"),
        # Counted, what is below the absolute gate would take the relative one from -32.8 to -37.6 LUFS.
        pytest.param([(100, -20.0), (100, -34.0), (400, -70.1)], -20.0, id="the absolute gate is asked first"),
        pytest.param([(100, -69.9)], -69.9, id="just above the absolute gate"),
        pytest.param([(100, -70.1)], -70.0, id="just below the absolute gate"),
        pytest.param([(0.4, -20.0)], -20.0, id="one block"),
    ],
)
def test_gates_of_the_integrated_loudness(segments: Segments, lufs: float) -> None:
    assert bs1770.integrated_loudness(powers_of(*segments)) == pytest.approx(lufs, abs=0.05)


@pytest.mark.parametrize(
    ("segments", "lra"),
    [
        pytest.param([(100, -20.0), (100, -42.9)], 22.9, id="inside the relative gate"),
        pytest.param([(100, -20.0), (100, -43.1)], 0.0, id="outside"),
        pytest.param([(100, -50.0), (100, -69.9)], 19.9, id="above the absolute gate"),
        pytest.param([(100, -50.0), (100, -70.1)], 0.0, id="below the absolute gate"),
        pytest.param([(100, -70.1)], 0.0, id="nothing above the absolute gate"),
        pytest.param([(3, -20.0)], 0.0, id="one window"),
        pytest.param([(9, -30.0), (91, -20.0)], 0.0, id="less than a tenth is quieter"),
        pytest.param([(14, -30.0), (86, -20.0)], 10.0, id="more than a tenth is quieter"),
        pytest.param([(96, -30.0), (4, -20.0)], 0.0, id="less than a twentieth is louder"),
        pytest.param([(92, -30.0), (8, -20.0)], 10.0, id="more than a twentieth is louder"),
    ],
)
def test_gates_and_ranks_of_the_range(segments: Segments, lra: float) -> None:
    # Windows across the change fill the distance; how many are counted there decides the last tenths.
    assert bs1770.loudness_range(powers_of(*segments)) == pytest.approx(lra, abs=1.0)


def range_by_tech_3342(short_term: Sequence[float]) -> float:
    """The loudness range of short-term levels as Tech 3342 has it in MATLAB; round() there takes halves up."""
    gated = [level for level in short_term if level >= -70]
    mean = 10 * math.log10(math.fsum(10 ** (level / 10) for level in gated) / len(gated))
    kept = sorted(level for level in gated if level >= mean - 20)
    low, high = (kept[(2 * (len(kept) - 1) * percent + 100) // 200] for percent in (10, 95))
    return high - low


@st.composite
def step_powers(draw: st.DrawFn) -> NDArray[np.float64]:
    """Runs of steps of one level each, with at least one window above the absolute gate."""
    runs = draw(st.lists(st.tuples(st.integers(1, 80), st.integers(-900, 0)), max_size=12))
    runs.insert(draw(st.integers(0, len(runs))), (30, draw(st.integers(-699, 0))))
    # The odd 0.037 keeps plateaus off the absolute gate, at which the two documents differ (> and >=).
    return np.concatenate([powers_of((steps / 10, level / 10 + 0.037)) for steps, level in runs])


@given(step_powers())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_the_range_is_that_of_tech_3342_step_by_step(powers: NDArray[np.float64]) -> None:
    assert bs1770.loudness_range(powers) == pytest.approx(range_by_tech_3342(levels(powers, 30)), abs=1e-6)


# Random programmes

WHOLE_TENTHS = st.sampled_from((8000, 22050, 44100, 48000, 96000)) | st.integers(800, 5000).map(
    lambda tenth: tenth * 10
)
ANY_RATE = WHOLE_TENTHS | st.integers(8000, 50000) | st.just(11025)


@st.composite
def programmes(
    draw: st.DrawFn, rates: st.SearchStrategy[int], seconds: tuple[float, float], most_channels: int
) -> tuple[int, Samples]:
    """A rate, and noise whose level changes every half second, in channels that differ."""
    rate = draw(rates)
    channels = draw(st.integers(1, most_channels))
    # Lengths and levels come from the seed: drawn one by one, most would be the shortest and the simplest.
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    frames = math.ceil(random.uniform(*seconds) * rate)
    loudest, depth = random.uniform(-50, -10), random.uniform(0, 60)
    knots = np.arange(0, frames + rate, rate // 2)
    shape = 10 ** (random.uniform(loudest - depth, loudest, knots.size) / 20)
    noise = random.standard_normal((frames, channels)) * random.uniform(0.1, 1.0, channels)
    return rate, (noise * np.interp(np.arange(frames), knots, shape)[:, np.newaxis]).astype(np.float32)


# Where a step is no whole number of frames pyloudnorm cuts blocks a frame earlier, and a block in thousands falls on
# the other side of the gate.
@given(programmes(WHOLE_TENTHS, (0.4, 12.0), most_channels=5))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_loudness_is_that_of_pyloudnorm(programme: tuple[int, Samples]) -> None:
    rate, samples = programme
    powers = bs1770.step_powers(samples, rate, bs1770.channel_weights(FIVE[: samples.shape[1]]))
    # pyloudnorm measures a last block that the end cuts off, where BS.1770 drops it: so it is given whole steps.
    whole = samples[: bs1770.step_edge(len(powers), rate)].astype(np.float64)
    theirs = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(whole)
    # Nothing above the gate is minus infinity there.
    assert bs1770.integrated_loudness(powers) == pytest.approx(max(theirs, bs1770.ABSOLUTE_GATE), abs=0.01)


def short_term_levels(samples: Samples, rate: int) -> Iterator[float]:
    """The level of every window of 3 s, ten a second, by pyloudnorm's filters; front channels only."""
    weighted = samples.astype(np.float64)
    for stage in pyloudnorm.Meter(rate, filter_class="DeMan")._filters.values():
        weighted = np.stack([stage.apply_filter(channel) for channel in weighted.T], axis=1)
    squares = np.sum(weighted**2, axis=1)
    for tenth in range(len(samples)):
        first = math.floor(tenth * rate / 10 + 0.5)
        window = squares[first : first + 3 * rate]
        if len(window) < 3 * rate:
            return
        yield -0.691 + 10 * math.log10(np.mean(window) + 1e-30)


@given(programmes(ANY_RATE, (3.0, 20.0), most_channels=2))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_range_is_that_of_tech_3342(programme: tuple[int, Samples]) -> None:
    rate, samples = programme
    reference = list(short_term_levels(samples, rate))
    powers = bs1770.step_powers(samples, rate, STEREO[: samples.shape[1]])
    assert len(reference) == len(powers) - 29
    expected = range_by_tech_3342(reference) if max(reference) > bs1770.ABSOLUTE_GATE else 0.0
    assert bs1770.loudness_range(powers) == pytest.approx(expected, abs=0.01)


# Steps


@given(st.integers(0, 3_000_000), st.integers(8000, 192_000))
@settings(deadline=None, derandomize=True)
def test_steps_are_whole_and_do_not_drift(frames: int, rate: int) -> None:
    powers = bs1770.step_powers(np.zeros((frames, 1), np.float32), rate, (0.0,))
    edges = [bs1770.step_edge(step, rate) for step in range(len(powers) + 2)]
    assert edges[-2] <= frames < edges[-1]
    assert all(abs(10 * edge - step * rate) <= 5 for step, edge in enumerate(edges))


# Samples


def noise(frames: int, channels: int = 2, dbfs: float = -20.0) -> Samples:
    random = np.random.default_rng(7)
    return (random.standard_normal((frames, channels)) * 10 ** (dbfs / 20)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 192_000])
def test_the_signal_is_filtered_as_one_whatever_the_chunks(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = noise(3 * rate, 1)
    powers = bs1770.step_powers(samples, rate, (1.0,))
    for module in (bs1770, blockwise):
        monkeypatch.setattr(module, "CHUNK", 1 << 14)
    assert bs1770.step_powers(samples, rate, (1.0,)) == pytest.approx(powers, rel=1e-6)


@pytest.mark.parametrize("rate", EBU_RATES)
@pytest.mark.parametrize("offset", [0.5, -0.25])
def test_a_constant_offset_does_not_count(offset: float, rate: int) -> None:
    samples = tones(rate, [(10, -23)])
    powers = bs1770.step_powers(samples + np.float32(offset), rate, STEREO)
    assert powers[1:] == pytest.approx(bs1770.step_powers(samples, rate, STEREO)[1:], rel=1e-5)


def test_quiet_noise_on_an_offset_keeps_its_level() -> None:
    # The case in which `sosfilt` in 32 bits is off by 0.2 dB.
    quiet = noise(2 * 192_000, 1, dbfs=-60.0)
    # As float32 holds it beside the offset.
    quiet = (quiet + np.float32(0.5)) - np.float32(0.5)
    powers = bs1770.step_powers(quiet, 192_000, (1.0,))
    assert bs1770.step_powers(quiet + np.float32(0.5), 192_000, (1.0,))[2:] == pytest.approx(powers[2:], rel=1e-5)


@pytest.mark.parametrize("rate", [8000, 44100, 192_000])
def test_the_filter_never_falls_among_the_subnormal_numbers(rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Watched(blockwise.BlockFilter):
        def __call__(self, samples: NDArray[np.float32], offset: float = 0.0, channel: int = 0) -> NDArray[np.float32]:
            filtered = super().__call__(samples, offset, channel)
            seen.extend([self._input.copy().ravel(), filtered[: len(samples)].copy()])
            return filtered

    monkeypatch.setattr(bs1770, "BlockFilter", Watched)
    samples = np.zeros((rate * 6, 1), np.float32)
    samples[: rate // 10] = noise(rate // 10, 1)
    samples[rate * 3 :] = noise(rate * 3, 1) * np.float32(1e-40)
    powers = bs1770.step_powers(samples, rate, (1.0,))
    reached = np.abs(np.concatenate(seen))
    assert np.all((reached == 0) | (reached >= np.finfo(np.float32).tiny))
    assert np.all(powers[20:] < 1e-20)


@pytest.mark.parametrize("silence", [3.0, 60.0])
def test_silence_after_sound_changes_nothing(silence: float) -> None:
    sound = noise(5 * 44100)
    silent = np.zeros((round(silence * 44100), 2), np.float32)
    powers = bs1770.step_powers(np.concatenate([sound, silent]), 44100, STEREO)
    assert np.all(np.isfinite(powers))
    assert powers[:50].tolist() == bs1770.step_powers(sound, 44100, STEREO).tolist()
    # Blocks across the end count as far as they are above the gate: of 3 s, and of a minute, the same.
    assert bs1770.integrated_loudness(powers) == bs1770.integrated_loudness(powers[:60])
    assert bs1770.loudness_range(powers) == bs1770.loudness_range(powers[:80])


STRIDES = [
    pytest.param(np.asfortranarray, id="channel by channel"),
    pytest.param(lambda samples: np.repeat(samples, 2, axis=0)[::2], id="every second frame"),
    pytest.param(lambda samples: np.repeat(samples, 3, axis=1)[:, ::3], id="every third channel"),
    pytest.param(lambda samples: samples[::-1].copy()[::-1], id="backwards"),
    pytest.param(lambda samples: np.ascontiguousarray(samples.T).T, id="transposed"),
    pytest.param(lambda samples: np.pad(samples, ((9, 7), (1, 2)))[9:-7, 1:-2], id="a part of more"),
]


@pytest.mark.parametrize("strided", STRIDES)
def test_samples_may_lie_in_memory_as_they_like(strided: Callable[[Samples], Samples]) -> None:
    samples = noise(44100)
    as_they_like = strided(samples)
    assert as_they_like.tolist() == samples.tolist()
    powers = bs1770.step_powers(as_they_like, 44100, STEREO)
    assert powers.tolist() == bs1770.step_powers(samples, 44100, STEREO).tolist()


def test_samples_are_only_read() -> None:
    samples = noise(44100)
    before = samples.copy()
    samples.flags.writeable = False
    bs1770.step_powers(samples, 44100, STEREO)
    assert samples.tolist() == before.tolist()


def test_powers_are_only_read() -> None:
    powers = powers_of((10, -20.0), (10, -30.0), (10, -25.0))
    before = powers.copy()
    powers.flags.writeable = False
    bs1770.integrated_loudness(powers)
    bs1770.loudness_range(powers)
    assert powers.tolist() == before.tolist()
