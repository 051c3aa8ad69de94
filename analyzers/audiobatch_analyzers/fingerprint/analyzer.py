"""The analyzer `fingerprint`: Chromaprint of the first two minutes of the mix, by Essentia's Chromaprinter.

Chromaprint hears 28 to 3520 Hz of a mono signal at 11,025 Hz. The file is brought there while it is decoded, so that
5 MiB are kept of it and not its samples; in a few bits of a hundred that differs from what `fpcalc` makes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.loudness.silence import CANCELLED, LOW_FREQUENCY_ALONE, SILENT, THRESHOLD, is_silent
from audiobatchd.plugin_api import FULL_MIX, LOW_FREQUENCY, Cost, Feature, Feed, Measurement, Settings, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CHROMAPRINT = ".CHROMAPRINT"
"""The feature: a file beside the record. In the record it would be longer than all numbers together, and go through
messages, log and journal with them."""

RATE = 11025
"""Chromaprint's own sample rate in Hz."""

SECONDS = 120.0
"""Length from the start that is taken, as `fpcalc` and the AcoustID service do: a text of 3,700 characters."""

SHORTEST = 3.0
"""Seconds below which Chromaprint gives nothing: it looks at 16 overlapping frames of 0.37 s at once."""

_QUALITY = "HQ"
_HEARD: float = math.sqrt(8.0) * 10.0 ** (THRESHOLD / 20.0)
"""Swing of a sine at the threshold, from which a channel is not silent. It is that of the file's own samples: an offset
rings where the resampled one ends."""


_HEADROOM = np.float32(1024.0)
"""By how much samples are turned down on their way through the resampler: the largest floats would overflow there."""


class FingerprintAnalyzer:
    """Makes the acoustic fingerprint of the full mix."""

    name: str = "fingerprint"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()
        self._essentia: Any = None

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """A feature of the mix alone."""
        if role != FULL_MIX:
            return ()
        about = "Chromaprint of the first 120 s, in base64", "up to 4,000 characters", "Essentia Chromaprinter"
        return (Feature(CHROMAPRINT, "", *about),)

    def load(self) -> None:
        """Import Essentia. Raises AnalyzerUnavailableError where it is not there."""
        self._essentia = essentia.standard()

    def begin(self, stream: Stream) -> Feed:
        """Begin a file."""
        return _Fingerprint(self._essentia, stream)


class _Fingerprint:
    """Fingerprint of one file; `standard` is the module `essentia.standard`."""

    def __init__(self, standard: Any, stream: Stream) -> None:  # noqa: ANN401  # Essentia has no types
        self._standard = standard
        self._heard_channels = [place for place, name in enumerate(stream.channels) if name not in LOW_FREQUENCY]
        self._resampled = soxr.ResampleStream(stream.rate, RATE, 1, dtype="float32", quality=_QUALITY)
        self._parts: list[NDArray[np.float32]] = []
        self._left = round(SECONDS * stream.rate)
        """Frames that are still to be taken."""
        self._frames = 0
        self._rate = stream.rate
        self._lowest = np.full(len(stream.channels), np.inf)
        self._highest = np.full(len(stream.channels), -np.inf)

    def feed(self, block: NDArray[np.float32]) -> None:
        self._frames += len(block)
        block = block[: self._left]
        self._left -= len(block)
        if not len(block) or not self._heard_channels:
            return
        mixed = np.zeros(len(block), np.float32)
        for channel in self._heard_channels:
            # One after the other: how numpy sums rows depends on how they lie in memory.
            mixed += block[:, channel] / (np.float32(len(self._heard_channels)) * _HEADROOM)
            self._lowest[channel] = min(self._lowest[channel], block[:, channel].min())
            self._highest[channel] = max(self._highest[channel], block[:, channel].max())
        self._parts.append(self._resampled.resample_chunk(mixed))

    def finish(self) -> Measurement:
        if not self._heard_channels:
            return Measurement({}, {CHROMAPRINT: LOW_FREQUENCY_ALONE})
        if self._frames < SHORTEST * self._rate:
            return Measurement({}, {CHROMAPRINT: f"shorter than {SHORTEST:g} s"})
        # Chromaprint gives a fingerprint for silence too: all silent files would be duplicates.
        if not (self._highest - self._lowest > _HEARD).any():
            return Measurement({}, {CHROMAPRINT: SILENT if self._left else f"{SILENT} in its first {SECONDS:g} s"})
        rest = self._resampled.resample_chunk(np.empty(0, np.float32), last=True)
        samples = np.concatenate([*self._parts, rest])
        # What is above full scale would not go into the 16 bits that Chromaprint is fed.
        samples /= max(np.float32(1.0) / _HEADROOM, np.abs(samples).max())
        if is_silent(samples, RATE):
            return Measurement({}, {CHROMAPRINT: CANCELLED if len(self._heard_channels) > 1 else SILENT})
        text = str(self._standard.Chromaprinter(sampleRate=RATE)(samples))
        return Measurement({}, files={CHROMAPRINT: f"{text}\n"})
