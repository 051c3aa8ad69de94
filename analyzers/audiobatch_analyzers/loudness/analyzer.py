"""The analyzer `loudness`: integrated loudness and loudness range of the mix and of every stem.

Owns the features' names, what counts as unmeasurable, and how values are rounded. The measurement itself is `bs1770`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness import bs1770
from audiobatchd.plugin_api import Cost, Feature, Feed, Measurement, Settings, Stream, feature_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

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

    def load(self) -> None:
        """Load nothing: the libraries came with the import of this module, in the worker."""

    def begin(self, stream: Stream) -> Feed:
        """Begin a file: each feature will be a finite number or unmeasurable: too short, below 8 kHz, all LFE."""
        names = feature_name(LUFS, stream.role), feature_name(LRA, stream.role)
        if stream.rate < LOWEST_RATE:
            return _Unmeasurable(names, "sampled below 8 kHz")
        weights = bs1770.channel_weights(stream.channels)
        if not any(weights):
            return _Unmeasurable(names, "holds low-frequency effects alone")
        return _Loudness(names, bs1770.StepPowers(stream.rate, weights))


class _Loudness:
    """Loudness and its range, by their two `names`, of one file."""

    def __init__(self, names: tuple[str, str], powers: bs1770.StepPowers) -> None:
        self._names = names
        self._powers = powers
        self.feed = powers.feed

    def finish(self) -> Measurement:
        powers = self._powers.finish()
        lufs, lra = self._names
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


class _Unmeasurable:
    """Nothing of one file, for one reason."""

    def __init__(self, names: tuple[str, ...], reason: str) -> None:
        self._answer = Measurement({}, dict.fromkeys(names, reason))

    def feed(self, block: NDArray[np.float32]) -> None:
        pass

    def finish(self) -> Measurement:
        return self._answer


def _rounded(value: float) -> float:
    """`value` to `DECIMALS` places; the added zero turns -0.0 into 0.0."""
    return round(value, DECIMALS) + 0.0
