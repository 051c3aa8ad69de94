"""The analyzer `spectral`: flatness, flux, skewness and kurtosis of the mix's spectrum.

Owns the features' names and what is refused. What is computed is `shape`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.loudness.silence import SILENT, why_silent
from audiobatch_analyzers.spectral.shape import HOP, MEASURES, SIZE, medians
from audiobatchd.plugin_api import FULL_MIX, Audio, Cost, Feature, Measurement, Settings, Stream, View, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "spectral_"

RATE = 44100
"""Sample rate in Hz at which all files are compared: of a higher one, the measures would tell of another span."""

_TOLD = {
    "flatness": ("How much it is like noise (1) and not like tones (0)", "0 to 1", "Essentia Flatness"),
    "flux": ("How much it changes from frame to frame", "0 and above", "Essentia Flux, L2"),
    "skewness": ("How far its high end reaches beyond its centre", "usually 0 to 10", "Essentia DistributionShape"),
    "kurtosis": ("How peaked it is; 0 is a normal distribution", "-2 and above", "Essentia DistributionShape"),
}

_MEMORY_OF_BLOCKS = 8 << 20
_MEMORY_OF_A_FRAME = 4 * len(MEASURES) * 8


class SpectralAnalyzer:
    """Measures the shape of the magnitude spectrum in frames of 46 ms, and gives the median over all frames.

    Values have four significant digits: the flatness of a file that went through a codec is far below 0.01.
    """

    name: str = "spectral"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """The four measures, of the mix alone."""
        if role != FULL_MIX:
            return ()
        return tuple(Feature(PREFIX + name, "", *_TOLD[name]) for name in MEASURES)

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at 44.1 kHz."""
        return (View(RATE, mono=True),) if role == FULL_MIX else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:  # noqa: ARG002  # its view is always the same
        """Bytes that the measures of all frames take, and those of one block of frames."""
        return _MEMORY_OF_BLOCKS + _MEMORY_OF_A_FRAME * seconds * RATE / HOP

    def load(self) -> None:
        """Load nothing: numpy came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure all of it; nothing where the file is shorter than one frame, or silent."""
        names = {name: PREFIX + name for name in MEASURES}
        samples = audio.view(View(RATE, mono=True))
        if len(samples) < SIZE:
            return Measurement({}, dict.fromkeys(names.values(), f"shorter than {SIZE} samples at {RATE / 1000:g} kHz"))
        silent = why_silent(audio, samples, RATE)
        found = {} if silent else medians(samples)
        if not found:
            return Measurement({}, dict.fromkeys(names.values(), silent or SILENT))
        return Measurement({names[name]: significant(value) + 0.0 for name, value in found.items()})
