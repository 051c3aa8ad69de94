"""Levels of bands against formulas and against scipy's own filter."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from audiobatch_analyzers.bands import BandsAnalyzer
from audiobatch_analyzers.bands.analyzer import BANDS, _Levels
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, STEMS, BlockAnalyzer, Measurement, OptionError, Options, Settings, Stream
from support import feeding
from support.audio_files import PLACES, Samples, music, tone
from support.measurements import number

NAMES = [f"rms_energy_{band}" for band in BANDS]


def measured(samples: Samples, rate: int = 44100, block: int = 1 << 16) -> Measurement:
    audio = Decoded(FULL_MIX, samples.copy(), rate, PLACES[samples.shape[1]])
    return feeding.measured(BandsAnalyzer(Settings()), audio, block)


def levels(samples: Samples, rate: int = 44100, block: int = 1 << 16) -> dict[str, float]:
    """Levels by band."""
    return {
        name.removeprefix("rms_energy_"): number(value) for name, value in measured(samples, rate, block).values.items()
    }


def alone(wave: NDArray[np.float64]) -> Samples:
    return wave.astype(np.float32)[:, np.newaxis]


def by_scipy(samples: Samples, rate: int) -> dict[str, float]:
    mono = samples.mean(axis=1, dtype=np.float64)
    found = {}
    for band, (low, high) in BANDS.items():
        sections = butter(5, [low, min(high, 0.999 * rate / 2)], "band", fs=rate, output="sos")
        found[band] = 10 * math.log10(np.mean(sosfilt(sections, mono) ** 2))
    return found


def through(band: str, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Power that an analog Butterworth band-pass of order 5 lets through."""
    low, high = BANDS[band]
    return 1 / (1 + ((frequency**2 - low * high) / ((high - low) * frequency)) ** 10)


# Formulas


@pytest.mark.parametrize(("frequency", "band"), [(50.0, "bass"), (270.0, "body"), (1200.0, "mid"), (8000.0, "air")])
def test_tone_has_its_level_in_its_band_alone(frequency: float, band: str) -> None:
    found = levels(tone(4.0, frequency=frequency, dbfs=-20.0))
    assert found[band] == pytest.approx(-20.0 - 3.01, abs=0.05)
    assert all(found[other] < -40.0 for other in found if other != band)


@pytest.mark.parametrize(("low", "high"), [("bass", "body"), ("body", "mid"), ("mid", "air")])
def test_tone_at_an_edge_is_3_db_down_on_both_sides(low: str, high: str) -> None:
    found = levels(tone(8.0, frequency=BANDS[low][1], dbfs=0.0))
    assert found[low] == pytest.approx(-6.02, abs=0.05)
    assert found[high] == pytest.approx(-6.02, abs=0.05)


def test_sweep_spends_equal_time_in_every_octave() -> None:
    seconds, first, last = 12.0, 10.0, 20_000.0
    time = np.arange(round(seconds * 44100)) / 44100
    octaves = math.log(last / first)
    sweep = np.sin(2 * np.pi * first * seconds / octaves * (np.exp(time * octaves / seconds) - 1))
    found = levels(alone(sweep))
    frequencies = np.geomspace(first, last, 20_000)
    for band in BANDS:
        # Near half the rate the bilinear transform makes the upper side of "air" steeper than the analog filter's.
        expected = 10 * math.log10(0.5 * through(band, frequencies).mean())
        assert found[band] == pytest.approx(expected, abs=0.15 if band == "air" else 0.03), band


def test_impulse_has_the_energy_of_each_filter() -> None:
    impulse = np.zeros(44100)
    impulse[0] = 1.0
    found = levels(alone(impulse))
    # By Parseval's theorem: over all frequencies up to half the rate, spread over the samples of the file.
    frequencies = np.linspace(0.05, 22050.0, 441_000)
    for band in ("bass", "body", "mid"):
        expected = 10 * math.log10(through(band, frequencies).mean() / len(impulse))
        assert found[band] == pytest.approx(expected, abs=0.05), band


def test_square_at_full_scale_has_its_harmonics() -> None:
    time = np.arange(4 * 48000) / 48000
    found = levels(alone(np.sign(np.sin(2 * np.pi * 50.25 * time + 0.001))), 48000)
    # The fundamental of a square wave has an amplitude of 4 / pi.
    assert found["bass"] == pytest.approx(20 * math.log10(4 / math.pi) - 3.01, abs=0.1)
    assert sum(10 ** (level / 10) for level in found.values()) == pytest.approx(1.0, abs=0.05)


