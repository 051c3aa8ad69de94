"""The tonal interval vector by its definition: Bernardes et al. 2016, weights for audio."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from audiobatch_analyzers.tonal.interval_vector import interval_vector

WEIGHTS = (3, 8, 11.5, 15, 14.5, 7.5)


def by_definition(profile: list[float]) -> list[float]:
    """Sums written out, no transform of a library."""
    found: list[float] = []
    for number, weight in enumerate(WEIGHTS, start=1):
        whole = sum(
            share / sum(profile) * cmath.exp(-2j * math.pi * number * place / 12) for place, share in enumerate(profile)
        )
        found += [weight * whole.real, weight * whole.imag]
    length = math.sqrt(sum(each * each for each in found))
    return [each / length for each in found]


@pytest.mark.parametrize("seed", range(5))
def test_vector_is_that_of_the_definition(seed: int) -> None:
    profile = np.random.default_rng(seed).random(12)
    assert interval_vector(profile) == pytest.approx(by_definition(profile.tolist()), abs=1e-12)


def test_single_pitch_class_lies_at_the_weights() -> None:
    profile = np.zeros(12)
    profile[0] = 0.3
    found = interval_vector(profile)
    assert found is not None
    length = math.sqrt(sum(weight * weight for weight in WEIGHTS))
    assert found[0::2] == pytest.approx([weight / length for weight in WEIGHTS])
    assert found[1::2] == pytest.approx([0.0] * 6)


@pytest.mark.parametrize("steps", range(12))
def test_transposing_turns_every_coordinate(steps: int) -> None:
    profile = np.random.default_rng(7).random(12)
    before, after = interval_vector(profile), interval_vector(np.roll(profile, steps))
    assert before is not None
    assert after is not None
    turned = [
        (before[2 * place] + 1j * before[2 * place + 1]) * cmath.exp(-2j * math.pi * (place + 1) * steps / 12)
        for place in range(6)
    ]
    assert after[0::2] + 1j * after[1::2] == pytest.approx(turned)


def test_length_is_one_whatever_the_gain() -> None:
    profile = np.random.default_rng(8).random(12)
    found, louder = interval_vector(profile), interval_vector(profile * 1000)
    assert found is not None
    assert np.linalg.norm(found) == pytest.approx(1.0)
    assert louder == pytest.approx(found)


def test_profile_whose_classes_are_alike_has_none() -> None:
    assert interval_vector(np.full(12, 0.7)) is None
