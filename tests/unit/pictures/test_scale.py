"""Scales of pictures: places of numbers, and ticks that people would write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.pictures.scale import scale, told

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("low", "high", "about", "expected"),
    [
        (-23.4, -3.1, 5, [-20, -15, -10, -5]),
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (61, 187, 6, [80, 100, 120, 140, 160, 180]),
        (0, 3, 4, [0, 1, 2, 3]),
    ],
)
def test_ticks_are_round(low: float, high: float, about: int, expected: list[float]) -> None:
    assert scale(low, high, 0, 100).ticks(about) == pytest.approx(expected)


@given(FINITE, FINITE)
def test_numbers_between_the_bounds_are_in_the_picture(one: float, other: float) -> None:
    low, high = sorted((one, other))
    made = scale(low, high, 52, 472)
    for number in (low, high, *made.ticks(6)):
        assert 51.99 <= made(number) <= 472.01
    assert 2 <= len(made.ticks(6)) <= 13


def test_only_number_stands_in_the_middle() -> None:
    assert scale(5, 5, 0, 100)(5) == 50
    assert scale(0, 0, 0, 100)(0) == 50


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.30000000000000004, "0.3"), (12345.6, "12,346"), (-14.0, "-14"), (0.0012, "0.0012"), (-1.7e308, "-1.7e+308")],
)
def test_numbers_are_short(number: float, text: str) -> None:
    assert told(number) == text