# Scipy


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 192_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_levels_are_those_of_scipy_s_filter(channels: int, rate: int) -> None:
    samples = music(1.5, rate, seed=3, channels=channels)
    assert levels(samples, rate) == pytest.approx(by_scipy(samples, rate), abs=0.0051)


def test_low_frequency_channel_is_left_out() -> None:
    samples = music(0.5, channels=6)
    louder = samples.copy()
    louder[:, 3] *= 100
    assert measured(louder) == measured(samples)


# Blocks


@given(st.lists(st.integers(1, 70_000), min_size=1, max_size=6), st.sampled_from((8000, 44100)))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_sizes_of_blocks_alter_no_bit(sizes: list[int], rate: int) -> None:
    samples = music(sum(sizes) / rate, rate, seed=1)
    expected = _exact(samples, [len(samples)], rate)
    assert _exact(samples, sizes, rate) == expected


def _exact(samples: Samples, sizes: list[int], rate: int) -> dict[str, float]:
    """Energies before they are rounded."""
    feed, place = _Levels(Stream(FULL_MIX, rate, PLACES[2], None)), 0
    for size in sizes:
        feed.feed(samples[place : place + size])
        place += size
    feed.finish()
    return feed._energies


@pytest.mark.parametrize("block", [1, 977])
def test_small_blocks_give_the_same_levels(block: int) -> None:
    samples = music(0.1, seed=5)
    assert measured(samples, block=block) == measured(samples)


# Silence and borders


@pytest.mark.parametrize("channels", PLACES)
def test_silence_has_no_levels(channels: int) -> None:
    assert measured(np.zeros((44100, channels), np.float32)) == Measurement({}, dict.fromkeys(NAMES, "silent"))


def test_opposite_channels_have_no_levels() -> None:
    samples = music(0.5)
    samples[:, 1] = -samples[:, 0]
    assert measured(samples) == Measurement({}, dict.fromkeys(NAMES, "its channels cancel each other"))


@pytest.mark.parametrize(("frames", "measurable"), [(0, False), (1, False), (2204, False), (2205, True)])
def test_shorter_than_50_ms_has_no_levels(frames: int, *, measurable: bool) -> None:
    found = measured(music(0.1)[:frames])
    assert set(found.unmeasurable.values()) == (set() if measurable else {"shorter than 0.05 s"})
    assert list(found.values or found.unmeasurable) == NAMES


def test_faintest_level_that_is_told() -> None:
    found = measured(tone(2.0, frequency=1200.0, dbfs=-136.0))
    assert found.values["rms_energy_mid"] == pytest.approx(-139.01, abs=0.05)
    assert set(found.unmeasurable) == {"rms_energy_bass", "rms_energy_body", "rms_energy_air"}
    assert set(found.unmeasurable.values()) == {"below -140 dBFS"}
    assert not measured(tone(2.0, frequency=1200.0, dbfs=-138.0)).values


def test_band_above_half_the_rate_has_no_level() -> None:
    found = measured(tone(1.0, 4000, frequency=500.0), 4000)
    assert found.unmeasurable == {"rms_energy_air": "sampled at 4000 Hz"}


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e12])
def test_gain_moves_all_levels_alike(scale: float) -> None:
    samples = music(0.5, seed=7)
    moved = {band: level + 20 * math.log10(scale) for band, level in levels(samples).items()}
    assert levels(samples * np.float32(scale)) == pytest.approx(moved, abs=0.011)


def test_offset_is_removed() -> None:
    samples = music(2.0, seed=8)
    # The step at its beginning is sound.
    assert levels(samples + np.float32(0.01))["mid"] == pytest.approx(levels(samples)["mid"], abs=0.02)
    assert all(math.isfinite(level) for level in levels(np.full((44100, 2), 0.25, np.float32)).values())


def test_same_audio_has_the_same_levels_and_files_share_nothing() -> None:
    samples, other = music(0.5, seed=4), music(0.5, seed=5)
    first = measured(samples)
    assert measured(other) != first
    assert measured(samples) == first


# Names and options


def test_features_are_of_the_mix_alone() -> None:
    made = BandsAnalyzer(Settings())
    assert isinstance(made, BlockAnalyzer)
    assert [feature.name for feature in made.features(FULL_MIX)] == NAMES
    assert all(feature.unit == "dBFS" and feature.source for feature in made.features(FULL_MIX))
    assert not any(made.features(stem) for stem in STEMS)
    made.load()
    assert made.models == {}


def test_options_are_refused() -> None:
    with pytest.raises(OptionError):
        BandsAnalyzer(Settings(Options({"stems": True})))
