"""The analyzer `bands`: the level of the mix in four bands of frequencies.

Owns the bands, their names and what is too little to be a level. The filters are `butterworth`'s, carried out by
`loudness.blockwise`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.bands.butterworth import band_pass
from audiobatch_analyzers.bands.downmix import Downmix
from audiobatch_analyzers.loudness.blockwise import CHUNK, BlockFilter
from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, Feed, Measurement, Settings, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PREFIX = "rms_energy_"

BANDS: Mapping[str, tuple[float, float]] = {
    "bass": (20.0, 120.0),
    "body": (120.0, 600.0),
    "mid": (600.0, 2500.0),
    "air": (2500.0, 22000.0),
}
"""Edges in Hz. The outermost, 22 kHz, is brought below half the sample rate, see `edges`."""

HIGHEST = 0.999
"""The highest edge, in halves of the sample rate: 0.01 dB of white noise at 8 kHz short of a high-pass."""

SHORTEST = 0.05
"""Seconds: one period of the lowest frequency."""

LOWEST = -140.0
"""Level in dBFS below which nothing is told: rounding errors of the filters come near, and no recording does."""

DECIMALS = 2

_BELOW = f"below {LOWEST:g} dBFS"

# Silence would have some processors compute with subnormal numbers, far more slowly. The filters remove an offset.
_ANTI_SUBNORMAL = 1e-10


class BandsAnalyzer:
    """Measures the root mean square of the mono mix behind each of four Butterworth filters of order 5, over the file.

    Levels are rounded to 0.01 dB. A sine at full scale has -3.01 dBFS. A file that is silent has no level, and a band
    in which nothing is above `LOWEST` has none either.
    """

    name: str = "bands"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """The levels of the mix alone."""
        if role != FULL_MIX:
            return ()
        return tuple(
            Feature(
                PREFIX + band,
                "dBFS",
                f"Level from {low:g} to {high:g} Hz",
                f"{LOWEST:g} and above",
                "Butterworth band-pass of order 5",
            )
            for band, (low, high) in BANDS.items()
        )

    def load(self) -> None:
        """Load nothing: numpy came with the import of this module, in the worker."""

    def begin(self, stream: Stream) -> Feed:
        """Begin a file; one of less than 50 ms will have no levels."""
        return _Levels(stream)


def edges(band: str, rate: int) -> tuple[float, float] | None:
    """Edges in Hz of `band` in a file at `rate` Hz; None where all of it lies above half the rate."""
    low, high = BANDS[band]
    highest = HIGHEST * rate / 2
    return (low, min(high, highest)) if low < highest else None


class _Levels:
    """Levels of one file, band by band."""

    def __init__(self, stream: Stream) -> None:
        self._mix = Downmix(stream.channels)
        self._rate = stream.rate
        bands = {band: edges(band, stream.rate) for band in BANDS}
        self._filters = {band: BlockFilter(band_pass(*each, stream.rate)) for band, each in bands.items() if each}
        self._energies = dict.fromkeys(self._filters, 0.0)
        # The filters take chunks of one length whatever the blocks: sums in another order would have other bits.
        self._waiting = np.empty(CHUNK, np.float32)
        self._filled = 0
        self._frames = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        mix = self._mix(block)
        place = 0
        while place < len(mix):
            count = min(CHUNK - self._filled, len(mix) - place)
            self._waiting[self._filled : self._filled + count] = mix[place : place + count]
            self._filled += count
            place += count
            if self._filled == CHUNK:
                self._flush()

    def finish(self) -> Measurement:
        self._flush()
        names = {band: PREFIX + band for band in BANDS}
        if self._frames < SHORTEST * self._rate:
            return Measurement({}, dict.fromkeys(names.values(), f"shorter than {SHORTEST:g} s"))
        if silent := self._mix.why_silent():
            return Measurement({}, dict.fromkeys(names.values(), silent))
        values: dict[str, float] = {}
        unmeasurable = {
            name: f"sampled at {self._rate} Hz" for band, name in names.items() if band not in self._filters
        }
        for band, energy in self._energies.items():
            level = 10.0 * math.log10(energy / self._frames) if energy else -math.inf
            if level < LOWEST:
                unmeasurable[names[band]] = _BELOW
            else:
                values[names[band]] = round(level, DECIMALS) + 0.0
        return Measurement(values, unmeasurable)

    def _flush(self) -> None:
        count, self._filled = self._filled, 0
        self._frames += count
        if not count:
            return
        for band, filtered in self._filters.items():
            # In float32 the squares of what lies far above full scale are infinite.
            output = filtered(self._waiting[:count], _ANTI_SUBNORMAL)[:count].astype(np.float64)
            # Not `dot`, for which OpenBLAS starts threads.
            self._energies[band] += float(np.einsum("i,i", output, output))
