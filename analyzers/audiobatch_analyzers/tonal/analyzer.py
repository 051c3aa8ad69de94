"""The analyzer `tonal`: pitch classes, tonal interval vector and key of a folder's bass and other stems, or of its mix.

Owns the features' names, what is read, and what is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.loudness.silence import why_silent
from audiobatch_analyzers.tonal.interval_vector import WEIGHTS, interval_vector
from audiobatch_analyzers.tonal.key import NAMES, KeyFinder
from audiobatch_analyzers.tonal.pitch_classes import CLASSES, RATE, SIZE, PitchClasses
from audiobatchd.plugin_api import FULL_MIX, Audio, Cost, Feature, Measurement, Needs, Settings, Stream, View

if TYPE_CHECKING:
    from collections.abc import Mapping

HPCP = tuple(f"hpcp_{number}" for number in range(CLASSES))
TIV = tuple(f"tiv_{number}" for number in range(2 * len(WEIGHTS)))
TONIC = "tonic"
STRENGTH = "tonic_strength"
SCALE = "tonic_scale"
KEY = "key"

HARMONY = ("bass", "other")
"""Stems that carry the harmony: drums have no pitch that counts, and voices slide between pitches."""

DECIMALS = 4

NO_PEAKS = "has no spectral peaks"
NO_KEY = "its pitch classes are all alike"

_VIEW = View(RATE, mono=True)
_WORKING_MEMORY = 8 << 20


class TonalAnalyzer:
    """Measures the harmony of the sum of bass and other, as far as they are there, else of the mix.

    Numbers are rounded to 0.0001.
    """

    name: str = "tonal"
    version: int = 1
    cost: Cost = Cost.LIGHT

    def __init__(self, settings: Settings) -> None:
        settings.options.close()
        self._pitch_classes: PitchClasses | None = None
        self._find_key: KeyFinder | None = None

    @property
    def models(self) -> Mapping[str, str]:
        """Return nothing: this analyzer has no models."""
        return {}

    def features(self, role: str) -> tuple[Feature, ...]:
        """Features of the folder as a whole, named as those of the mix."""
        if role != FULL_MIX:
            return ()
        key = "Essentia Key, profile edmm"
        return (
            *(
                Feature(name, "", f"Share of the pitch class {pitch}", "0 to 1", "Essentia HPCP (Gomez 2006)")
                for name, pitch in zip(HPCP, NAMES, strict=True)
            ),
            *(
                Feature(
                    name,
                    "",
                    f"Tonal interval vector, coordinate {number // 2 + 1}, {('real', 'imaginary')[number % 2]} part",
                    "-1 to 1",
                    "Bernardes et al. 2016",
                )
                for number, name in enumerate(TIV)
            ),
            Feature(TONIC, "", "Pitch class of the tonic, 0 (C) to 11 (B)", "0 to 11", key),
            Feature(STRENGTH, "", "How well the key fits", "0 to 1", key),
            Feature(SCALE, "", "Scale of the key", "major or minor", key),
            Feature(KEY, "", "Tonic and scale, spelled with sharps", "C major to B minor", key),
        )

    def needs(self, role: str) -> Needs:
        """The sum of bass and other in place of the mix."""
        return Needs(sum_of=HARMONY) if role == FULL_MIX else Needs()

    def views(self, role: str) -> tuple[View, ...]:
        """Mono at 44.1 kHz."""
        return (_VIEW,) if role == FULL_MIX else ()

    def working_memory(self, stream: Stream, seconds: float) -> float:  # noqa: ARG002  # a block of frames at a time
        """Bytes that one block of frames takes."""
        return _WORKING_MEMORY

    def load(self) -> None:
        """Import Essentia. Raises AnalyzerUnavailableError where it is not installed."""
        standard = essentia.standard()
        self._pitch_classes = PitchClasses(standard)
        self._find_key = KeyFinder(standard)

    def analyze(self, audio: Audio) -> Measurement:
        """Measure all of it; nothing where it is shorter than one frame, silent, or without spectral peaks."""
        names = [feature.name for feature in self.features(FULL_MIX)]
        samples = audio.view(_VIEW)
        if len(samples) < SIZE:
            return Measurement({}, dict.fromkeys(names, f"shorter than {SIZE} samples at {RATE / 1000:g} kHz"))
        if silent := why_silent(audio, samples, RATE):
            return Measurement({}, dict.fromkeys(names, silent))
        assert self._pitch_classes is not None
        assert self._find_key is not None
        profile = self._pitch_classes(samples)
        if profile is None:
            return Measurement({}, dict.fromkeys(names, NO_PEAKS))
        values: dict[str, float | int | str] = {}
        values.update(zip(HPCP, (_rounded(each) for each in profile), strict=True))
        vector, key = interval_vector(profile), self._find_key(profile)
        if vector is not None:
            values.update(zip(TIV, (_rounded(each) for each in vector), strict=True))
        if key is not None:
            values |= {TONIC: key.tonic, STRENGTH: _rounded(key.strength), SCALE: key.scale, KEY: key.name}
        return Measurement(values, {name: NO_KEY for name in names if name not in values})


def _rounded(value: float) -> float:
    """`value` to `DECIMALS` places; the added zero turns -0.0 into 0.0."""
    return round(float(value), DECIMALS) + 0.0
