"""Essentia's heavy detectors of defects, each an analyzer of its own: clicks, gaps, hum and noise.

A detector is made for each file: Essentia's keep the place in the file, and what came before, from one call to
the next. DiscontinuityDetector is left out: it found 96 in a produced recording of a minute, see docs/adr/0040.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.loudness.silence import why_silent
from audiobatchd.plugin_api import FULL_MIX, Audio, Cost, Feature, Measurement, View, significant

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 44100
"""Sample rate in Hz that the detectors' settings are made for."""

WINDOW = 10.0
"""Seconds over which HumDetector asks whether a tone is steady."""

MAINS = (50.0, 60.0)
"""Frequencies in Hz of the world's mains: their hum stands there and, by rectifiers, at the octave."""

TOLERANCE = 0.013
"""Deviation of a hum from that, of 1: the detector's frequencies are 1.2 % apart."""

ONE_CLICK = 0.01
"""Seconds within which clicks are one: frames overlap, and both show it."""

LEAST_NOISE = 15
"""Frames of noise without music, 12 ms each, from which Essentia takes its spectrum for known."""

LOUDEST = 1000.0
"""Magnitude from which samples are brought to full scale: the squares of much more overflow in Essentia's floats."""

_FRAME = 512
_GAP_FRAME, _GAP_HOP = 2048, 1024


@dataclass(frozen=True)
class Detector:
    """A kind of defect, and how it is looked for."""

    feature: Feature
    """Feature that it gives."""
    find: Callable[[Any, NDArray[np.float32]], float | str]
    """Measures the samples of a mix, at `RATE` Hz and mono, by the module `essentia.standard`; a text says why not."""
    shortest: float = 1.0
    """Seconds below which nothing is looked for."""


class DetectorAnalyzer:
    """Looks for one kind of defect in the full mix; its name is that of its feature."""

    version: int = 1
    cost: Cost = Cost.MEDIUM

    def __init__(self, detector: Detector) -> None:
        self.name: str = detector.feature.name
        self._detector = detector
        self._essentia: Any = None

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """A feature of the mix alone."""
        return (self._detector.feature,) if role == FULL_MIX else ()

    def load(self) -> None:
        """Import Essentia. Raises AnalyzerUnavailableError where it is not there."""
        self._essentia = essentia.standard()

    def views(self, role: str) -> tuple[View, ...]:
        """The mix as mono at 44.1 kHz, which `rhythm` reads too."""
        return (View(RATE, mono=True),) if role == FULL_MIX else ()

    def analyze(self, audio: Audio) -> Measurement:
        """Look for the defect. A file that is silent or too short has none of these values."""
        name = self._detector.feature.name
        samples = audio.view(View(RATE, mono=True))
        if audio.duration < self._detector.shortest:
            return Measurement({}, {name: f"shorter than {self._detector.shortest:g} s"})
        if why := why_silent(audio, samples, RATE):
            return Measurement({}, {name: why})
        peak = float(np.abs(samples).max())
        if peak > LOUDEST:
            samples = samples / np.float32(peak)
        found = self._detector.find(self._essentia, np.ascontiguousarray(samples))
        return Measurement({}, {name: found}) if isinstance(found, str) else Measurement({name: found})


def _frames(samples: NDArray[np.float32], size: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Yield the whole frames of `samples`, from the first sample on."""
    for start in range(0, len(samples) - size + 1, hop):
        yield samples[start : start + size]


def _clicks(standard: Any, samples: NDArray[np.float32]) -> float:  # noqa: ANN401  # Essentia has no types
    """Count the clicks."""
    detector = standard.ClickDetector(sampleRate=RATE, frameSize=_FRAME, hopSize=_FRAME // 2)
    return distinct([float(each) for frame in _frames(samples, _FRAME, _FRAME // 2) for each in detector(frame)[0]])


def distinct(places: list[float]) -> int:
    """Count the clicks at these places in seconds: those that follow another within 10 ms belong to it."""
    ordered = sorted(places)
    return sum(place - before > ONE_CLICK for before, place in zip([-math.inf, *ordered], ordered, strict=False))


def _gaps(standard: Any, samples: NDArray[np.float32]) -> float:  # noqa: ANN401  # Essentia has no types
    """Count the gaps."""
    detector = standard.GapsDetector(sampleRate=RATE, frameSize=_GAP_FRAME, hopSize=_GAP_HOP)
    return sum(len(detector(frame)[0]) for frame in _frames(samples, _GAP_FRAME, _GAP_HOP))


def _hum(standard: Any, samples: NDArray[np.float32]) -> float:  # noqa: ANN401  # Essentia has no types
    """Return the share of all spans of 10 s through which a steady tone stands where mains hum."""
    _, frequencies, _, starts, ends = standard.HumDetector(sampleRate=RATE)(samples)
    spans = sorted(
        (float(start), float(end))
        for frequency, start, end in zip(frequencies, starts, ends, strict=True)
        if is_mains(float(frequency))
    )
    covered = reached = 0.0
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    # Starts and ends are those of spans, each told at its end.
    return significant(min(1.0, covered / (len(samples) / RATE - WINDOW)), 3)


def is_mains(frequency: float) -> bool:
    """Tell whether `frequency` in Hz is one at which mains hum."""
    return any(abs(frequency / (mains * times) - 1.0) <= TOLERANCE for mains in MAINS for times in (1, 2))


def _noise(standard: Any, samples: NDArray[np.float32]) -> float | str:  # noqa: ANN401  # Essentia has no types
    """Return the median over the frames with music of the ratio of signal to noise, in dB."""
    # Its correction for the bandwidth would take 43 dB off.
    detector = standard.SNR(sampleRate=RATE, frameSize=_FRAME, useBroadbadNoiseCorrection=False)
    ratios: list[float] = []
    noise = 0
    for frame in _frames(samples, _FRAME, _FRAME):
        power = float(np.mean(np.square(frame, dtype=np.float64)))
        if not power:
            continue  # digital silence is no noise, and a ratio to nothing
        if power < _NOISE_POWER:
            noise += 1
        ratio = float(detector(frame)[0])
        if power >= _NOISE_POWER and noise >= LEAST_NOISE and math.isfinite(ratio):
            ratios.append(ratio)
    if not ratios:
        return "no music after 0.2 s of noise alone, by which the noise is known"
    return round(float(np.median(ratios)), 1) + 0.0


_NOISE_POWER = 1e-4
"""Essentia's noiseThreshold, -40 dBFS: frames below that are noise without music."""

DETECTORS: Mapping[str, Detector] = {
    "clicks": Detector(
        Feature("quality_clicks", "", "Number of clicks and pops", "0 and above", "Essentia ClickDetector"), _clicks
    ),
    "gaps": Detector(
        Feature("quality_gaps", "", "Number of gaps of 10 ms to 3.5 s", "0 and above", "Essentia GapsDetector"), _gaps
    ),
    "hum": Detector(
        Feature("quality_hum", "of 1", "Share of the time in which mains hum", "0 to 1", "Essentia HumDetector"),
        _hum,
        shortest=20.0,
    ),
    "noise": Detector(
        Feature("quality_noise", "dB", "Ratio of signal to noise", "about 0 and above", "Essentia SNR"), _noise
    ),
}
"""Detectors by the names that the options have for them."""
