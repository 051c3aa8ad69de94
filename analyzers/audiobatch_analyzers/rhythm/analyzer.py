"""The analyzer `rhythm`: tempo and beats of the mix, by Essentia's RhythmExtractor2013.

Owns what of the extractor's answer becomes a feature, and what never reaches it: it finds a tempo, with confidence, in
silence too. Whether there is a beat at all is `pulse`'s to say.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.loudness.silence import sounding_share, why_silent
from audiobatch_analyzers.rhythm.ties import draw_alike
from audiobatchd.plugin_api import FULL_MIX, Audio, Cost, Feature, Measurement, OptionError, Settings, Stream, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

BPM = "bpm"
BPM_ESSENTIA = "bpm_essentia"
IS_DEFINED = "bpm_is_defined"
CONFIDENCE = "bpm_confidence"
BEAT_COUNT = "beat_count"
REGULARITY = "beat_regularity"
STEADINESS = "beat_steadiness"
GRID = ".BEATS_GRID"

MULTIFEATURE, FAST, DEGARA = "multifeature", "multifeature-fast", "degara"

RATE = 44100
"""Sample rate in Hz: the only one that RhythmExtractor2013 is made for."""

SHORTEST = 3.0
"""Seconds below which there are too few beats to tell a tempo from chance."""

SLOWEST, FASTEST = 40.0, 208.0
"""Tempos in BPM between which RhythmExtractor2013 looks, and beyond which it goes at times."""

LEAST_CONFIDENCE = 1.0
"""Essentia calls less than that "very low"; the highest is 5.32. The method degara gives none."""

LEAST_STEADINESS = 0.8
"""The least `steadiness` of beats that have one tempo."""

LEAST_SOUNDING = 0.5
"""The least share of a file in which anything is to be heard: in silence beats are found as well."""

_LEAST_BEATS = 4
_OCTAVE = 2.0
_WORKING_MEMORY = 2.9
_SOURCE = "Essentia RhythmExtractor2013"
_NO_CONFIDENCE = "the method degara gives none"


class RhythmAnalyzer:
    """Measures tempo and beats of the full mix with RhythmExtractor2013.

    Options: `method`, "multifeature" (Zapata, Davies and Gomez 2014), "multifeature-fast" (the same to rounding, by
    `multifeature`, at a fifth of the cost) or "degara" (Degara et al. 2012: a quarter of the cost, no confidence);
    `fold`, a span of BPM into which `bpm` is brought by octaves; `beats_grid`, whether the beats are written to
    `<folder name>.BEATS_GRID`.
    """

    name: str = "rhythm"
    version: int = 3
    cost: Cost = Cost.MEDIUM

    def __init__(self, settings: Settings) -> None:
        options = settings.options
        self._method = options.choice("method", (MULTIFEATURE, FAST, DEGARA), MULTIFEATURE)
        self._fold = options.span("fold")
        self._grid = options.flag("beats_grid", default=True)
        options.close()
        if self._fold is not None and self._fold[1] < _OCTAVE * self._fold[0]:
            message = f"option `fold`: expected at least an octave, got {list(self._fold)}"
            raise OptionError(message)
        self._extract: Any = None
        self._is_clear: Callable[[NDArray[np.float32], int, float], bool] | None = None

    @property
    def models(self) -> Mapping[str, str]:
        """The options that alter values."""
        fold = {} if self._fold is None else {"fold": f"{self._fold[0]:g}-{self._fold[1]:g}"}
        return {"RhythmExtractor2013": self._method, **fold}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the mix alone."""
        if role != FULL_MIX:
            return ()
        grid = (Feature(GRID, "s", "Times of the beats, one a line", "0 to the length", _SOURCE),)
        return (
            Feature(BPM, "BPM", "Tempo", "40 to 208, or as folded", _SOURCE),
            Feature(BPM_ESSENTIA, "BPM", "Tempo as the extractor gives it, never folded", "40 to 208", _SOURCE),
            Feature(IS_DEFINED, "", "Whether there are beats, steady enough for one tempo", "0 or 1", _SOURCE),
            Feature(CONFIDENCE, "", "Confidence of the beats (not with degara)", "0 to 5.32", _SOURCE),
            Feature(BEAT_COUNT, "beats", "Number of beats", "0 or more", _SOURCE),
            Feature(REGULARITY, "s", "Standard deviation of the intervals between beats", "0 and above", _SOURCE),
            Feature(
                STEADINESS, "", "1 less the interquartile range of beat intervals over their median", "0 to 1", _SOURCE
            ),
            *(grid if self._grid else ()),
        )

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at 44.1 kHz."""
        return (View(RATE, mono=True),) if role == FULL_MIX else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:  # noqa: ARG002  # its view is always the same
        """Bytes that Essentia's beat tracker takes: measured at up to 2.8 times its samples, in steps."""
        return _WORKING_MEMORY * seconds * RATE * np.dtype(np.float32).itemsize

    def load(self) -> None:
        """Import Essentia. Raises AnalyzerUnavailableError where it is not installed."""
        # scipy.fft and scipy.ndimage, 0.2 CPU s: not for a worker of which other features are asked.
        from audiobatch_analyzers.rhythm.multifeature import BeatTracker  # noqa: PLC0415  # see above
        from audiobatch_analyzers.rhythm.pulse import is_clear  # noqa: PLC0415  # see above

        standard = essentia.standard()
        fast = self._method == FAST
        self._extract = BeatTracker(standard) if fast else standard.RhythmExtractor2013(method=self._method)
        self._is_clear = is_clear

    def analyze(self, audio: Audio) -> Measurement:
        """Measure all of it; nothing where the file is shorter than 3 s or silent, no beats where it has none."""
        names = [feature.name for feature in self.features(audio.role)]
        if audio.duration < SHORTEST:
            return Measurement({}, dict.fromkeys(names, "shorter than 3 s"))
        samples = audio.view(View(RATE, mono=True))
        if silent := why_silent(audio, samples, RATE):
            return Measurement({}, dict.fromkeys(names, silent))
        if sounding_share(samples, RATE) < LEAST_SOUNDING:
            return self._without_beats("silent for most of its length")
        draw_alike()
        bpm, beats, confidence, *_ = self._extract(samples)
        if not (math.isfinite(bpm) and math.isfinite(confidence) and np.isfinite(beats).all()):
            message = f"RhythmExtractor2013 gave {bpm} BPM, {len(beats)} beats with confidence {confidence}"
            raise ValueError(message)
        if bpm > 0.0 and not SLOWEST <= round(bpm, 2) <= FASTEST:
            return self._without_beats("no tempo from 40 to 208 BPM")
        assert self._is_clear is not None
        clear = bpm > 0.0 and self._is_clear(samples, RATE, bpm)
        return self._measurement(float(bpm), np.asarray(beats, dtype=np.float64), float(confidence), clear=clear)

    def _measurement(self, bpm: float, beats: NDArray[np.float64], confidence: float, *, clear: bool) -> Measurement:
        """Make a measurement of the extractor's answer; `clear`: the audio has a pulse of this tempo."""
        values: dict[str, float | int] = {BEAT_COUNT: len(beats)}
        unmeasurable: dict[str, str] = {}
        if bpm > 0.0 and len(beats) >= _LEAST_BEATS:
            steady = steadiness(beats)
            certain = confidence >= LEAST_CONFIDENCE or not self._has_confidence
            one_tempo = clear and certain and steady >= LEAST_STEADINESS
            values |= {BPM: round(folded(bpm, self._fold), 2), BPM_ESSENTIA: round(bpm, 2), IS_DEFINED: int(one_tempo)}
            values |= {REGULARITY: round(float(np.std(np.diff(beats))), 4), STEADINESS: round(steady, 3)}
        else:
            values[IS_DEFINED] = 0
            unmeasurable |= dict.fromkeys(
                (BPM, BPM_ESSENTIA, REGULARITY, STEADINESS), f"fewer than {_LEAST_BEATS} beats"
            )
        if self._has_confidence:
            # Where most of a file is silence, Essentia's falls a little below the 0 that it starts from.
            values[CONFIDENCE] = round(max(0.0, confidence), 3)
        else:
            unmeasurable[CONFIDENCE] = _NO_CONFIDENCE
        files = {GRID: "".join(f"{beat:.6f}\n" for beat in beats)} if self._grid else {}
        return Measurement(values, unmeasurable, files)

    def _without_beats(self, reason: str) -> Measurement:
        """Audio in which no beats are to be looked for, or those that were found are none."""
        unmeasurable = {feature.name: reason for feature in self.features(FULL_MIX)}
        del unmeasurable[IS_DEFINED]
        if not self._has_confidence:
            unmeasurable[CONFIDENCE] = _NO_CONFIDENCE
        return Measurement({IS_DEFINED: 0}, unmeasurable)

    @property
    def _has_confidence(self) -> bool:
        return self._method != DEGARA


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


def steadiness(beats: NDArray[np.float64]) -> float:
    """Evenness of the beats: 1 less the interquartile range of their intervals over the median, not below 0.

    `beats` are their times in seconds, at least three and ascending. 1.0 is a metronome.
    """
    lower, median, upper = np.percentile(np.diff(beats), (25, 50, 75))
    return max(0.0, 1.0 - float((upper - lower) / median)) if median > 0.0 else 0.0
