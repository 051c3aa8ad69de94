"""Pieces: of equal length, in order, the same however the blocks were cut."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.quality.pieces import FRAMES, Pieces

SAMPLES = np.random.default_rng(1).standard_normal((3 * FRAMES + 77, 2)).astype(np.float32)


@pytest.mark.parametrize("size", [1000, FRAMES - 1, FRAMES, FRAMES + 1, 1 << 20])
def test_pieces_and_rest_are_the_samples_again(size: int) -> None:
    pieces = Pieces(2)
    blocks = [SAMPLES[start : start + size] for start in range(0, len(SAMPLES), size)]
    found = [piece.copy() for block in blocks for piece in pieces.feed(block)]
    assert [piece.shape for piece in found] == [(2, FRAMES)] * 3
    assert np.array_equal(np.concatenate([*found, pieces.rest()], axis=1), SAMPLES.T)


def test_nothing_fed_leaves_no_rest() -> None:
    assert Pieces(6).rest().shape == (6, 0)
