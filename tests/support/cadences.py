"""Cadences in every key, made by formula."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

CHORDS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "major": ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)),
    "minor": ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)),
}
"""Tonic, subdominant, dominant and tonic of each scale, in semitones above the key's tonic."""

MIDDLE_C = 261.63
_HARMONICS = range(1, 5)


def cadence(tonic: int, scale: str, rate: int = 44100, seconds: float = 1.0) -> NDArray[np.float32]:
    """Four chords in the key, each note of four harmonics; mono, of shape (frames, 1), its peak below full scale."""
    time = np.arange(round(rate * seconds / 4)) / rate
    chords = []
    for chord in CHORDS[scale]:
        wave = np.zeros(len(time))
        for note in chord:
            frequency = MIDDLE_C * 2 ** ((tonic + note) / 12)
            wave += sum(np.sin(2 * np.pi * harmonic * frequency * time) / harmonic**2 for harmonic in _HARMONICS)
        chords.append(wave)
    return (np.concatenate(chords) / 8).astype(np.float32)[:, np.newaxis]
