"""Waits between tries."""

from __future__ import annotations

import pytest

from audiobatchd.core.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    assert [Backoff(5.0, 60.0).wait(before) for before in range(7)] == [5, 10, 20, 40, 60, 60, 60]


@pytest.mark.parametrize("before", [10_000, 10**9])
def test_wait_after_very_many_tries_is_no_overflow(before: int) -> None:
    assert Backoff(1.0, 300.0).wait(before) == 300.0


def test_first_wait_is_never_longer_than_the_longest() -> None:
    assert Backoff(120.0, 60.0).wait(0) == 60.0
