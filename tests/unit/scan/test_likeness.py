"""Near duplicates among many: those that were put in are found, and nothing else; groups, and what it costs."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import pytest

from audiobatchd.core.chromaprint import Fingerprint, from_items
from audiobatchd.scan import likeness
from audiobatchd.scan.likeness import Likeness, near

COUNT = 300


def items(seed: int) -> tuple[int, ...]:
    return struct.unpack(f"<{COUNT}I", random.Random(seed).randbytes(4 * COUNT))


def copy(of: Sequence[int], *, shift: int = 0, altered: float = 0.85, seed: int = 1) -> tuple[int, ...]:
    """A copy that begins later, with so many sub-fingerprints altered by two bits: as a lossy one half a hop away."""
    source = random.Random(seed)
    return tuple(item ^ (3 << source.randrange(31) if source.random() < altered else 0) for item in of[shift:])


def found(fingerprints: dict[int, tuple[int, ...]]) -> list[list[int]]:
    """The groups, by number."""
    made: dict[int, Fingerprint] = {number: from_items(each) for number, each in fingerprints.items()}
    with ExitStack() as stack:
        searched = Likeness(stack)
        for number, each in made.items():
            searched.add(number, each)
        return [[number for number, _ in group] for group in near(searched.candidates(), made.get)]


def candidates(fingerprints: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
    with ExitStack() as stack:
        searched = Likeness(stack)
        for number, each in enumerate(fingerprints):
            searched.add(number, from_items(each))
        return list(searched.candidates())


@pytest.mark.parametrize(("shared", "expected"), [(0, []), (1, []), (2, [(0, 1)]), (50, [(0, 1)])])
def test_two_kept_in_common_make_a_candidate(shared: int, expected: list[tuple[int, int]]) -> None:
    # Of 90 all are kept.
    assert candidates([items(1)[:90], (*items(1)[:shared], *items(2)[: 90 - shared])]) == expected


def test_candidates_of_many_copies_stay_linear() -> None:
    assert len(candidates([items(1)] * 16)) == 16 * 15 // 2
    assert candidates([items(1)] * 100) == [(0, number) for number in range(1, 100)]


def test_pairs_among_a_thousand_are_found_and_nothing_else() -> None:
    fingerprints = {number: items(number) for number in range(1000)}
    for number in range(0, 1000, 50):
        fingerprints[number + 7] = copy(fingerprints[number], shift=number % 16, seed=number)
    assert found(fingerprints) == [[number, number + 7] for number in range(0, 1000, 50)]


@pytest.mark.parametrize("copies", [2, 3, 15, 40, 200])
def test_copies_of_one_are_one_group(copies: int) -> None:
    fingerprints = {number: items(number) for number in range(50)}
    fingerprints |= {100 + number: copy(items(7), altered=0.5, seed=number) for number in range(copies)}
    assert found(fingerprints) == [[7, *range(100, 100 + copies)]]


def test_a_chain_is_one_group() -> None:
    # Each is near the next, the ends share too little.
    whole = [*items(1), *items(2)]
    assert found({3: tuple(whole[:300]), 1: tuple(whole[120:420]), 2: tuple(whole[240:540])}) == [[1, 2, 3]]


def test_what_all_share_makes_nobody_alike() -> None:
    # The sub-fingerprints of silence, and a jingle of 2 s that a broadcaster puts before everything.
    jingle = items(999)[:16]
    assert found({number: (*jingle, *[5] * 20, *items(number)) for number in range(60)}) == []


@pytest.mark.parametrize("number", [0, (1 << 32) - 1])
def test_numbers_go_up_to_32_bits(number: int) -> None:
    assert found({number: items(1), 77: items(1)}) == [sorted([number, 77])]


def test_fingerprints_that_have_gone_are_passed_over() -> None:
    made = {1: from_items(items(1)), 3: from_items(items(1))}
    candidates = iter([(1, 2), (1, 3), (2, 3)])
    assert near(candidates, made.get) == [[(1, 0.0), (3, 0.0)]]


def test_the_difference_is_that_from_the_nearest() -> None:
    made = {1: from_items(items(1)), 2: from_items(copy(items(1), altered=1.0)), 3: from_items(items(1))}
    made[3] = from_items(copy(made[2].items, altered=0.2, seed=5))
    ((_, first), (_, second), (_, third)) = near(iter([(1, 2), (1, 3), (2, 3)]), made.get)[0]
    assert second == third < first < 0.1


def test_nothing_gives_nothing() -> None:
    assert found({}) == []
    assert found({1: (), 2: ()}) == []


def test_what_is_kept_goes_to_files_when_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likeness, "_BUFFERED", 8)
    fingerprints = {number: items(number) for number in range(100)}
    fingerprints[7] = copy(fingerprints[3])
    with ExitStack() as stack:
        searched = Likeness(stack)
        for number, each in fingerprints.items():
            searched.add(number, from_items(each))
        assert max(map(len, searched._kept._buffers)) < 8
        assert list(searched.candidates()) == [(3, 7)]
