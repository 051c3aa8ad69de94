"""The analyzer `saturation`: how much of the mix stays close to full scale, and how often.

A limiter holds the envelope at its ceiling while the wave below goes on swinging: so the peaks of short frames are
looked at, not neighbouring samples, and gaps between the peaks of a slow wave are bridged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from audiobatch_analyzers.bands.downmix import Downmix
from audiobatchd.plugin_api import FULL_MIX, Cost, Feature, Feed, Measurement, Settings, Stream, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

RATIO = "saturation_ratio"
COUNT = "saturation_count"

FRAME = 256
"""Samples, at the file's own rate, of which the peak is taken."""

CEILING = 0.95
"""The least peak of a saturated frame: -0.45 dBFS."""

HOLD = 0.02
"""Seconds: saturated frames that are no further apart make one event."""

SHORTEST = 0.01
"""Seconds that an event lasts at least."""


class SaturationAnalyzer:
    """Measures the share of the mono mix that is saturated, and the number of events.

    The share has four significant digits. A silent file has a share of 0.0 and no events: that is measured, and true.
    """

    name: str = "saturation"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """`saturation_ratio` and `saturation_count` of the mix alone."""
        if role != FULL_MIX:
            return ()
        source = "peaks of 256 samples at or above 0.95"
        return (
            Feature(RATIO, "", "Share of the length that stays close to full scale", "0 to 1", source),
            Feature(COUNT, "events", "Number of times that it does", "0 or more", source),
        )

    def load(self) -> None:
        """Load nothing: numpy came with the import of this module, in the worker."""

    def begin(self, stream: Stream) -> Feed:
        """Begin a file; one that is shorter than a frame will have neither value."""
        return _Saturation(stream)


class EventCounter:
    """Events in a row of frames that is fed piece by piece: how many there are, and how many frames they span."""

    def __init__(self, hold: int, shortest: int) -> None:
        self._hold = hold
        """Frames that two saturated ones of one event may have between them."""
        self._shortest = shortest
        """Frames that an event spans at least."""
        self._place = 0
        """Number of frames so far."""
        self._first = self._last = -1
        """First and last saturated frame of the event that may go on; -1 where there is none."""
        self._events = self._frames = 0

    def feed(self, saturated: NDArray[np.bool_]) -> None:
        """Take in the next frames."""
        places = np.flatnonzero(saturated) + self._place
        self._place += len(saturated)
        if not len(places):
            return
        if self._first < 0:
            self._first = self._last = int(places[0])
        places = np.concatenate([[self._last], places])
        ends = np.flatnonzero(np.diff(places) > self._hold + 1)
        firsts = np.concatenate([[self._first], places[ends + 1]])
        self._close(firsts[:-1], places[ends])
        self._first, self._last = int(firsts[-1]), int(places[-1])

    def finish(self) -> tuple[int, int]:
        """Give the number of events and of the frames that they span, once."""
        if self._first >= 0:
            self._close(np.array([self._first]), np.array([self._last]))
        return self._events, self._frames

    def _close(self, firsts: NDArray[np.intp], lasts: NDArray[np.intp]) -> None:
        spans = lasts + 1 - firsts
        kept = spans[spans >= self._shortest]
        self._events += len(kept)
        self._frames += int(kept.sum())


class _Saturation:
    """Saturation of one file."""

    def __init__(self, stream: Stream) -> None:
        self._mix = Downmix(stream.channels)
        seconds = FRAME / stream.rate
        self._events = EventCounter(*(round(span / seconds) for span in (HOLD, SHORTEST)))
        self._rest = np.empty(0, np.float32)
        """Samples that do not fill a frame yet."""
        self._samples = 0

    def feed(self, block: NDArray[np.float32]) -> None:
        self._samples += len(block)
        mix = np.concatenate([self._rest, self._mix(block)])
        whole = len(mix) - len(mix) % FRAME
        self._rest = mix[whole:].copy()
        frames = mix[:whole].reshape(-1, FRAME)
        self._events.feed(np.maximum(frames.max(axis=1), -frames.min(axis=1)) >= np.float32(CEILING))

    def finish(self) -> Measurement:
        if self._samples < FRAME:
            return Measurement({}, dict.fromkeys((RATIO, COUNT), f"shorter than {FRAME} samples"))
        events, frames = self._events.finish()
        return Measurement({RATIO: significant(frames * FRAME / self._samples), COUNT: events})
