"""Rhythms computed by hand: what lies on the beat, how intervals vary, how dense onsets are."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from audiobatch_analyzers.syncopation.measures import densities, intervals, on_beat


def times(*seconds: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(seconds, np.float64)


@pytest.mark.parametrize(
    ("onsets", "beats", "expected"),
    [
        pytest.param(times(0, 1, 2, 3), times(0, 1, 2, 3), [True] * 4, id="on every beat"),
        pytest.param(times(0.5, 1.5), times(0, 1, 2), [False] * 2, id="between beats"),
        pytest.param(times(0.9301, 1.0699), times(1), [True] * 2, id="69.9 ms away"),
        pytest.param(times(0.9299, 1.0701), times(1), [False] * 2, id="70.1 ms away"),
        pytest.param(times(0.0, 9.0), times(4, 5), [False] * 2, id="before the first and behind the last"),
        pytest.param(times(3.95, 5.05), times(4, 5), [True] * 2, id="a little before the first and behind the last"),
        pytest.param(times(1.0), times(0.9, 1.05), [True], id="the later beat is nearer"),
        pytest.param(times(1.0), times(0.95, 1.1), [True], id="the earlier beat is nearer"),
    ],
)
def test_onsets_near_a_beat_are_on_it(
    onsets: np.ndarray[tuple[int], np.dtype[np.float64]],
    beats: np.ndarray[tuple[int], np.dtype[np.float64]],
    expected: list[bool],
) -> None:
    assert on_beat(onsets, beats).tolist() == expected


def entropy(*counts: int) -> float:
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)


@pytest.mark.parametrize(
    ("onsets", "mean", "deviation", "disorder"),
    [
        pytest.param(times(0, 1, 2, 3, 4), 1.0, 0.0, 0.0, id="a metronome"),
        # Rounding of times to microseconds is no rhythm.
        pytest.param(times(0.0, 0.499229, 0.998458, 1.497688), 0.499229, 5e-7, 0.0, id="a metronome, rounded"),
        pytest.param(times(0, 1, 3, 4, 6), 1.5, 0.5, entropy(2, 2), id="a swing of 1 to 2"),
        pytest.param(times(0, 1, 2, 4), 4 / 3, math.sqrt(2) / 3, entropy(2, 1), id="one beat missing"),
        # The bins are a fiftieth of the span wide, 20 ms here.
        pytest.param(times(0, 1, 2.03, 4.03), 4.03 / 3, 0.464495, entropy(1, 1, 1), id="30 ms apart"),
        # 3 + 3 + 2 sixteenths of half a second, twice: the tresillo.
        pytest.param(times(0, 1.5, 3, 4, 5.5, 7, 8), 4 / 3, math.sqrt(2) / 6, entropy(4, 2), id="a tresillo"),
    ],
)
def test_intervals_of_rhythms(
    onsets: np.ndarray[tuple[int], np.dtype[np.float64]], mean: float, deviation: float, disorder: float
) -> None:
    found = intervals(onsets)
    assert found is not None
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert found.deviation == pytest.approx(deviation, abs=1e-6)
    assert found.evenness == pytest.approx(1 / (1 + deviation / mean), abs=1e-5)
    assert found.complexity == pytest.approx((disorder / 5 + deviation / mean / 2) / 2, abs=1e-5)


def test_neither_part_of_complexity_counts_above_1() -> None:
    # 30 intervals of 0.01 s and one of 100: a variation of 5.4.
    onsets = np.concatenate([np.arange(31) * 0.01, [100.3]])
    found = intervals(onsets)
    assert found is not None
    assert found.complexity == pytest.approx((entropy(30, 1) / 5 + 1) / 2)


@pytest.mark.parametrize("onsets", [times(), times(1), times(1, 2), times(1, 1, 1), times(0, 0, 5e-324)], ids=len)
def test_too_few_onsets_have_no_intervals(onsets: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    assert intervals(onsets) is None


@given(st.lists(st.floats(0.02, 10.0), min_size=2, max_size=40), st.floats(0.1, 10.0))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_complexity_and_evenness_are_0_to_1(between: list[float], tempo: float) -> None:
    onsets = np.cumsum([0.0, *between])
    found = intervals(onsets)
    assert found is not None
    assert 0.0 <= found.complexity <= 1.0
    assert 0.0 < found.evenness <= 1.0
    slower = intervals(onsets * tempo)
    assert slower is not None
    assert slower.evenness == pytest.approx(found.evenness, rel=1e-6)


@pytest.mark.parametrize(
    ("onsets", "duration", "expected"),
    [
        # One a second: 0 to 4, 2 to 6, 4 to 8, 6 to 8.
        pytest.param(times(*range(8)), 8.0, [1.0, 1.0, 1.0, 1.0], id="one a second"),
        pytest.param(times(0, 0.5, 1, 1.5), 8.0, [1.0, 0.0, 0.0, 0.0], id="all at the beginning"),
        pytest.param(times(2, 3), 5.0, [0.5, 2 / 3, 0.0], id="the last windows end with the file"),
        pytest.param(times(4), 8.0, [0.0, 0.25, 0.25, 0.0], id="a window ends before its end"),
        pytest.param(times(1), 2.0, [0.5], id="a file of half a window"),
        pytest.param(times(), 5.0, [0.0, 0.0, 0.0], id="no onsets"),
    ],
)
def test_densities_of_windows(
    onsets: np.ndarray[tuple[int], np.dtype[np.float64]], duration: float, expected: list[float]
) -> None:
    assert densities(onsets, duration) == pytest.approx(expected)
