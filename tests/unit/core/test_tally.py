"""Counts, rates and the time left."""

from __future__ import annotations

import pytest

from audiobatchd.core.tally import Tally


def test_rates_are_over_five_minutes_at_most() -> None:
    tally = Tally(1000.0)
    assert tally.rates(1000.0) == (0.0, 0.0)
    for second in range(10):
        tally.add(1000.0 + second, 30.0)
    assert tally.rates(1010.0) == (30.0, 1.0)
    assert tally.rates(1300.0) == pytest.approx((1.0, 1 / 30))
    assert tally.rates(1305.0)[1] == pytest.approx(5 / 300)
    assert tally.rates(1400.0) == (0.0, 0.0)
    assert (tally.success, tally.audio_seconds) == (10, 300.0)


def test_time_left_is_unknown_before_something_was_done() -> None:
    tally = Tally(0.0)
    assert tally.time_left(0, 10.0) == 0.0
    assert tally.time_left(5, 10.0) is None
    tally.add(5.0, 1.0)
    assert tally.time_left(5, 10.0) == pytest.approx(50.0)
