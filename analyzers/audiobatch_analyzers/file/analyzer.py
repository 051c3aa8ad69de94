"""The analyzer `file`: how the mix's file holds its audio, and the stems' files where the configuration wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, File, Measurement, Settings, feature_name

if TYPE_CHECKING:
    from collections.abc import Mapping

DECIMALS = 6

_FFPROBE = "as `ffprobe` tells it"
_FEATURES = (
    ("duration", "s", "Length", "above 0", "the container's count of samples, or of packets"),
    ("sample_rate", "Hz", "Sample rate", "above 0", _FFPROBE),
    ("channels", "channels", "Number of channels", "1 and above", _FFPROBE),
    ("codec", "", "Codec", "", "FFmpeg's short name"),
    ("bit_depth", "bit", "Bits of a sample, of a lossless codec", "above 0", _FFPROBE),
    ("bit_rate", "bit/s", "Bits of the whole file for each second", "above 0", _FFPROBE),
)
"""Name, unit, description, bounds and source of each feature."""


class FormAnalyzer:
    """Gives what a file's container tells of its audio; nothing is decoded for it."""

    name: str = "file"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        self._stems = settings.options.flag("stems", default=False)
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Give the six features of the mix; of a stem those with its name behind, if wanted."""
        if role != FULL_MIX and not self._stems:
            return ()
        return tuple(Feature(feature_name(base, role), *rest) for base, *rest in _FEATURES)

    def load(self) -> None:
        """Load nothing: the service reads the container."""

    def inspect(self, file: File) -> Measurement:
        """Measure one file; what its container leaves open is unmeasurable."""
        form = file.encoding()
        values: dict[str, float | int | str] = {
            "sample_rate": form.rate,
            "channels": form.channels,
            "codec": form.codec,
        }
        missing: dict[str, str] = {}
        if form.bits is None:
            missing["bit_depth"] = f"{form.codec} is lossy"
        else:
            values["bit_depth"] = form.bits
        if form.seconds:
            values["duration"] = round(form.seconds, DECIMALS)
            values["bit_rate"] = round(8 * file.size / form.seconds)
        else:
            missing |= dict.fromkeys(("duration", "bit_rate"), "its container does not tell its length")
        return Measurement(
            {feature_name(base, file.role): value for base, value in values.items()},
            {feature_name(base, file.role): why for base, why in missing.items()},
        )
