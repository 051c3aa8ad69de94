"""Cut ends, held against Essentia's StartStopCut and against signals by formula."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.quality.ends import Ends
from support.audio_files import Samples, tone

RATE = 44100


def cuts(samples: Samples, rate: int = RATE, block: int = 1000) -> tuple[bool, bool] | None:
    ends = Ends(rate, samples.shape[1])
    for start in range(0, len(samples), block):
        ends.feed(samples[start : start + block])
    return ends.finish()


def faded(start: float, end: float, rate: int = RATE) -> Samples:
    """A tone whose first and last 20 ms are so many dB down."""
    samples = tone(0.5, rate, dbfs=-6.0)
    frames = round(0.02 * rate)
    samples[:frames] *= 10 ** (start / 20)
    samples[-frames:] *= 10 ** (end / 20)
    return samples


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 0, (True, True)), (0, -80, (True, False)), (-80, 0, (False, True)), (-80, -80, (False, False))],
)
def test_a_tone_at_full_swing_at_an_end_is_a_cut(
    start: float, end: float, expected: tuple[bool, bool], rate: int
) -> None:
    assert cuts(faded(start, end, rate), rate) == expected


@pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Essentia for this machine")
@pytest.mark.parametrize("seed", range(12))
def test_mono_at_44100_hz_equals_essentia(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = random.standard_normal((3000, 1)).astype(np.float32)
    noise[:512] *= 10 ** (random.uniform(-66, -54) / 20)
    noise[512:-512] *= 0.1
    noise[-512:] *= 10 ** (random.uniform(-66, -54) / 20)
    assert cuts(noise) == tuple(map(bool, essentia.standard().StartStopCut()(noise[:, 0])))


def test_one_channel_that_is_cut_is_enough() -> None:
    samples = faded(-80, -80)
    samples[:400, 1] = 0.1
    # The channels' mean would hide it where they cancel each other.
    samples[:400, 0] = -0.1
    assert cuts(samples) == (True, False)


@pytest.mark.parametrize(("frames", "told"), [(0, False), (511, False), (512, True), (800, True)])
def test_a_file_shorter_than_an_end_has_none(frames: int, told: bool) -> None:
    assert (cuts(np.full((frames, 1), 0.5, np.float32)) is not None) is told


@pytest.mark.parametrize("block", [1, 511, 512, 513, 1 << 20])
def test_blocks_alter_nothing(block: int) -> None:
    assert cuts(faded(0, -80)[:2000], block=block) == (True, True)
    assert cuts(faded(-80, -80)[-2000:], block=block) == (True, False)
