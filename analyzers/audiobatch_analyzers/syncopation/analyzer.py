"""The analyzer `syncopation`: how onsets lie about the beats of the mix, and how evenly they follow each other.

Of the mix from the beats and onsets that other analyzers have written; of three stems from onsets found here. Owns
what becomes a feature, and the reasons where nothing does. The formulas stand in `measures`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.onset.analyzer import MONO, NO_ONSETS, TOO_LOUD, why_without_onsets, working_memory
from audiobatch_analyzers.onset.picking import detect
from audiobatch_analyzers.syncopation import measures
from audiobatchd.plugin_api import (
    FULL_MIX,
    Audio,
    Cost,
    Feature,
    Measurement,
    Needs,
    Settings,
    Stream,
    View,
    feature_name,
    significant,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SYNCOPATION = "syncopation"
ON_BEAT_RATIO = "on_beat_ratio"
COMPLEXITY = "rhythmic_complexity"
EVENNESS = "rhythmic_evenness"
IOI_MEAN = "ioi_mean"
IOI_STD = "ioi_std"
DENSITY_AVERAGE = "onset_density_average"
DENSITY_VARIANCE = "onset_density_variance"

BEATS, ONSETS = ".BEATS_GRID", ".ONSETS"
STEMS = ("bass", "drums", "other")
"""Stems that are measured: those that the scripts measure, for which a beat means most."""

NO_BEATS = "no beats"
FEW_ONSETS = f"fewer than {measures.LEAST_ONSETS} onsets"
FLAT = "its onsets have no strength where they begin"

_LATEST = 1e6
"""Seconds: no file is so long."""

_DECIMALS = 4
_SOURCE = "MIREX tolerance of 70 ms"
_INTERVALS = "entropy and variation of inter-onset intervals"


class SyncopationAnalyzer:
    """Measures syncopation, complexity and evenness of the mix, and of the stems bass, drums and other.

    Shares, complexity and evenness are rounded to 0.0001, all others to four significant digits.
    """

    name: str = "syncopation"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def needs(self, role: str) -> Needs:
        """Beats and onsets of the mix; for a stem the beats, for its onsets are found here."""
        if role == FULL_MIX:
            return Needs(results=(BEATS, ONSETS))
        return Needs(results=(BEATS,)) if role in STEMS else Needs()

    def features(self, role: str) -> tuple[Feature, ...]:
        """Six features of the mix, five of each of the three stems."""
        if role != FULL_MIX and role not in STEMS:
            return ()
        off_beat = Feature(
            feature_name(SYNCOPATION, role),
            "",
            "Share of the onsets that are off the beat" + ("" if role == FULL_MIX else ", by their strength"),
            "0 to 1",
            _SOURCE,
        )
        shape = (
            Feature(feature_name(COMPLEXITY, role), "", "How much its intervals vary", "0 to 1", _INTERVALS),
            Feature(feature_name(EVENNESS, role), "", "How alike its intervals are", "0 to 1", _INTERVALS),
        )
        if role == FULL_MIX:
            return (
                off_beat,
                Feature(ON_BEAT_RATIO, "", "Share of the onsets that are on a beat", "0 to 1", _SOURCE),
                *shape,
                Feature(IOI_MEAN, "s", "Mean of the intervals between onsets", "above 0", _INTERVALS),
                Feature(IOI_STD, "s", "Standard deviation of the intervals between onsets", "0 or more", _INTERVALS),
            )
        windows = "windows of 4 s, half overlapping"
        return (
            Feature(feature_name(DENSITY_AVERAGE, role), "1/s", "Onsets a second, on average", "0 or more", windows),
            Feature(feature_name(DENSITY_VARIANCE, role), "1/s²", "Variance of onsets a second", "0 or more", windows),
            off_beat,
            *shape,
        )

    def views(self, role: str) -> tuple[View, ...]:
        """Nothing of the mix, of a stem mono at its own rate."""
        return (MONO,) if role in STEMS else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:
        """Bytes that finding the onsets of a stem takes; of the mix times are read alone."""
        return working_memory(stream, seconds) if stream.role in STEMS else 0.0

    def load(self) -> None:
        """Load nothing: numpy came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure a mix or a stem; what its onsets or the mix's beats do not give has a reason."""
        return self._of_mix(audio) if audio.role == FULL_MIX else self._of_stem(audio)

    def _of_mix(self, audio: Audio) -> Measurement:
        found = _Found(FULL_MIX)
        onsets = _times(audio, ONSETS)
        if isinstance(onsets, str):
            found.lack(onsets, SYNCOPATION, ON_BEAT_RATIO, COMPLEXITY, EVENNESS, IOI_MEAN, IOI_STD)
            return found.measurement()
        beats = _times(audio, BEATS)
        if isinstance(beats, str):
            found.lack(beats, SYNCOPATION, ON_BEAT_RATIO)
        else:
            share = float(measures.on_beat(onsets, beats).mean())
            found.give(SYNCOPATION, round(1.0 - share, _DECIMALS))
            found.give(ON_BEAT_RATIO, round(share, _DECIMALS))
        if between := found.shape(onsets):
            found.give(IOI_MEAN, significant(between.mean))
            found.give(IOI_STD, significant(between.deviation))
        else:
            found.lack(FEW_ONSETS, IOI_MEAN, IOI_STD)
        return found.measurement()

    def _of_stem(self, audio: Audio) -> Measurement:
        found = _Found(audio.role)
        samples = audio.view(MONO)
        reason = why_without_onsets(audio, samples)
        onsets = None if reason else detect(samples, audio.rate)
        if onsets is None:
            found.lack(reason or TOO_LOUD, DENSITY_AVERAGE, DENSITY_VARIANCE, SYNCOPATION, COMPLEXITY, EVENNESS)
            return found.measurement()
        densities = measures.densities(onsets.times, len(samples) / audio.rate)
        found.give(DENSITY_AVERAGE, significant(float(densities.mean())))
        found.give(DENSITY_VARIANCE, significant(float(densities.var())))
        found.shape(onsets.times)
        beats = _times(audio, BEATS)
        if not len(onsets.times):
            found.lack(NO_ONSETS, SYNCOPATION)
        elif isinstance(beats, str):
            found.lack(beats, SYNCOPATION)
        elif not onsets.strengths.any():
            found.lack(FLAT, SYNCOPATION)
        else:
            strengths = onsets.strengths.astype(np.float64)
            off = strengths[~measures.on_beat(onsets.times, beats)].sum() / strengths.sum()
            found.give(SYNCOPATION, round(float(off), _DECIMALS))
        return found.measurement()


