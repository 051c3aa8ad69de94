"""The measurement of one file: the span that is analysed, what is refused, and how the scores are rounded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness.silence import CANCELLED, SILENT
from audiobatch_analyzers.timbre.programme import ABSOLUTE_GATE, SHORTEST, SUMMED, middle, programme
from audiobatch_analyzers.timbre.scores import NAMES, metrics_of, scores_of
from audiobatchd.plugin_api import Audio, Measurement, feature_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 4

BEHIND = f"silent in its first {SUMMED} channels"
GATED = f"nowhere above {ABSOLUTE_GATE:g} LUFS"


def measure(audio: Audio, longest: float) -> Measurement:
    """Measure the scores of the middle `longest` seconds of `audio`, or give the reason why there are none."""
    samples = audio.view()
    samples = samples[middle(len(samples), audio.rate, longest)]
    names = {name: feature_name(name, audio.role) for name in NAMES}
    if len(samples) < SHORTEST * audio.rate:
        return Measurement({}, dict.fromkeys(names.values(), f"shorter than {SHORTEST:g} s"))
    heard = programme(samples, audio.rate)
    if not math.isfinite(heard.loudness):
        return Measurement({}, dict.fromkeys(names.values(), _why_unheard(audio, samples)))
    scores, reasons = scores_of(metrics_of(heard))
    values = {names[name]: round(score, DECIMALS) + 0.0 for name, score in scores.items()}
    return Measurement(values, {names[name]: reason for name, reason in reasons.items()})


def _why_unheard(audio: Audio, samples: NDArray[np.float32]) -> str:
    """Say why the sum of the first channels of `samples` has no loudness."""
    if not samples.any():
        return SILENT
    if not samples[:, :SUMMED].any():
        return BEHIND
    loud = [power for power in audio.powers[:SUMMED] if power > 10.0 ** (ABSOLUTE_GATE / 10.0)]
    return CANCELLED if loud and len(audio.channels) > 1 else GATED
