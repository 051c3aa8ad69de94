"""The analyzer `loudness`: integrated loudness and loudness range of the mix and of every stem.

Owns the features' names, what counts as unmeasurable, and how values are rounded. The measurement itself is `bs1770`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness import bs1770
from audiobatchd.plugin_api import NATIVE, Audio, Cost, Feature, Measurement, Settings, View, feature_name

if TYPE_CHECKING:
    from collections.abc import Mapping

LUFS = "lufs"
LRA = "lra"

LOWEST_RATE = 8000
"""Lowest rate in Hz. Below 3.4 kHz the K-weighting shelf has no digital counterpart; below 8 kHz it is not verified."""

DECIMALS = 2
"""0.01 LU is a tenth of the tightest tolerance of EBU Tech 3341."""


class LoudnessAnalyzer:
    """Measures integrated loudness (ITU-R BS.1770-4, EBU R 128) and loudness range (EBU Tech 3342).

    Values are rounded to 0.01: far inside the tolerances of EBU Tech 3341 (0.1 LU) and 3342 (1 LU), and records of the
    same audio read the same whichever processor summed them. A file that is silent, or nowhere above the absolute gate,
    has a loudness of -70.0 LUFS and a range of 0.0 LU.
    """

    name: str = "loudness"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """`lufs` and `lra`, or for a stem `lufs_<stem>` and `lra_<stem>`."""
        return (
            Feature(
                feature_name(LUFS, role), "LUFS", "Integrated loudness", "-70 and above", "ITU-R BS.1770-4, EBU R 128"
            ),
            Feature(feature_name(LRA, role), "LU", "Loudness range", "0 and above", "EBU Tech 3342"),
        )

    def views(self, role: str) -> tuple[View, ...]:  # noqa: ARG002  # the same for all
        """Read all channels at the file's own rate."""
        return (NATIVE,)

    def load(self) -> None:
        """Load nothing: the libraries came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure both features, each of them a finite number or unmeasurable: too short, below 8 kHz, all LFE."""
        lufs, lra = feature_name(LUFS, audio.role), feature_name(LRA, audio.role)
        if audio.rate < LOWEST_RATE:
            return Measurement({}, dict.fromkeys((lufs, lra), "sampled below 8 kHz"))
        weights = bs1770.channel_weights(audio.channels)
        if not any(weights):
            return Measurement({}, dict.fromkeys((lufs, lra), "holds low-frequency effects alone"))
        powers = bs1770.step_powers(audio.view(), audio.rate, weights)
        values: dict[str, float] = {}
        unmeasurable: dict[str, str] = {}
        if len(powers) < bs1770.BLOCK_STEPS:
            unmeasurable[lufs] = "shorter than one 400 ms block"
        else:
            values[lufs] = _rounded(bs1770.integrated_loudness(powers))
        if len(powers) < bs1770.WINDOW_STEPS:
            unmeasurable[lra] = "shorter than 3 s"
        else:
            values[lra] = _rounded(bs1770.loudness_range(powers))
        return Measurement(values, unmeasurable)


def _rounded(value: float) -> float:
    """`value` to `DECIMALS` places; the added zero turns -0.0 into 0.0."""
    return round(value, DECIMALS) + 0.0
