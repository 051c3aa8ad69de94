"""The eight scores: what each is made of, and the regression that was fitted to listeners' answers.

The models are those of the Audio Commons project, version 0.4 (deliverable D5.8, January 2019), as far as that is known
from the software itself. Coefficients belong to exactly these metrics, with all their oddities.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.timbre import attacks, roughness, segments, spectra
from audiobatch_analyzers.timbre.envelopes import peak_envelope
from audiobatch_analyzers.timbre.onsets import begun_onsets, onset_strength
from audiobatch_analyzers.timbre.reverberation import reverberation_time
from audiobatch_analyzers.timbre.separation import percussive_share_and_strength
from audiobatch_analyzers.timbre.specific_loudness import LoudnessPattern, loudness_pattern

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audiobatch_analyzers.timbre.programme import Programme

    Array = NDArray[np.float64]

NAMES = ("brightness", "roughness", "hardness", "depth", "booming", "reverberation", "sharpness", "warmth")

# The regressions: a coefficient for each metric, then the constant.
_BRIGHTNESS = (4.613128018020465, 17.378889309312974, 17.434733750553022)
_ROUGHNESS = (13.98779569, 48.97606571545886)
_HARDNESS = (
    12.079781720638145,
    18.52100377170042,
    14.139883645260355,
    5.567690321917516,
    3.9346817690405635,
    -4.326890461087848,
    -85.60352209068202,
)
_DEPTH = (
    -0.0043703565847874465,
    32.83743202462131,
    4.750862716905235,
    -14.217438690256062,
    3.8782339862813924,
    -0.8544826091735516,
    66.69534393444391,
)
_BOOMING = (43.67402696195865, -10.90054738389845, 26.836530575185435)
_SHARPNESS = (102.50508921364404, 34.432655185001735)
_WARMTH = (
    -4.464258317026696,
    -0.08819320850778556,
    0.29156539973575546,
    17.274733561081554,
    8.403340066029507,
    45.21212125085579,
)
_REVERBERATION = (2.97126461, -1.45082989)  # of the logit
_LEAST_ROUGHNESS = 0.01

# In points of the critical-band rate: the regions that scores take a level from.
_LOW_REGION, _MIDDLE_REGION, _WARM_REGION, _HIGH_REGION = (0, 70), (70, 140), (10, 40), (80, 240)

_DEPTH_DECAY = 0.2
_ATTACK_DECAY = 0.1
_DEPTH_LEAST, _ATTACK_LEAST = 512, 4096
_SIGMOID_POWER, _SIGMOID_OFFSET = 10, 0.2


_REASONS = {
    "brightness": "has no power above 20 Hz",
    "hardness": "no sound in it has an attack",
    "depth": "has no spectral peak, or no decay",
    "booming": "has no loudness at low frequencies",
    "sharpness": "has no loudness",
    "warmth": "no sound in it has a spectral peak",
}


def scores_of(metrics: Mapping[str, tuple[float, ...]]) -> tuple[dict[str, float], dict[str, str]]:
    """The scores, neither clamped nor rounded, and the reasons for those that cannot be had, of these `metrics`."""
    scores: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name in NAMES:
        if all(map(math.isfinite, metrics[name])):
            scores[name] = _REGRESSIONS[name](metrics[name])
        else:
            reasons[name] = _REASONS[name]
    return scores, reasons


def metrics_of(programme: Programme) -> dict[str, tuple[float, ...]]:
    """Metrics of each score of `programme`, which is not silent, in the order of the coefficients.

    A metric that cannot be had is NaN. Arrays of the signal's length live no longer than the scores that need them.
    """
    signal = programme.signal
    pattern = loudness_pattern(signal)
    metrics: dict[str, tuple[float, ...]] = {
        "booming": (_log(pattern.booming()), _log(float(pattern.level(*_LOW_REGION).mean()))),
        "sharpness": (_log(pattern.sharpness()),),
    }
    metrics |= _spectral(signal)
    metrics |= _temporal(signal, pattern)
    metrics["roughness"] = (roughness.mean_roughness(signal),)
    metrics["reverberation"] = (float(np.mean([reverberation_time(channel) for channel in programme.channels])),)
    return metrics


def _log(value: float) -> float:
    return math.log10(value) if value > 0.0 else math.nan


def _spectral(signal: Array) -> dict[str, tuple[float, ...]]:
    """Brightness and depth, which begin with the same high-pass."""
    passed = spectra.high_passed(signal)
    peak = max(float(passed.max()), -float(passed.min()))
    if not peak > 0.0:
        return {"brightness": (math.nan,), "depth": (math.nan,)}
    passed /= peak
    ratio, centroid = spectra.bright_metrics(passed)
    deep = spectra.deep_metrics(passed)
    envelope = peak_envelope(passed, _DEPTH_DECAY)
    onsets = begun_onsets(envelope, onset_strength(passed), _DEPTH_LEAST)
    del envelope
    duration = _log(segments.mean_duration(passed, onsets))
    sigmoid = deep.ratio**_SIGMOID_POWER / (deep.ratio**_SIGMOID_POWER + _SIGMOID_OFFSET)
    depth = (deep.centroid, deep.ratio, duration, _log(deep.lowest_peak), deep.ratio * duration, sigmoid * duration)
    return {"brightness": (_log(ratio), _log(centroid)), "depth": depth}


def _temporal(signal: Array, pattern: LoudnessPattern) -> dict[str, tuple[float, ...]]:
    """Hardness and warmth, which go by the same envelope, with and without zeros before it."""
    share, strength = percussive_share_and_strength(signal)
    envelope = peak_envelope(signal, _ATTACK_DECAY, attacks.LEAD)
    warm = segments.warm_metrics(signal, begun_onsets(envelope[attacks.LEAD :], strength, _ATTACK_LEAST))
    strength = onset_strength(signal, attacks.LEAD)
    onsets = begun_onsets(envelope, strength, _ATTACK_LEAST)
    found = attacks.attacks(signal, envelope, strength, onsets)
    middle = pattern.by_rms(pattern.level(*_MIDDLE_REGION))
    return {
        "hardness": (
            _log(found.bandwidth),
            _log(found.centroid),
            _log(middle),
            _log(share),
            _log(found.strength),
            found.time,
        ),
        "warmth": (
            _log(warm.centroid),
            pattern.by_rms(pattern.level(*_HIGH_REGION)),
            float(pattern.level(*_WARM_REGION).mean()),
            warm.straightness,
            warm.low_share,
        ),
    }


def _linear(coefficients: tuple[float, ...]) -> Callable[[tuple[float, ...]], float]:
    def score(metrics: tuple[float, ...]) -> float:
        return math.fsum(map(operator.mul, coefficients, (*metrics, 1.0)))

    return score


def _rough_score(metrics: tuple[float, ...]) -> float:
    (mean,) = metrics
    return 0.0 if mean < _LEAST_ROUGHNESS else _linear(_ROUGHNESS)((math.log10(mean),))


def _reverberant_score(metrics: tuple[float, ...]) -> float:
    """The probability, in percent, that listeners call it reverberant."""
    return 100.0 / (1.0 + math.exp(-_linear(_REVERBERATION)(metrics)))


_REGRESSIONS: dict[str, Callable[[tuple[float, ...]], float]] = {
    "brightness": _linear(_BRIGHTNESS),
    "roughness": _rough_score,
    "hardness": _linear(_HARDNESS),
    "depth": _linear(_DEPTH),
    "booming": _linear(_BOOMING),
    "reverberation": _reverberant_score,
    "sharpness": _linear(_SHARPNESS),
    "warmth": _linear(_WARMTH),
}
