"""The five onset functions beside Essentia's own, frame by frame."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.rhythm.onset_functions import HOP, RATE, SIZE, OnsetDetector
from support.audio_files import music

pytestmark = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")

Array = NDArray[np.float32]

COARSE = ("complex", "rms", "melflux")
FINE = ("beat_emphasis", "infogain")


def bursts(seconds: float, before: float = 0.0) -> Array:
    """Silence, then a burst of noise every 400 ms that dies away to nothing."""
    random = np.random.default_rng(3)
    samples = np.zeros(round((seconds + before) * RATE), np.float32)
    shape = np.exp(-np.arange(8000) / 1000)
    for start in range(round(before * RATE), len(samples) - 8000, round(0.4 * RATE)):
        samples[start : start + 8000] = 0.4 * shape * random.standard_normal(8000)
    return samples


PROGRAMME = music(12.0)[:, 0].copy()
SIGNALS = {
    "a programme": PROGRAMME,
    "bursts behind silence": bursts(8.0, before=2.0),
    "one that begins loud": PROGRAMME[4 * RATE :],
    "frames to the last sample": PROGRAMME[: SIZE + 800 * HOP],
    "and an odd number of them": PROGRAMME[: SIZE + 801 * HOP],
    "a sample more": PROGRAMME[: SIZE + 800 * HOP + 1],
    "seven seconds": PROGRAMME[: 7 * RATE],
    "a whisper": PROGRAMME * np.float32(1e-4),
    "far above full scale": PROGRAMME * np.float32(1e6),
}


@cache
def detector() -> OnsetDetector:
    return OnsetDetector(essentia.standard())


def theirs(samples: Array) -> dict[str, Array]:
    """Essentia's functions, made of its own building blocks with the settings of its beat tracker."""
    standard = essentia.standard()
    cut = standard.FrameCutter(frameSize=SIZE, hopSize=2 * HOP, startFromZero=True)
    window, transform = standard.Windowing(size=SIZE, type="hann"), standard.FFT(size=SIZE)
    polar = standard.CartesianToPolar()
    functions = {name: standard.OnsetDetection(method=name, sampleRate=RATE) for name in COARSE}
    found: dict[str, list[float]] = {name: [] for name in COARSE}
    while len(frame := cut(samples)):
        magnitudes, phases = polar(transform(window(frame)))
        for name, function in functions.items():
            found[name].append(function(magnitudes, phases))
    return {name: np.array(values, np.float32) for name, values in found.items()} | {
        name: standard.OnsetDetectionGlobal(method=name, frameSize=SIZE, hopSize=HOP, sampleRate=RATE)(samples)
        for name in FINE
    }


@pytest.mark.parametrize("samples", SIGNALS.values(), ids=SIGNALS)
def test_functions_are_essentias_but_for_rounding(samples: Array) -> None:
    ours = detector()(samples)
    for name, expected in theirs(samples).items():
        found = getattr(ours, name)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 3e-5 * expected.max(), name


@pytest.mark.parametrize("length", [1, HOP, SIZE - 1, SIZE, SIZE + 1, SIZE + HOP + 1, 3 * SIZE])
@pytest.mark.parametrize("level", [0.0, 0.5, 1e12])
def test_functions_of_a_few_frames_are_finite(length: int, level: float) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = detector()(PROGRAMME[:length] * np.float32(level))
    for name in COARSE + FINE:
        values = getattr(found, name)
        assert len(values) == max(0, -(-(length - SIZE) // (HOP if name in FINE else 2 * HOP))) + 1
        assert np.isfinite(values).all()
        assert (values >= 0.0).all()


def test_silence_begins_nothing() -> None:
    found = detector()(np.zeros(10 * RATE, np.float32))
    assert not any(getattr(found, name).any() for name in COARSE + FINE)
