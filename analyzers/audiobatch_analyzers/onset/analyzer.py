"""The analyzer `onset`: how many sounds begin in the mix, how clearly, and when.

Owns what of the onsets becomes a feature. How they are found is told by `envelope` and `picking`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness.silence import why_silent
from audiobatch_analyzers.onset.envelope import HOP, SIZE
from audiobatch_analyzers.onset.picking import detect
from audiobatchd.plugin_api import (
    FULL_MIX,
    Audio,
    Cost,
    Feature,
    Measurement,
    Settings,
    Stream,
    View,
    significant,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

COUNT = "onset_count"
DENSITY = "onset_density"
STRENGTH_MEAN = "onset_strength_mean"
STRENGTH_STD = "onset_strength_std"
TIMES = ".ONSETS"

MONO = View(mono=True)
"""At the file's own rate."""

TOO_SHORT = f"shorter than one frame of {SIZE} samples"
TOO_LOUD = "too loud for single precision"
NO_ONSETS = "no onsets"

_BYTES_A_FRAME = 600.0
_BYTES = float(10 << 20)
_SOURCE = "librosa 0.11 onset_detect; Böck et al. 2012"


class OnsetAnalyzer:
    """Measures onsets of the full mix as librosa 0.11 finds them by default, each put back to where its rise begins.

    Option: `onsets`, whether their times are written to `<folder name>.ONSETS`.
    """

    name: str = "onset"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        self._writes_times = settings.options.flag("onsets", default=True)
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the mix alone."""
        if role != FULL_MIX:
            return ()
        times = (Feature(TIMES, "s", "Times of the onsets, one a line", "0 to the length", _SOURCE),)
        return (
            Feature(COUNT, "onsets", "Number of onsets", "0 or more", _SOURCE),
            Feature(DENSITY, "1/s", "Onsets a second", "0 or more", _SOURCE),
            Feature(STRENGTH_MEAN, "dB", "Mean of the onset strength where onsets begin", "0 or more", _SOURCE),
            Feature(STRENGTH_STD, "dB", "Standard deviation of these strengths", "0 or more", _SOURCE),
            *(times if self._writes_times else ()),
        )

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at the file's own rate."""
        return (MONO,) if role == FULL_MIX else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:
        """Bytes that the levels of all frames take, and a batch of spectra."""
        return working_memory(stream, seconds)

    def load(self) -> None:
        """Load nothing: numpy came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure all of it; nothing where the file is silent or shorter than one frame."""
        names = [feature.name for feature in self.features(audio.role)]
        samples = audio.view(MONO)
        reason = why_without_onsets(audio, samples)
        onsets = None if reason else detect(samples, audio.rate)
        if onsets is None:
            return Measurement({}, dict.fromkeys(names, reason or TOO_LOUD))
        count = len(onsets.times)
        values: dict[str, float | int] = {COUNT: count, DENSITY: significant(count * audio.rate / len(samples))}
        unmeasurable = {}
        if count:
            strengths = onsets.strengths.astype(float)
            values |= {
                STRENGTH_MEAN: significant(float(strengths.mean())),
                STRENGTH_STD: significant(float(strengths.std())),
            }
        else:
            unmeasurable = dict.fromkeys((STRENGTH_MEAN, STRENGTH_STD), NO_ONSETS)
        files = {TIMES: "".join(f"{time:.6f}\n" for time in onsets.times)} if self._writes_times else {}
        return Measurement(values, unmeasurable, files)


def why_without_onsets(audio: Audio, samples: NDArray[np.float32]) -> str:
    """Say why none are to be looked for in `samples`, the mono view of `audio`; empty where they are."""
    return TOO_SHORT if len(samples) < SIZE else why_silent(audio, samples, audio.rate)


def working_memory(stream: Stream, seconds: float) -> float:
    """Bytes that finding the onsets of a file takes beside its view."""
    return _BYTES + _BYTES_A_FRAME * seconds * stream.rate / HOP
