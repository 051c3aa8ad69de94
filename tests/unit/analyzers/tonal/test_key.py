"""Keys of profiles: all 24, spelled as documented."""

from __future__ import annotations

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.tonal.key import NAMES, Key, KeyFinder

DEGREES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@pytest.fixture(scope="module")
def find() -> KeyFinder:
    return KeyFinder(essentia.standard())


@pytest.mark.parametrize("scale", DEGREES)
@pytest.mark.parametrize("tonic", range(12))
def test_each_key_is_found_by_its_scale(find: KeyFinder, tonic: int, scale: str) -> None:
    profile = np.zeros(12)
    profile[list(DEGREES[scale])] = 0.4
    profile[[0, DEGREES[scale][2], 7]] = 1.0, 0.7, 0.8
    found = find(np.roll(profile, tonic))
    assert found is not None
    assert (found.tonic, found.scale, found.name) == (tonic, scale, f"{NAMES[tonic]} {scale}")
    # Essentia's own profiles begin at A, three semitones below C.
    theirs = essentia.standard().Key(profileType="edmm")(np.roll(profile, tonic + 3).astype(np.float32))
    assert found.strength == pytest.approx(theirs[2])
    assert 0.0 < found.strength <= 1.0


def test_keys_are_spelled_with_sharps() -> None:
    assert [Key(tonic, "minor", 1.0).name for tonic in (0, 1, 6, 10)] == ["C minor", "C# minor", "F# minor", "A# minor"]


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_profile_whose_classes_are_alike_has_no_key(find: KeyFinder, level: float) -> None:
    assert find(np.full(12, level)) is None