class _Found:
    """Values and reasons of one file of the role `role`, by what they are called of a mix."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._values: dict[str, float] = {}
        self._unmeasurable: dict[str, str] = {}

    def give(self, base: str, value: float) -> None:
        self._values[feature_name(base, self._role)] = value

    def lack(self, reason: str, *bases: str) -> None:
        self._unmeasurable |= dict.fromkeys((feature_name(base, self._role) for base in bases), reason)

    def shape(self, onsets: NDArray[np.float64]) -> measures.Intervals | None:
        """Give complexity and evenness of `onsets`, and return what they were made of."""
        between = measures.intervals(onsets)
        if between is None:
            self.lack(FEW_ONSETS if len(onsets) else NO_ONSETS, COMPLEXITY, EVENNESS)
        else:
            self.give(COMPLEXITY, round(between.complexity, _DECIMALS))
            self.give(EVENNESS, round(between.evenness, _DECIMALS))
        return between

    def measurement(self) -> Measurement:
        return Measurement(self._values, self._unmeasurable)


def _times(audio: Audio, name: str) -> NDArray[np.float64] | str:
    """Times that the companion file `name` lists, ascending, at least one; or the reason why there are none.

    It may be another tool's: what is no list of seconds is none of ours to guess at.
    """
    content = audio.result(name)
    none = NO_BEATS if name == BEATS else NO_ONSETS
    if content is None:
        return none
    try:
        times = np.array(content.split() if isinstance(content, bytes) else [content], np.float64)
    except (TypeError, ValueError):
        times = np.array([np.nan])
    if not ((times >= 0.0) & (times <= _LATEST)).all():
        return f"its {name} is not a list of times in seconds"
    return np.sort(times) if len(times) else none
