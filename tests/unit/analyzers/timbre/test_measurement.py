"""One file's timbre: the span that counts, and the reason for which there is none."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.loudness.silence import CANCELLED, SILENT
from audiobatch_analyzers.timbre.measurement import BEHIND, GATED, measure
from audiobatch_analyzers.timbre.scores import NAMES
from audiobatchd.audio.views import Decoded
from audiobatchd.plugin_api import FULL_MIX, Audio
from support.audio_files import Samples

RATE = 44100
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def audio(*channels: Samples) -> Audio:
    """A file of these channels, named from the left; a lone one stands in the middle."""
    names = SURROUND[: len(channels)] if len(channels) > 1 else ("FC",)
    return Decoded(FULL_MIX, np.stack(channels, axis=1).astype(np.float32), RATE, names)


LOUD: Samples = (0.1 * np.random.default_rng(5).standard_normal(2 * RATE)).astype(np.float32)
NOTHING: Samples = np.zeros_like(LOUD)


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        ((NOTHING, NOTHING), SILENT),
        ((NOTHING, NOTHING, NOTHING, LOUD), BEHIND),
        ((LOUD, -LOUD), CANCELLED),
        ((1e-5 * LOUD,), GATED),
    ],
    ids=["silent", "behind the first channels", "cancelled", "too soft"],
)
def test_what_cannot_be_heard_is_told_by_its_reason(channels: tuple[Samples, ...], reason: str) -> None:
    found = measure(audio(*channels), 30.0)
    assert not found.values
    assert set(found.unmeasurable) == set(NAMES)
    assert set(found.unmeasurable.values()) == {reason}


def test_only_the_middle_counts() -> None:
    """Else a long introduction would be all that is heard of a track."""
    quiet = np.concatenate([NOTHING, NOTHING, LOUD, NOTHING, NOTHING])
    assert measure(audio(quiet), 2.0).values == measure(audio(LOUD), 30.0).values != {}


def test_file_shorter_than_the_least_is_told() -> None:
    found = measure(audio(LOUD[: RATE // 100]), 30.0)
    assert not found.values
    assert all(reason.startswith("shorter than ") for reason in found.unmeasurable.values())
