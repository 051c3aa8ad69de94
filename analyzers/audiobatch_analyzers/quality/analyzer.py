"""The analyzer `quality`: what is wrong with a mix and can be seen while it is decoded.

Owns names, what is unmeasurable and rounding; each measure has a module of its own. The heavy detectors are analyzers
of their own, made here by the same options: turning one on makes folders due for it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.quality.bandwidth import Bandwidth
from audiobatch_analyzers.quality.detectors import DETECTORS, DetectorAnalyzer
from audiobatch_analyzers.quality.ends import Ends
from audiobatch_analyzers.quality.levels import Levels
from audiobatch_analyzers.quality.pieces import Pieces
from audiobatch_analyzers.quality.stereo import FalseStereo
from audiobatchd.plugin_api import (
    FULL_MIX,
    AnyAnalyzer,
    Cost,
    Feature,
    Feed,
    Measurement,
    OptionError,
    Settings,
    Stream,
    Value,
    significant,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CUT_START = "quality_cut_start"
CUT_END = "quality_cut_end"
FALSE_STEREO = "quality_false_stereo"
BANDWIDTH = "quality_bandwidth_hz"
DC_OFFSET = "quality_dc_offset"
CLIPPED_SHARE = "quality_clipped_share"

_STEREO = 2


def quality(settings: Settings) -> tuple[AnyAnalyzer, ...]:
    """Make `quality`, and an analyzer of each heavy detector that the options want.

    Options: `heavy`, whether all detectors are on; `detectors`, a list of those that are on: "clicks", "gaps", "hum",
    "noise".
    """
    options = settings.options
    heavy = options.flag("heavy", default=False)
    chosen = options.choices("detectors", tuple(DETECTORS), ())
    options.close()
    if heavy and chosen:
        message = "options `heavy` and `detectors` exclude each other: `heavy = true` turns all detectors on"
        raise OptionError(message)
    return QualityAnalyzer(), *(DetectorAnalyzer(DETECTORS[each]) for each in (DETECTORS if heavy else chosen))


class QualityAnalyzer:
    """Measures what is wrong with the full mix and costs little to find."""

    name: str = "quality"
    version: int = 1
    cost: Cost = Cost.LIGHT

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the mix alone."""
        if role != FULL_MIX:
            return ()
        cut = "0 or 1", "as Essentia StartStopCut"
        return (
            Feature(CUT_START, "", "Whether it begins in the middle of sound", *cut),
            Feature(CUT_END, "", "Whether it ends in the middle of sound", *cut),
            Feature(
                FALSE_STEREO, "", "Whether both channels hold one signal", "0 or 1", "as Essentia FalseStereoDetector"
            ),
            Feature(BANDWIDTH, "Hz", "Frequency above which there is nothing", "100 to half the sample rate"),
            Feature(
                DC_OFFSET,
                "of full scale",
                "Mean of the samples, in the channel where it is largest",
                "within 1 of 0; floating-point files may be beyond",
            ),
            Feature(CLIPPED_SHARE, "of 1", "Share of samples at full scale, three or more in a row", "0 to 1"),
        )

    def load(self) -> None:
        """Load nothing: the libraries came with the import of this module, in the worker."""

    def begin(self, stream: Stream) -> Feed:
        """Begin a file."""
        return _Quality(stream.rate, len(stream.channels))


class _Quality:
    """Measures of one file, all in one pass over its blocks."""

    def __init__(self, rate: int, channels: int) -> None:
        self._channels = channels
        self._pieces = Pieces(channels)
        self._ends = Ends(rate, channels)
        self._stereo = FalseStereo()
        self._bandwidth = Bandwidth(rate)
        self._levels = Levels(channels)
        self._whole = 0
        """Number of whole pieces."""

    def feed(self, block: NDArray[np.float32]) -> None:
        self._ends.feed(block)
        for piece in self._pieces.feed(block):
            self._whole += 1
            wide = piece.astype(np.float64)
            powers = np.mean(wide * wide, axis=1)
            self._levels.add(wide)
            self._bandwidth.add(piece, powers)
            if self._channels == _STEREO:
                self._stereo.add(wide, powers)

    def finish(self) -> Measurement:
        self._levels.add(self._pieces.rest().astype(np.float64))
        offset, clipped = self._levels.finish()
        values: dict[str, Value] = {DC_OFFSET: significant(offset), CLIPPED_SHARE: significant(clipped)}
        unmeasurable: dict[str, str] = {}
        cuts = self._ends.finish()
        if cuts is None:
            unmeasurable |= dict.fromkeys((CUT_START, CUT_END), "shorter than 12 ms")
        else:
            values |= {CUT_START: int(cuts[0]), CUT_END: int(cuts[1])}
        # Of a file without a whole piece nothing is known of its spectrum, nor whether its channels differ.
        why = "silent" if self._whole else "shorter than 4096 samples"
        bandwidth, alike = self._bandwidth.finish(), self._stereo.finish()
        if bandwidth is None:
            unmeasurable[BANDWIDTH] = why
        else:
            values[BANDWIDTH] = bandwidth
        if self._channels != _STEREO:
            unmeasurable[FALSE_STEREO] = "it has not two channels"
        elif alike is None:
            unmeasurable[FALSE_STEREO] = why
        else:
            values[FALSE_STEREO] = int(alike)
        return Measurement(values, unmeasurable)
