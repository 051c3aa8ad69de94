"""The analyzer: names, what cannot be measured, silence, and the contract with the service."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.loudness import LoudnessAnalyzer, bs1770
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, BlockAnalyzer, Measurement, Settings, Stream
from support import feeding
from support.audio_files import PLACES, ROLES, Samples, music, tone
from support.measurements import number

RATES = (8000, 8001, 11025, 16000, 22050, 44100, 44101, 48000, 88200, 96000, 192_000)


def measured_of(track: Decoded) -> Measurement:
    return feeding.measured(LoudnessAnalyzer(Settings()), track)


def measured(samples: Samples, rate: int = 44100, role: str = FULL_MIX) -> Measurement:
    return measured_of(Decoded(role, samples, rate, PLACES[samples.shape[1]]))


def silence(frames: int, channels: int = 2) -> Samples:
    return np.zeros((frames, channels), np.float32)


# Names

NAMES = {
    FULL_MIX: {"lufs": "LUFS", "lra": "LU"},
    "drums": {"lufs_drums": "LUFS", "lra_drums": "LU"},
    "bass": {"lufs_bass": "LUFS", "lra_bass": "LU"},
    "other": {"lufs_other": "LUFS", "lra_other": "LU"},
    "vocals": {"lufs_vocals": "LUFS", "lra_vocals": "LU"},
}


@pytest.mark.parametrize("role", ROLES)
def test_features_and_their_units(role: str) -> None:
    features = LoudnessAnalyzer(Settings()).features(role)
    assert {feature.name: feature.unit for feature in features} == NAMES[role]
    assert all(feature.description for feature in features)


def test_analyzer_has_no_models() -> None:
    analyzer = LoudnessAnalyzer(Settings())
    assert isinstance(analyzer, BlockAnalyzer)
    assert (analyzer.name, analyzer.version) == ("loudness", 1)
    analyzer.load()
    assert analyzer.models == {}


# The contract

AUDIO: Mapping[str, Callable[[], tuple[Samples, int]]] = {
    "music": lambda: (music(4.0, seed=3), 44100),
    "mono": lambda: (music(4.0, seed=4, channels=1), 44100),
    "5.1": lambda: (music(4.0, seed=5, channels=6), 44100),
    "192 kHz": lambda: (music(4.0, 192_000, seed=6), 192_000),
    "silent": lambda: (silence(4 * 44100), 44100),
    "far above full scale": lambda: (music(4.0, seed=7) * np.float32(1e30), 44100),
    "barely not silent": lambda: (music(4.0, seed=8) * np.float32(1e-40), 44100),
    "shorter than 3 s": lambda: (music(2.0, seed=9), 44100),
    "shorter than 400 ms": lambda: (music(0.3, seed=10), 44100),
    "one frame": lambda: (music(4.0, seed=11)[:1], 44100),
    "empty": lambda: (silence(0), 44100),
    "4 kHz": lambda: (silence(5 * 4000), 4000),
}


@cache
def audio(kind: str) -> tuple[Samples, int]:
    return AUDIO[kind]()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", AUDIO)
def test_everything_promised_is_a_value_or_unmeasurable(kind: str, role: str) -> None:
    found = measured(*audio(kind), role)
    assert sorted([*found.values, *found.unmeasurable]) == sorted(NAMES[role])
    for value in found.values.values():
        assert type(value) is float
        assert math.isfinite(value)
        assert value == round(value, 2)
    assert all(found.unmeasurable.values())


def test_a_role_changes_names_and_nothing_else() -> None:
    values = [list(measured(*audio("music"), role).values.values()) for role in ROLES]
    assert values == [values[0]] * len(ROLES)


def test_same_audio_has_the_same_values() -> None:
    analyzer = LoudnessAnalyzer(Settings())
    track = Decoded(FULL_MIX, *audio("music"), PLACES[2])
    first = feeding.measured(analyzer, track)
    feeding.measured(analyzer, Decoded(FULL_MIX, *audio("5.1"), PLACES[6]))
    assert feeding.measured(analyzer, track) == first == measured_of(track)


BLOCKS = (1, 7, 4096, 65_535, 65_536, 65_537, 1 << 18)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("kind", ["music", "5.1", "192 kHz", "shorter than 3 s"])
def test_size_of_blocks_alters_no_bit(kind: str, block: int) -> None:
    samples, rate = audio(kind)
    if block < 100:
        samples = samples[: rate // 2]
    powers = bs1770.StepPowers(rate, bs1770.channel_weights(PLACES[samples.shape[1]]))
    for start in range(0, len(samples), block):
        powers.feed(samples[start : start + block])
    assert powers.finish().tobytes() == bs1770.step_powers(samples, rate, powers._weights).tobytes()
    track = Decoded(FULL_MIX, samples, rate, PLACES[samples.shape[1]])
    assert feeding.measured(LoudnessAnalyzer(Settings()), track, block) == measured_of(track)


@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=12), st.sampled_from((8000, 11025, 44101, 192_000)))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_blocks_of_mixed_sizes_alter_no_bit(sizes: list[int], rate: int) -> None:
    samples = np.random.default_rng(1).standard_normal((sum(sizes), 2)).astype(np.float32)
    powers, place = bs1770.StepPowers(rate, (1.0, 1.41)), 0
    for size in sizes:
        powers.feed(samples[place : place + size])
        place += size
    assert powers.finish().tobytes() == bs1770.step_powers(samples, rate, (1.0, 1.41)).tobytes()


def test_files_that_are_fed_in_turn_share_nothing() -> None:
    analyzer = LoudnessAnalyzer(Settings())
    samples = [music(4.0, seed=20), music(4.0, seed=21, channels=6)]
    feeds = [analyzer.begin(Stream(FULL_MIX, 44100, PLACES[each.shape[1]], None)) for each in samples]
    for start in range(0, 4 * 44100, 10_000):
        for feed, each in zip(feeds, samples, strict=True):
            feed.feed(each[start : start + 10_000])
    assert [feed.finish() for feed in feeds] == [measured(each) for each in samples]


# Values


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_at_every_rate(rate: int) -> None:
    # EBU Tech 3341, case 1.
    assert measured(tone(4.0, rate, dbfs=-23.0), rate).values == pytest.approx({"lufs": -23.0, "lra": 0.0}, abs=0.06)


@pytest.mark.parametrize(
    ("channels", "lufs"),
    [
        pytest.param(1, -23.01, id="mono: once, not twice"),
        pytest.param(2, -20.0, id="stereo"),
        # Three in front and 2 * 1.41.
        pytest.param(6, -15.36, id="5.1: the low-frequency channel left out"),
    ],
)
def test_same_tone_in_every_channel_adds_up(channels: int, lufs: float) -> None:
    values = measured(tone(4.0, 48000, channels, dbfs=-20.0), 48000).values
    assert values == pytest.approx({"lufs": lufs, "lra": 0.0}, abs=0.02)


def test_channels_go_by_their_names_not_by_their_order() -> None:
    samples = music(4.0, 48000, seed=12, channels=6)
    order = [5, 3, 0, 4, 2, 1]
    shuffled = Decoded(FULL_MIX, samples[:, order], 48000, tuple(PLACES[6][place] for place in order))
    assert measured_of(shuffled) == measured(samples, 48000)


@pytest.mark.parametrize("offset", [0.25, -0.5])
def test_a_tone_on_a_constant_offset(offset: float) -> None:
    samples = tone(20.0, dbfs=-23.0) + np.float32(offset)
    assert measured(samples).values == pytest.approx({"lufs": -23.0, "lra": 0.0}, abs=0.1)


@pytest.mark.parametrize("lufs", [-0.004, 0.004])
def test_zero_has_no_sign(lufs: float) -> None:
    samples = tone(4.0, 48000, dbfs=0.0)
    # Full scale is 0.0067 LUFS: the filter's gain at 1 kHz is 0.698 dB, and the offset that makes up for it -0.691.
    samples *= np.float32(10 ** ((lufs - 0.0067) / 20))
    values = measured(samples, 48000).values
    assert values == {"lufs": 0.0, "lra": 0.0}
    assert all(math.copysign(1.0, number(value)) == 1.0 for value in values.values())


# Silence


SILENT: Mapping[str, Callable[[], Samples]] = {
    "digital": lambda: silence(4 * 44100),
    "of negative zeros": lambda: -silence(4 * 44100),
    "mono": lambda: silence(4 * 44100, 1),
    "of subnormal numbers": lambda: music(4.0) * np.float32(1e-40),
    "a tone below the gate": lambda: tone(4.0, dbfs=-70.5),
    "but for the low-frequency channel": lambda: tone(4.0, channels=6) * np.array([0, 0, 0, 1, 0, 0], np.float32),
}


@pytest.mark.parametrize("kind", SILENT)
def test_a_silent_file_is_at_the_gate_and_has_no_range(kind: str) -> None:
    values = measured(SILENT[kind]()).values
    assert values == {"lufs": -70.0, "lra": 0.0}
    assert math.copysign(1.0, number(values["lra"])) == 1.0


def test_a_tone_just_above_the_gate_is_measured() -> None:
    assert measured(tone(4.0, dbfs=-69.5)).values == pytest.approx({"lufs": -69.5, "lra": 0.0}, abs=0.02)


def test_minutes_of_silence_after_sound() -> None:
    sound = music(10.0, seed=13)
    found = measured(np.concatenate([sound, silence(44100 * 120)])).values
    # Blocks and windows across the end are all that differs, of 3 s and of two minutes alike.
    assert found == measured(np.concatenate([sound, silence(44100 * 3)])).values


def test_sound_in_the_middle_of_silence() -> None:
    sound = tone(10.0, dbfs=-23.0)
    quiet = silence(44100 * 10)
    assert measured(np.concatenate([quiet, sound, quiet])).values["lufs"] == pytest.approx(-23.0, abs=0.15)


# Borders

TOO_SHORT = {"lufs": "shorter than one 400 ms block", "lra": "shorter than 3 s"}
TOO_SLOW = {"lufs": "sampled below 8 kHz", "lra": "sampled below 8 kHz"}


@pytest.mark.parametrize("rate", RATES)
def test_400_ms_are_a_block_and_one_frame_less_is_none(rate: int) -> None:
    # At 44,101 Hz they are 17,640.4 frames: to the nearest one.
    samples = tone(0.4, rate, dbfs=-23.0)
    assert measured(samples, rate).values == pytest.approx({"lufs": -23.0}, abs=0.1)
    assert measured(samples, rate).unmeasurable == {"lra": TOO_SHORT["lra"]}
    assert measured(samples[:-1], rate) == Measurement({}, TOO_SHORT)


@pytest.mark.parametrize("rate", RATES)
def test_3_s_are_a_window_and_one_frame_less_is_none(rate: int) -> None:
    samples = tone(3.0, rate, dbfs=-23.0)
    assert measured(samples, rate).values == pytest.approx({"lufs": -23.0, "lra": 0.0}, abs=0.06)
    shorter = measured(samples[:-1], rate)
    assert shorter.values == pytest.approx({"lufs": -23.0}, abs=0.06)
    assert shorter.unmeasurable == {"lra": TOO_SHORT["lra"]}


@pytest.mark.parametrize("frames", [0, 1, 4410, 17639])
def test_silence_can_be_too_short_as_well(frames: int) -> None:
    assert measured(silence(frames)) == Measurement({}, TOO_SHORT)


@pytest.mark.parametrize("rate", [7999, 4000, 1])
def test_rates_below_8_khz(rate: int) -> None:
    assert measured(silence(rate * 4), rate) == Measurement({}, TOO_SLOW)


@pytest.mark.parametrize("channels", [("LFE",), ("LFE", "LFE2")])
def test_low_frequency_channels_alone_have_no_loudness(channels: tuple[str, ...]) -> None:
    # BS.1770 gives them no weight: -70 LUFS would call a loud file silent.
    loud = Decoded(FULL_MIX, tone(4.0, channels=len(channels)), 44100, channels)
    reason = "holds low-frequency effects alone"
    assert measured_of(loud) == Measurement({}, {"lufs": reason, "lra": reason})


def test_channels_that_cancel_each_other_have_their_loudness() -> None:
    one, other = measured(tone(4.0)), measured(tone(4.0) * np.array([1, -1], np.float32))
    assert one == other


def test_a_stem_s_reasons_stand_under_its_own_names() -> None:
    found = measured(silence(100), role="drums")
    assert found == Measurement({}, {"lufs_drums": TOO_SHORT["lufs"], "lra_drums": TOO_SHORT["lra"]})


# Input


def test_the_samples_are_only_read() -> None:
    samples = music(4.0, seed=14)
    before = samples.copy()
    samples.flags.writeable = False
    measured(samples)
    assert samples.tobytes() == before.tobytes()


def test_samples_may_lie_in_memory_as_they_like() -> None:
    samples = music(4.0, seed=15)
    assert measured(np.asfortranarray(samples)) == measured(samples)
    assert measured(np.repeat(samples, 2, axis=0)[::2]) == measured(samples)
