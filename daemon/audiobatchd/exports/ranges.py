"""Ranges to which the numbers of features are bounded on request: models that are conditioned on them want that.

Only features with two bounds are here; a test holds them against those that the analyzers declare. The timbral scores
go beyond theirs where a sound is unlike those that they were fitted to.
"""

from __future__ import annotations

from audiobatchd.plugin_api import STEMS

Range = tuple[float, float]
"""The least and the largest value."""


def range_of(key: str) -> Range | None:
    """Look up the range of a feature, or that of the mix for the same one of a stem; None where it has none."""
    base, _, role = key.rpartition("_")
    return RANGES.get(key) or (RANGES.get(base) if role in STEMS else None)


_SCORES = ("brightness", "roughness", "hardness", "depth", "booming", "reverberation", "sharpness", "warmth")
_SHARES = (
    *(f"hpcp_{number}" for number in range(12)),
    "atonality",
    "beat_steadiness",
    "danceability",
    "on_beat_ratio",
    "quality_clipped_share",
    "quality_hum",
    "rhythmic_complexity",
    "rhythmic_evenness",
    "saturation_ratio",
    "spectral_flatness",
    "syncopation",
    "tonic_strength",
)
RANGES: dict[str, Range] = {
    **dict.fromkeys(_SCORES, (0.0, 100.0)),
    **dict.fromkeys(_SHARES, (0.0, 1.0)),
    **dict.fromkeys((f"tiv_{number}" for number in range(12)), (-1.0, 1.0)),
    "bpm": (40.0, 208.0),
    "bpm_confidence": (0.0, 5.32),
    "bpm_essentia": (40.0, 208.0),
    "spectral_skewness": (0.0, 10.0),
    "tonic": (0.0, 11.0),
}
