"""Beats by the agreement of five trackers, as Essentia's RhythmExtractor2013 finds them by its method multifeature.

Owns which onset function goes to which of Essentia's trackers, and the tempo that their beats make. The same beats as
the extractor's, to rounding, at a fifth of its cost: of its time, eight tenths go into two of the five functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.rhythm.onset_functions import HOP, RATE, OnsetDetector

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEAR = 5.0
"""BPM about the most frequent tempo within which others count."""


class BeatTracker:
    """Finds the beats of mono samples at 44.1 kHz; `standard` is the module `essentia.standard`."""

    def __init__(self, standard: Any) -> None:  # noqa: ANN401  # the module has no types
        self._detect = OnsetDetector(standard)
        self._coarse = standard.TempoTapDegara(sampleRateODF=RATE / (2 * HOP), resample="x2")
        self._fine = standard.TempoTapDegara(sampleRateODF=RATE / HOP)
        # Its constructor configures it a second time, which appends to the bins of its histogram.
        agreement = standard.TempoTapMaxAgreement
        self._agree = agreement.__new__(agreement)
        agreement.__mro__[1].__init__(self._agree, "TempoTapMaxAgreement")

    def __call__(self, samples: NDArray[np.float32]) -> tuple[float, NDArray[np.float32], float]:
        """The tempo in BPM, the times of the beats in seconds, and the confidence (0 to 5.32) that they are beats."""
        # What is loud beyond all measure is infinite in single precision; so it is in Essentia.
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._detect(samples)
        coarse = [_tracked(self._coarse, each) for each in (found.complex, found.rms, found.melflux)]
        fine = [_tracked(self._fine, each) for each in (found.beat_emphasis, found.infogain)]
        beats, confidence = self._agree(coarse + fine)
        return tempo(beats), beats, confidence


def _tracked(tracker: Any, detections: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401  # it has no type
    tracker.reset()
    beats: NDArray[np.float32] = tracker(detections)
    return beats


def tempo(beats: NDArray[np.float32]) -> float:
    """The mean of those tempos from beat to beat, in BPM, that are near the most frequent; 0.0 where there are none."""
    tempos = (60.0 / np.diff(beats).astype(np.float64)).astype(np.float32)
    if not len(tempos):
        return 0.0
    frequent = 2 * int(np.argmax(np.bincount((tempos / 2 + np.float32(0.5)).astype(np.intp))))
    near = tempos[np.abs(np.float32(frequent) - tempos) < _NEAR]
    return float(np.cumsum(near)[-1] / np.float32(len(near))) if len(near) else float(frequent)
