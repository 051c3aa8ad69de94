"""The mix of blocks has the bits of a mono view, and says why it is silent."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.bands.downmix import Downmix
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, View
from support.audio_files import PLACES, Samples, music


@pytest.mark.parametrize("channels", [*PLACES.values(), ("LFE",), ("LFE", "LFE2")], ids="-".join)
def test_mix_has_the_bits_of_a_mono_view(channels: tuple[str, ...]) -> None:
    samples = music(0.2, channels=len(channels))
    mix = Downmix(channels)
    blocks = [mix(samples[start : start + 1000]) for start in range(0, len(samples), 1000)]
    expected = Decoded(FULL_MIX, samples.copy(), 44100, channels).view(View(mono=True))
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    assert not mix.why_silent()


def opposite() -> Samples:
    samples = music(0.1)
    samples[:, 1] = -samples[:, 0]
    return samples


def effects() -> Samples:
    samples = np.zeros((100, 6), np.float32)
    samples[50, 3] = 0.5
    return samples


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((100, 2), np.float32), "silent"),
        (opposite(), "its channels cancel each other"),
        (effects(), "silent but for low-frequency effects"),
    ],
    ids=["zeros", "opposite channels", "effects alone"],
)
def test_reasons_of_a_silent_mix(samples: Samples, reason: str) -> None:
    mix = Downmix(PLACES[samples.shape[1]])
    mix(samples[:60])
    mix(samples[60:])
    assert mix.why_silent() == reason


def test_one_sample_at_the_end_is_not_silence() -> None:
    mix = Downmix(PLACES[1])
    samples = np.zeros((100, 1), np.float32)
    mix(samples)
    samples[-1] = 1e-30
    mix(samples)
    assert mix.why_silent() == ""


def test_the_block_is_only_read() -> None:
    samples = music(0.1)
    before = samples.copy()
    Downmix(PLACES[2])(samples)
    np.testing.assert_array_equal(samples, before)
