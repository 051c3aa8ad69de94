"""Waveforms: the extremes of each column, by numpy of the samples, in whatever blocks they come."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiobatchd.worker.orders import COLUMNS, Waveform
from audiobatchd.worker.process.media import waveform
from audiobatchd.worker.process.media.waveform import WaveformReceiver
from support.audio_files import Samples, music


def taken(samples: Samples, rate: int, promised: float | None, block: int = 5000) -> Waveform:
    receiver = WaveformReceiver()
    receiver.begin(rate, ("FL", "FR"), promised)
    for start in range(0, len(samples), block):
        receiver.feed(samples[start : start + block])
    return receiver.waveform()


def test_extremes_are_those_of_numpy_in_each_column() -> None:
    samples = music(4.0, 8000)
    found = taken(samples, 8000, 4.0)
    assert found.seconds == pytest.approx(4.0)
    for column, part in enumerate(np.array_split(samples, COLUMNS)):
        assert found.low[column] == pytest.approx(part.min(), abs=1e-5)
        assert found.high[column] == pytest.approx(part.max(), abs=1e-5)


@pytest.mark.parametrize("promised", [None, 0.001, 3.7, 4000.0])
def test_wrong_promise_loses_no_extreme(promised: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform, "_MOST_BINS", 4001)
    samples = music(3.7, 8000)
    samples[11_111, 1], samples[-1, 0] = 0.99, -0.98
    found = taken(samples, 8000, promised, block=777)
    assert (min(found.low), max(found.high)) == pytest.approx((-0.98, 0.99), abs=1e-5)
    assert found.low[-1] == pytest.approx(-0.98, abs=1e-5)
    at = found.high.index(max(found.high)) / len(found.high) * found.seconds
    assert at == pytest.approx(11_111 / 8000, abs=found.seconds / len(found.high) + 0.01)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=300), st.integers(1, 50), st.floats(0, 100))
def test_any_file_keeps_its_extremes(numbers: list[float], block: int, promised: float) -> None:
    samples = np.array(numbers, np.float32)[:, None]
    found = taken(samples, 8000, promised, block)
    assert (min(found.low), max(found.high)) == pytest.approx((min(numbers), max(numbers)), abs=1e-5)
    assert len(found.low) == len(found.high) <= min(len(numbers), COLUMNS)
