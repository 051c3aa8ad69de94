"""Near duplicates among many fingerprints, without holding each against each.

Of every fingerprint the 96 sub-fingerprints that come first in a scrambled order are kept, the same ones of the same
music: two recordings that have a fifteenth of their sub-fingerprints in common, as a lossy copy has that begins half a
hop later, share six of these on average. Folders that share two or more are candidates. What is kept goes through files
without a name, in parts that are sorted one by one: memory does not grow with the number of folders.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import combinations, groupby
from operator import itemgetter
from typing import IO

from audiobatchd.core.chromaprint import Fingerprint, difference

MOST_DIFFERENT = 0.15
"""Share of the bits in which near duplicates may differ: copies differ in at most 0.13, other music from 0.34 on."""

KEPT = 96
"""Sub-fingerprints that are kept of each fingerprint."""

LEAST_SHARED = 2
"""Kept sub-fingerprints that two folders must share: one is alike by chance among a hundred thousand."""

_PARTS = 64
_BUFFERED = 4096
_SCRAMBLE = 2654435761
_ALL_PAIRS = 16
"""Folders that share one sub-fingerprint up to which all are paired; of more, each with the first alone."""

_LOW = (1 << 32) - 1


class Pairs:
    """Pairs of 32-bit numbers in files without a name, parted by the first one, to be read in order."""

    def __init__(self, stack: ExitStack) -> None:
        opened = (tempfile.TemporaryFile() for _ in range(_PARTS))  # noqa: SIM115  # the stack closes them
        self._files: list[IO[bytes]] = [stack.enter_context(each) for each in opened]
        self._buffers = [array("Q") for _ in range(_PARTS)]

    def add(self, first: int, second: int) -> None:
        """Add a pair. Raises OSError where there is no space."""
        buffer = self._buffers[first % _PARTS]
        buffer.append(first << 32 | second)
        if len(buffer) >= _BUFFERED:
            buffer.tofile(self._files[first % _PARTS])
            del buffer[:]

    def sorted(self) -> Iterator[int]:
        """Yield the pairs, the first number in the upper half, part by part; equal ones come one after the other."""
        for file, buffer in zip(self._files, self._buffers, strict=True):
            buffer.tofile(file)
            file.seek(0)
            yield from sorted(array("Q", file.read()))


class Likeness:
    """Fingerprints of many folders, each known by a number, in the order of these."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._kept = Pairs(stack)

    def add(self, number: int, fingerprint: Fingerprint) -> None:
        """Add the fingerprint of a folder. Raises OSError where there is no space."""
        scrambled = sorted({item * _SCRAMBLE & _LOW for item in fingerprint.items})
        for key in scrambled[:KEPT]:
            self._kept.add(key, number)

    def candidates(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of folders that share enough, the lower number first, those of one folder together."""
        pairs = Pairs(self._stack)
        for _, group in groupby(self._kept.sorted(), lambda pair: pair >> 32):
            numbers = [each & _LOW for each in group]
            alike = combinations(numbers, 2) if len(numbers) <= _ALL_PAIRS else ((numbers[0], n) for n in numbers[1:])
            for first, second in alike:
                pairs.add(first, second)
        for pair, group in groupby(pairs.sorted()):
            if sum(1 for _ in group) >= LEAST_SHARED:
                yield pair >> 32, pair & _LOW


def near(
    candidates: Iterator[tuple[int, int]], fingerprint: Callable[[int], Fingerprint | None]
) -> list[list[tuple[int, float]]]:
    """Hold the `candidates` against each other, and give the groups of near duplicates, by their first numbers.

    Each of a group but its first comes with the share of bits by which it differs from another one of the group, the
    nearest that it was held against. `fingerprint` gives that of a folder, None where it has gone.
    """
    leaders: dict[int, int] = {}
    differences: dict[int, float] = {}
    for first, second in candidates:
        one, other = fingerprint(first), fingerprint(second)
        if one is None or other is None:
            continue
        share = difference(one, other)
        if share is None or share > MOST_DIFFERENT:
            continue
        for number in (first, second):
            differences[number] = min(share, differences.get(number, 1.0))
        low, high = sorted((_leader(leaders, first), _leader(leaders, second)))
        leaders[high] = leaders[low] = low
    groups: dict[int, list[tuple[int, float]]] = {}
    for number in sorted(differences):
        groups.setdefault(_leader(leaders, number), []).append((number, differences[number]))
    return sorted(groups.values(), key=itemgetter(0))


def _leader(leaders: dict[int, int], number: int) -> int:
    """Find the lowest number of the group that `number` is in."""
    while leaders.get(number, number) != number:
        number = leaders[number]
    return number
