"""The C library's random numbers begin again before each file."""

from __future__ import annotations

import ctypes

from audiobatch_analyzers.rhythm import ties

LIBC = ctypes.CDLL(None)


def drawn() -> list[int]:
    return [LIBC.rand() for _ in range(5)]


def test_the_same_numbers_are_drawn_for_every_file() -> None:
    ties.draw_alike()
    first = drawn()
    assert drawn() != first
    ties.draw_alike()
    assert drawn() == first


def test_they_are_those_of_a_process_without_a_seed() -> None:
    ties.draw_alike()
    first = drawn()
    LIBC.srand(1)  # what C says of a process that has set none
    assert drawn() == first
