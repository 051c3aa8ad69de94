"""Sums of files: sample by sample what numpy and soxr add up, however blocks, lengths and promises fall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from audiobatchd.audio import sums
from audiobatchd.audio.sums import Sum, Summed
from audiobatchd.plugin_api import View

MONO = View(8000, mono=True)
LOW = View(4000, mono=True)
Samples = NDArray[np.float32]


def noise(frames: int, channels: int = 1, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (frames, channels)).astype(np.float32)


def added(
    files: Sequence[tuple[int, Samples]],
    views: Sequence[View] = (MONO,),
    block: int = 1000,
    promised: float | None = None,
) -> Sum:
    """The sum of files with their rates, fed in blocks."""
    whole = Sum(views)
    for rate, samples in files:
        whole.begin(rate, ("FC",) if samples.shape[1] == 1 else ("FL", "FR"), promised)
        for start in range(0, len(samples), block):
            whole.feed(samples[start : start + block])
        whole.end()
    return whole


def expected(files: Sequence[tuple[int, Samples]], rate: int) -> NDArray[np.float64]:
    views = [
        samples.mean(axis=1) if own == rate else soxr.resample(samples.mean(axis=1), own, rate, "HQ")
        for own, samples in files
    ]
    total = np.zeros(max(map(len, views)))
    for view in views:
        total[: len(view)] += view
    return total


FILES = {
    "one rate": [(8000, noise(3000)), (8000, noise(5000, seed=1)), (8000, noise(4000, seed=2))],
    "other rates, stereo": [(11025, noise(9000, 2)), (8000, noise(5000, seed=1)), (22050, noise(2000, 2, 3))],
    "one file": [(16000, noise(7000))],
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "promised", [None, 0.1, 1000.0], ids=["no promise", "too short a promise", "too long a promise"]
)
def test_sum_is_what_numpy_and_soxr_add_up(name: str, promised: float | None) -> None:
    files = FILES[name]
    whole = added(files, (MONO, LOW), promised=promised)
    assert whole.rate == max(rate for rate, _ in files)
    assert whole.seconds == max(len(samples) / rate for rate, samples in files)
    views = whole.views()
    for view in (MONO, LOW):
        np.testing.assert_allclose(views[view], expected(files, view.rate or 0), atol=1e-6)


@pytest.mark.parametrize("name", FILES)
def test_how_files_are_cut_alters_no_bit(name: str) -> None:
    (first,), (second,) = (added(FILES[name], block=block).views().values() for block in (17, 5000))
    assert first.tobytes() == second.tobytes()


def test_sum_grows_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_PIECE", 700)
    monkeypatch.setattr(sums, "_SPARE", 10)
    files = FILES["one rate"]
    whole = added(files, promised=0.05)
    assert whole.held() == 5000 * 4
    np.testing.assert_allclose(whole.views()[MONO], expected(files, 8000), atol=1e-6)
    assert whole.views() == {}


def test_promise_of_more_than_a_machine_has_is_no_error() -> None:
    whole = added(FILES["one rate"], promised=1e14)
    np.testing.assert_allclose(whole.views()[MONO], expected(FILES["one rate"], 8000), atol=1e-6)


def test_views_that_nobody_reads_any_more_are_freed() -> None:
    whole = added(FILES["one rate"], (MONO, LOW))
    whole.keep((LOW,))
    assert whole.views().keys() == {LOW}


def test_power_is_that_of_the_sum_and_stays_when_its_view_is_gone() -> None:
    tone = np.sin(2 * np.pi * 100 * np.arange(8000) / 8000).astype(np.float32)
    audio = Summed("full_mix", {MONO: 2 * tone, LOW: np.zeros(4000, np.float32)}, 8000, 1.0)
    audio.turn((MONO,), (LOW,))
    assert not audio.view(MONO).flags.writeable
    audio.turn((LOW,), ())
    assert list(audio.powers) == [pytest.approx(2.0, rel=1e-3)]
    with pytest.raises(LookupError):
        audio.view(MONO)
    with pytest.raises(LookupError, match="no view"):
        Summed("full_mix", {}, 8000, 1.0).powers  # noqa: B018  # it is computed when it is asked for
