"""Envelopes against their definition, a sample at a time."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.timbre import envelopes
from audiobatch_analyzers.timbre.envelopes import peak_envelope, rms_envelope
from support.timbre_signals import noise


def test_a_peak_is_held_for_10_ms_and_falls_in_a_line() -> None:
    signal = np.zeros(44100)
    signal[100] = -0.8
    found = peak_envelope(signal, 0.1)
    assert not found[:100].any()
    assert (found[100 : 100 + 442] == 0.8).all()
    falling = found[100 + 441 : 100 + 441 + 4410]
    assert np.diff(falling) == pytest.approx(-0.8 / 4410)
    assert not found[100 + 442 + 4410 :].any()


def test_following_the_signal_down_is_no_new_hold() -> None:
    signal = np.concatenate([[1.0], np.zeros(441), np.linspace(0.9999, 0.5, 5000)])
    found = peak_envelope(signal, 0.1)
    assert found[442 + 1000] == pytest.approx(max(signal[442 + 1000], 1 - 1001 / 4410))


def test_zeros_before_it_change_nothing_behind() -> None:
    signal = noise(30000)
    plain, led = peak_envelope(signal, 0.2), peak_envelope(signal, 0.2, 4097)
    assert not led[:4097].any()
    assert np.array_equal(led[4097:], plain)


def test_blocks_are_not_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = noise(30000) * np.linspace(1, 0, 30000)
    whole = peak_envelope(signal, 0.1)
    monkeypatch.setattr(envelopes, "_CHUNK", 777)
    assert np.array_equal(peak_envelope(signal, 0.1), whole)


@pytest.mark.parametrize("length", [256, 257, 1000, 44100])
def test_rms_is_that_of_each_block_over_the_largest(length: int) -> None:
    signal = noise(length) * np.linspace(0.1, 1, length)
    expected = [np.sqrt(np.mean(signal[start : start + 256] ** 2)) for start in range(0, length, 256)]
    assert rms_envelope(signal) == pytest.approx(np.array(expected) / max(expected))
