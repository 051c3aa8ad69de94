"""False stereo, held against Essentia's detector and against channels whose difference is known."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.quality.pieces import FRAMES
from audiobatch_analyzers.quality.stereo import FalseStereo
from support.audio_files import Samples, music, quantized

MONO = music(2.0, channels=1)[:, 0]
OTHER = music(2.0, seed=5, channels=1)[:, 0]


def pieces(samples: Samples) -> list[Samples]:
    return [samples[start : start + FRAMES] for start in range(0, len(samples) - FRAMES + 1, FRAMES)]


def is_false(samples: Samples) -> bool | None:
    stereo = FalseStereo()
    for piece in pieces(samples):
        wide = piece.T.astype(np.float64)
        stereo.add(wide, np.mean(wide * wide, axis=1))
    return stereo.finish()


def beside(difference: float) -> Samples:
    """Two channels of equal power whose difference lies so many dB below them."""
    gain = np.float32(10 ** (difference / 20) * np.std(MONO) / np.std(OTHER))
    return np.stack([MONO, MONO + gain * OTHER], axis=1) * np.float32(0.5)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        pytest.param(np.stack([MONO, MONO], axis=1), True, id="the same"),
        pytest.param(np.stack([MONO, MONO * np.float32(0.1)], axis=1), True, id="panned"),
        pytest.param(quantized(np.stack([MONO, MONO * np.float32(0.7)], axis=1), 16), True, id="rounded"),
        pytest.param(beside(-50.0), True, id="50 dB apart"),
        pytest.param(beside(-20.0), False, id="20 dB apart"),
        pytest.param(np.stack([MONO, OTHER], axis=1), False, id="two signals"),
        pytest.param(np.stack([MONO, -MONO], axis=1), False, id="one turned over"),
        pytest.param(np.stack([MONO, MONO * 0], axis=1), False, id="one silent"),
        pytest.param(np.zeros((2 * FRAMES, 2), np.float32), None, id="silent"),
        pytest.param(np.zeros((0, 2), np.float32), None, id="nothing"),
    ],
)
def test_false_stereo_of_known_channels(samples: Samples, expected: bool | None) -> None:
    assert is_false(samples) is expected


@pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")
@pytest.mark.parametrize("difference", [-45.0, -35.0, -25.0, -15.0])
def test_every_piece_is_judged_as_essentia_does(difference: float) -> None:
    detector = essentia.standard().FalseStereoDetector()
    for piece in pieces(beside(difference)):
        assert (is_false(piece) or False) == bool(detector(np.ascontiguousarray(piece))[0])


@pytest.mark.parametrize(("apart", "expected"), [(1, True), (3, False)])
def test_a_twentieth_of_the_pieces_may_differ(apart: int, expected: bool) -> None:
    samples = np.tile(np.stack([MONO[:FRAMES], MONO[:FRAMES]], axis=1), (30, 1))
    samples[: apart * FRAMES, 1] = np.tile(OTHER[:FRAMES], apart)
    assert is_false(samples) is expected
