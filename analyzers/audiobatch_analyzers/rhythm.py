"""The analyzer `rhythm`: tempo and beats of the mix, by Essentia's RhythmExtractor2013.

Owns what of the extractor's answer becomes a feature, and what never reaches it: it finds a tempo, with confidence, in
silence too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers import essentia_library
from audiobatch_analyzers.silence import is_silent
from audiobatchd.plugin_api import FULL_MIX, Audio, Cost, Feature, Measurement, OptionError, Settings, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BPM = "bpm"
IS_DEFINED = "bpm_is_defined"
CONFIDENCE = "bpm_confidence"
BEAT_COUNT = "beat_count"
REGULARITY = "beat_regularity"
GRID = ".BEATS_GRID"

MULTIFEATURE, DEGARA = "multifeature", "degara"

RATE = 44100
"""In Hz: the only one that RhythmExtractor2013 is made for."""

SHORTEST = 3.0
"""In seconds. Below it there are too few beats to tell a tempo from chance."""

LEAST_CONFIDENCE = 1.0
"""Essentia calls less than that "very low"; the highest is 5.32."""

LEAST_REGULARITY = 0.8
"""What stands in for confidence with the method degara, which gives none."""

_LEAST_BEATS = 4
_OCTAVE = 2.0
_SOURCE = "Essentia RhythmExtractor2013"


class RhythmAnalyzer:
    """Measures tempo and beats of the full mix with RhythmExtractor2013.

    Options: `method`, "multifeature" (Zapata, Davies and Gomez 2014) or "degara" (Degara et al. 2012: a quarter of the
    cost, no confidence); `fold`, a span of BPM into which tempos are brought by octaves; `beats_grid`, whether the
    beats are written to `<folder name>.BEATS_GRID`.
    """

    name: str = "rhythm"
    version: int = 1
    cost: Cost = Cost.MEDIUM

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        self._method = options.choice("method", (MULTIFEATURE, DEGARA), MULTIFEATURE)
        self._fold = options.span("fold")
        self._grid = options.flag("beats_grid", default=False)
        options.close()
        if self._fold is not None and self._fold[1] < _OCTAVE * self._fold[0]:
            message = f"option `fold`: expected at least an octave, got {list(self._fold)}"
            raise OptionError(message)
        self._extract: Any = None

    @property
    def models(self) -> Mapping[str, str]:
        """The options that alter values."""
        fold = {} if self._fold is None else {"fold": f"{self._fold[0]:g}-{self._fold[1]:g}"}
        return {"RhythmExtractor2013": self._method, **fold}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Of the mix alone."""
        if role != FULL_MIX:
            return ()
        grid = (Feature(GRID, "s", "Times of the beats, one a line", "0 to the length", _SOURCE),)
        return (
            Feature(BPM, "BPM", "Tempo", "40 to 208, or as folded", _SOURCE),
            Feature(IS_DEFINED, "", "Whether the beats are steady enough for one tempo", "true or false", _SOURCE),
            Feature(CONFIDENCE, "", "Confidence of the beats (not with degara)", "0 to 5.32", _SOURCE),
            Feature(BEAT_COUNT, "beats", "Number of beats", "0 or more", _SOURCE),
            Feature(
                REGULARITY, "", "1 less the interquartile range of beat intervals over their median", "0 to 1", _SOURCE
            ),
            *(grid if self._grid else ()),
        )

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at 44.1 kHz."""
        return (View(RATE, mono=True),) if role == FULL_MIX else ()

    def load(self) -> None:
        """Import Essentia. Raises AnalyzerUnavailableError where it is not installed."""
        self._extract = essentia_library.standard().RhythmExtractor2013(method=self._method)

    def analyze(self, audio: Audio) -> Measurement:
        """Measure all of it; nothing where the file is shorter than 3 s or silent."""
        names = [feature.name for feature in self.features(audio.role)]
        if audio.duration < SHORTEST:
            return Measurement({}, dict.fromkeys(names, "shorter than 3 s"))
        samples = audio.view(View(RATE, mono=True))
        if is_silent(samples, RATE):
            return Measurement({}, dict.fromkeys(names, "silent"))
        bpm, beats, confidence, *_ = self._extract(samples)
        return self._measurement(float(bpm), np.asarray(beats, dtype=np.float64), float(confidence))

    def _measurement(self, bpm: float, beats: NDArray[np.float64], confidence: float) -> Measurement:
        if not (math.isfinite(bpm) and math.isfinite(confidence) and np.isfinite(beats).all()):
            message = f"RhythmExtractor2013 gave {bpm} BPM, {len(beats)} beats with confidence {confidence}"
            raise ValueError(message)
        values: dict[str, float | int | bool] = {BEAT_COUNT: len(beats)}
        unmeasurable: dict[str, str] = {}
        steadiness = regularity(beats) if len(beats) >= _LEAST_BEATS else None
        if bpm > 0.0 and steadiness is not None:
            certain = confidence >= LEAST_CONFIDENCE if self._has_confidence else steadiness >= LEAST_REGULARITY
            values |= {BPM: round(folded(bpm, self._fold), 2), IS_DEFINED: certain, REGULARITY: round(steadiness, 3)}
        else:
            unmeasurable |= dict.fromkeys((BPM, IS_DEFINED, REGULARITY), f"fewer than {_LEAST_BEATS} beats")
        if self._has_confidence:
            # Where most of a file is silence, Essentia's falls a little below the 0 that it starts from.
            values[CONFIDENCE] = round(max(0.0, confidence), 3)
        else:
            unmeasurable[CONFIDENCE] = "the method degara gives none"
        files = {GRID: "".join(f"{beat:.6f}\n" for beat in beats)} if self._grid else {}
        return Measurement(values, unmeasurable, files)

    @property
    def _has_confidence(self) -> bool:
        return self._method == MULTIFEATURE


def folded(bpm: float, span: tuple[float, float] | None) -> float:
    """`bpm`, which is positive, doubled or halved until it lies in `span`; as it is where there is none."""
    if span is None:
        return bpm
    low, high = span
    while bpm < low:
        bpm *= _OCTAVE
    while bpm > high:
        bpm /= _OCTAVE
    return bpm


def regularity(beats: NDArray[np.float64]) -> float:
    """How even the beats are: 1 less the interquartile range of their intervals over the median, not below 0.

    `beats` are their times in seconds, at least three and ascending. 1.0 is a metronome.
    """
    lower, median, upper = np.percentile(np.diff(beats), (25, 50, 75))
    return max(0.0, 1.0 - float((upper - lower) / median)) if median > 0.0 else 0.0
