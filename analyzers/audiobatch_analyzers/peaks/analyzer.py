"""The analyzer `peaks`: true peak and sample peak of the mix, and of the stems where the configuration wants them.

True peak by ITU-R BS.1770-4, Annex 2: the signal is oversampled to at least 192 kHz, and its largest magnitude taken.
The Annex gives a filter of 48 taps as an example; here soxr interpolates, whose passband is wider and flatter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import soxr

from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, Feed, Measurement, Settings, Stream, feature_name

if TYPE_CHECKING:
    from collections.abc import Mapping

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

    def load(self) -> None:
        """Load nothing: soxr came with the import of this module, in the worker."""

    def begin(self, stream: Stream) -> Feed:
        """Begin a file; one whose samples are all 0 will have no peak."""
        names = feature_name(TRUE_PEAK, stream.role), feature_name(SAMPLE_PEAK, stream.role)
        return _Peaks(names, PeakMeter(stream.rate, len(stream.channels)))

    def _reads(self, role: str) -> bool:
        return role == FULL_MIX or self._stems


def oversampling(rate: int) -> int:
    """Return the factor by which `rate` Hz is oversampled: to 192 kHz as in BS.1770-4, by at most 4, at least 1."""
    return max(1, min(_MOST, -(-_OVERSAMPLED // rate)))


class PeakMeter:
    """Largest magnitudes over all channels of a file at `rate` Hz, that of its samples and that between them.

    It is fed samples of shape (frames, channels), any number of frames, and finds the same whichever they are: soxr
    gives the same bits for all sizes of blocks.
    """

    def __init__(self, rate: int, channels: int) -> None:
        factor = oversampling(rate)
        self._sample_peak = self._between = 0.0
        self._streams = [
            soxr.ResampleStream(1, factor, 1, dtype="float32", quality=_QUALITY)
            for _ in range(channels if factor > 1 else 0)
        ]

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take in the next samples, which are only read."""
        self._sample_peak = max(self._sample_peak, _magnitude(samples))
        for stream, column in zip(self._streams, samples.T, strict=False):
            for start in range(0, len(column), _BLOCK):
                self._between = max(self._between, _magnitude(stream.resample_chunk(column[start : start + _BLOCK])))

    def finish(self) -> tuple[float, float]:
        """Give true peak and sample peak, once; both are 0.0 where nothing but zeros was fed."""
        if self._sample_peak:
            rest = np.empty(0, np.float32)
            for stream in self._streams:
                self._between = max(self._between, _magnitude(stream.resample_chunk(rest, last=True)))
        return max(self._sample_peak, self._between), self._sample_peak


class _Peaks:
    """True peak and sample peak, by their two `names`, of one file."""

    def __init__(self, names: tuple[str, str], meter: PeakMeter) -> None:
        self._names = names
        self._meter = meter
        self.feed = meter.feed

    def finish(self) -> Measurement:
        peaks = self._meter.finish()
        if not peaks[1]:
            return Measurement({}, dict.fromkeys(self._names, "silent"))
        return Measurement({name: _decibels(peak) for name, peak in zip(self._names, peaks, strict=True)})


def _magnitude(samples: NDArray[np.float32]) -> float:
    return max(float(samples.max()), -float(samples.min())) if samples.size else 0.0


def _decibels(magnitude: float) -> float:
    return round(20.0 * float(np.log10(magnitude)), DECIMALS) + 0.0
