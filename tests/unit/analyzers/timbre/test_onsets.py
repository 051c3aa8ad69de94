"""Onsets where sounds begin, and the corrections one by one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.timbre import onsets
from audiobatch_analyzers.timbre.envelopes import peak_envelope
from audiobatch_analyzers.timbre.onsets import (
    StrengthMeter,
    begun_onsets,
    blocks,
    frame_count,
    onset_strength,
    picked_onsets,
    transform,
)
from support.timbre_signals import noise

Array = NDArray[np.float64]


def bursts(*starts: int, length: int = 88200) -> Array:
    """Noise that begins at these samples and decays."""
    signal = np.zeros(length)
    for start in starts:
        rest = np.arange(length - start)
        signal[start:] += noise(length)[: length - start] * np.exp(-rest / 3000)
    return signal


def test_transform_is_that_of_the_padded_signal() -> None:
    signal = noise(5000)
    padded = np.concatenate([np.zeros(1024), signal, np.zeros(2048)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(2048) / 2048)
    for frame in range(frame_count(5000)):
        expected = np.fft.rfft(padded[frame * 512 : frame * 512 + 2048] * window)
        assert transform(signal, frame, frame + 1)[0] == pytest.approx(expected, abs=1e-9)


def test_zeros_before_are_as_if_they_were_there() -> None:
    signal = bursts(2000, 30000)
    assert onset_strength(signal, 4097) == pytest.approx(onset_strength(np.concatenate([np.zeros(4097), signal])))


@pytest.mark.parametrize("frames", [0, 1, 255, 256, 257, 600])
def test_blocks_cover_all_frames_once(frames: int) -> None:
    covered = [frame for first, end in blocks(frames) for frame in range(first, end)]
    assert covered == list(range(frames))


def test_strength_is_the_same_in_any_blocks() -> None:
    signal = bursts(5000, 40000)
    meter = StrengthMeter()
    for frame in range(frame_count(len(signal))):
        meter.add(transform(signal, frame, frame + 1))
    assert meter.strength() == pytest.approx(onset_strength(signal), abs=1e-9)


def test_strength_rises_where_a_sound_begins() -> None:
    strength = onset_strength(bursts(22050))
    assert abs(int(strength.argmax()) - 22050 // 512) <= 2
    assert not strength[:3].any()


@pytest.mark.parametrize("strength", [np.zeros(100), np.ones(100)])
def test_nothing_is_picked_where_nothing_rises(strength: Array) -> None:
    assert picked_onsets(strength) == []


def test_picks_go_back_to_the_minimum_before_them() -> None:
    strength = np.full(60, 0.1)
    strength[20:24] = [0.0, 0.3, 0.9, 0.2]
    assert picked_onsets(strength) == [20 * 512]


def begun(signal: Array, least: int = 512) -> list[int]:
    return begun_onsets(peak_envelope(signal, 0.1), onset_strength(signal), least)


@pytest.mark.parametrize(
    ("starts", "expected"),
    [
        ([9000, 30000, 55000], [0, 28908, 51708]),
        ([20000, 22000, 60000], [0, 49580]),
        ([20000], [0]),
        ([20000, 87900], [0, 82066]),
    ],
)
def test_beginnings_are_the_reference_s(starts: list[int], expected: list[int]) -> None:
    # Over digital silence the walk back goes on to the end of the decay before: so does `calculate_onsets`.
    assert begun(bursts(*starts)) == expected


def test_a_steady_noise_begins_at_0() -> None:
    assert begun(noise(88200)) == [0]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], []),
        ([5], [5]),
        ([0, 4000, 8000], [0]),
        ([0, 4000, 8500], [0, 8500]),
        ([0, 4409, 4411], [0]),
        ([0, 4410, 8820], [0, 4410, 8820]),
    ],
)
def test_spacing_is_at_least_100_ms(given: list[int], kept: list[int]) -> None:
    assert onsets._apart(given) == kept


def test_onsets_without_a_rise_are_noise() -> None:
    envelope = np.concatenate([np.linspace(1, 0.9, 1000), np.linspace(0, 1, 1000), np.linspace(1, 0.95, 1000)])
    assert onsets._without_noise([0, 1000, 2000], envelope, 0.1) == [1000]


def test_onsets_without_strength_are_none() -> None:
    strength = np.zeros(40)
    strength[12] = 3.0
    assert onsets._strong([0, 5120, 10240], strength) == [5120]
    strength[12] = 2.99
    assert onsets._strong([0, 5120, 10240], strength) == []
