"""Key of a profile of pitch classes, by Essentia's Key, and how it is spelled."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
"""Pitch classes with sharps alone, so that a key has one name."""

PROFILE = "edmm"
"""Key profiles made for electronic dance music (Faraldo et al. 2016)."""

_TONICS = {name: place for place, name in enumerate(NAMES)} | {"Db": 1, "Eb": 3, "Gb": 6, "Ab": 8, "Bb": 10}
_FROM_A = 3
"""Steps from A, at which Essentia's profiles begin, to C."""


@dataclass(frozen=True)
class Key:
    """Key that a profile fits best."""

    tonic: int
    """Pitch class, 0 (C) to 11 (B)."""
    scale: str
    """`major` or `minor`."""
    strength: float
    """Correlation of the profile with the key's, above 0 and up to 1."""

    @property
    def name(self) -> str:
        """The key as people write it: `F# minor`."""
        return f"{NAMES[self.tonic]} {self.scale}"


class KeyFinder:
    """Finds the key of profiles; `standard` is the module `essentia.standard`."""

    def __init__(self, standard: Any) -> None:  # noqa: ANN401  # the module has no types
        self._find = standard.Key(profileType=PROFILE)

    def __call__(self, profile: NDArray[np.float64]) -> Key | None:
        """The key of `profile`, which goes from C to B; None where no key fits better than any other."""
        tonic, scale, strength, _ = self._find(np.roll(profile, _FROM_A).astype(np.float32))
        # Where all classes are alike, Essentia gives "A minor" with a strength of 0.
        if not (math.isfinite(strength) and strength > 0.0):
            return None
        return Key(_TONICS[tonic], scale, float(strength))
