"""The analyzer `timbre`: the eight scores of the mix, and of the stems that the configuration names.

Owns the features' names, the span that is analysed, what is refused, and how values are rounded.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness.silence import CANCELLED, SILENT
from audiobatch_analyzers.timbre.programme import ABSOLUTE_GATE, SHORTEST, SUMMED, middle, programme
from audiobatch_analyzers.timbre.scores import NAMES, metrics_of, scores_of
from audiobatchd.plugin_api import (
    FULL_MIX,
    NATIVE,
    STEMS,
    Audio,
    Cost,
    Feature,
    Measurement,
    Settings,
    Stream,
    View,
    feature_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 4

LONGEST = 300.0
"""In seconds: of anything longer the middle is analysed, unless the configuration says otherwise."""

SHORTEST_EXCERPT = 1.0

_BYTES_A_SECOND = 2 << 20

SPAN = "span"
"""The name of the span in the provenance."""

BEHIND = f"silent in its first {SUMMED} channels"
GATED = f"nowhere above {ABSOLUTE_GATE:g} LUFS"
_DESCRIPTIONS = {
    "brightness": "How much of its energy lies high",
    "roughness": "How much its partials beat against each other",
    "hardness": "How hard and fast its sounds begin",
    "depth": "How much it is felt to reach down",
    "booming": "How much its low end resonates",
    "reverberation": "How likely listeners call it reverberant",
    "sharpness": "How piercing its high end is",
    "warmth": "How warm its low middle is against its high end",
}
_SOURCE = "Audio Commons timbral models 0.4 (D5.8)"


class TimbreAnalyzer:
    """Measures the timbral scores of the Audio Commons project.

    Options: `excerpt`, how many seconds at the middle of a file are analysed (all of it, but at most 300 s, where it is
    not set); `stems`, of which stems the scores are wanted too. Scores are rounded to 0.0001 and not clamped: a few
    sounds lie below 0 or above 100.
    """

    name: str = "timbre"
    version: int = 1
    cost: Cost = Cost.HEAVY
    binding: frozenset[str] = frozenset({SPAN})

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        self._longest = options.number("excerpt", least=SHORTEST_EXCERPT)
        self._roles = (FULL_MIX, *options.choices("stems", STEMS, ()))
        options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """The span that is analysed."""
        return {SPAN: f"middle {LONGEST if self._longest is None else self._longest:g} s"}

    def features(self, role: str) -> tuple[Feature, ...]:
        """The eight scores; of a stem `brightness_<stem>` and so on where it is named in the configuration."""
        if role not in self._roles:
            return ()
        return tuple(
            Feature(feature_name(name, role), "", _DESCRIPTIONS[name], "usually 0 to 100", _SOURCE) for name in NAMES
        )

    def views(self, role: str) -> tuple[View, ...]:
        """All channels at the file's own rate: only the span is resampled."""
        return (NATIVE,) if role in self._roles else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:  # noqa: ARG002  # three channels at most
        """Bytes that the scores take of the span, whatever the file's length: measured at up to 1.6 MiB a second."""
        return _BYTES_A_SECOND * min(seconds, self._longest or LONGEST)

    def load(self) -> None:
        """Load nothing more: the libraries came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure the eight; none where the span is too short, silent, or nowhere above the gate of loudness."""
        samples = audio.view()
        span = middle(len(samples), audio.rate, self._longest or LONGEST)
        samples = samples[span]
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
