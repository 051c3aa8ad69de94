"""The analyzer `peaks`: true peak and sample peak of the mix, and of the stems where the configuration wants them.

True peak by ITU-R BS.1770-4, Annex 2: the signal is oversampled to at least 192 kHz, and its largest magnitude taken.
The Annex gives a filter of 48 taps as an example; here soxr interpolates, whose passband is wider and flatter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from audiobatchd.plugin_api import FULL_MIX, NATIVE, Audio, Cost, Feature, Measurement, Settings, View, feature_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

TRUE_PEAK = "true_peak"
SAMPLE_PEAK = "sample_peak"
DECIMALS = 2

_OVERSAMPLED = 192_000
_MOST = 4
_BLOCK = 1 << 15
_QUALITY = "HQ"


class PeakAnalyzer:
    """Measures the true peak (ITU-R BS.1770-4, Annex 2) and the sample peak over all channels.

    Both are rounded to 0.01 dB. A file that is digital silence has neither. A true peak is never below the sample peak.
    """

    name: str = "peaks"
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
        """`true_peak` and `sample_peak` of the mix; of a stem `true_peak_<stem>` and `sample_peak_<stem>` if wanted."""
        if not self._reads(role):
            return ()
        return (
            Feature(feature_name(TRUE_PEAK, role), "dBTP", "True peak", "may be above 0", "ITU-R BS.1770-4, Annex 2"),
            Feature(
                feature_name(SAMPLE_PEAK, role),
                "dBFS",
                "Largest sample magnitude",
                "up to 0; floating-point files may be above",
                "EBU Tech 3341",
            ),
        )

    def views(self, role: str) -> tuple[View, ...]:
        """Read all channels at the file's own rate."""
        return (NATIVE,) if self._reads(role) else ()

    def load(self) -> None:
        """Load nothing: soxr came with the import of this module, in the worker."""

    def analyze(self, audio: Audio) -> Measurement:
        """Measure both; a file whose samples are all 0 has no peak."""
        names = feature_name(TRUE_PEAK, audio.role), feature_name(SAMPLE_PEAK, audio.role)
        samples = audio.view()
        highest = sample_peak(samples)
        if highest == 0.0:
            return Measurement({}, dict.fromkeys(names, "silent"))
        peaks = max(highest, true_peak(samples, audio.rate)), highest
        return Measurement({name: _decibels(peak) for name, peak in zip(names, peaks, strict=True)})

    def _reads(self, role: str) -> bool:
        return role == FULL_MIX or self._stems


def oversampling(rate: int) -> int:
    """Return the factor by which `rate` Hz is oversampled: to 192 kHz as in BS.1770-4, by at most 4, at least 1."""
    return max(1, min(_MOST, -(-_OVERSAMPLED // rate)))


def sample_peak(samples: NDArray[np.float32]) -> float:
    """The largest magnitude in `samples` of shape (frames, channels); 0.0 where there are none."""
    return max((_magnitude(block) for block in _blocks(samples)), default=0.0)


def true_peak(samples: NDArray[np.float32], rate: int) -> float:
    """The largest magnitude of `samples`, of shape (frames, channels), between their oversampled instants."""
    factor = oversampling(rate)
    if factor == 1:
        return sample_peak(samples)
    highest = 0.0
    for column in samples.T:
        stream = soxr.ResampleStream(1, factor, 1, dtype="float32", quality=_QUALITY)
        for block in _blocks(column):
            highest = max(highest, _magnitude(stream.resample_chunk(block)))
        highest = max(highest, _magnitude(stream.resample_chunk(column[:0], last=True)))
    return highest


def _blocks(samples: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(samples), _BLOCK):
        yield samples[start : start + _BLOCK]


def _magnitude(samples: NDArray[np.float32]) -> float:
    return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0


def _decibels(magnitude: float) -> float:
    return round(20.0 * float(np.log10(magnitude)), DECIMALS) + 0.0
