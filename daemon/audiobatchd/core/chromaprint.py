"""Acoustic fingerprints as Chromaprint writes them: reading one, and in how many bits two differ at their best.

A fingerprint is a row of sub-fingerprints of 32 bits, one every 0.124 s. It is written as base64 of a header (algorithm
and number of these) and of what changes from each to the next: the distances between the bits that do, in three bits
each, and for those of 7 and above in five more, which stand behind all others. It is read here without numpy, which the
command line does not load.
"""

from __future__ import annotations

import binascii
import re
import struct
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator

from msgspec import Struct

BITS = 32
"""Bits of a sub-fingerprint."""

SECONDS_EACH = 1365 / 11025
"""Seconds from one sub-fingerprint to the next."""

ALGORITHM = 1
"""CHROMAPRINT_ALGORITHM_TEST2, by default that of every tool; others give other numbers for the same music."""

LONGEST = 1 << 16
"""Characters of a fingerprint that are read: those of half an hour."""

SHORTEST_OVERLAP = 40
"""Sub-fingerprints, 5 s, over which two have to agree at least: in less, different music is alike by chance."""

_HEADER = 4
_BASE64 = re.compile(rb"[A-Za-z0-9_-]+").fullmatch
_END, _LARGE = ord("0"), ord("7")
_BIT = (0, *(1 << place for place in range(BITS)))
"""Bits by their places, which are counted from 1."""
_OFTEN = 8
_OFFSETS = 3


class Fingerprint(Struct, frozen=True):
    """Sub-fingerprints of a track, in two forms."""

    items: tuple[int, ...]
    """Numbers of 32 bits, in the order of time."""
    bits: int
    """One long row of bits, the first number in the lowest ones."""


def decode(text: bytes) -> Fingerprint:
    """Read a fingerprint in base64. Raises ValueError where it is none, or by another algorithm."""
    if len(text) > LONGEST or not _BASE64(text):
        raise ValueError("it is no base64, or too long")
    try:
        data = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("it is no base64") from error
    if len(data) < _HEADER or data[0] != ALGORITHM:
        raise ValueError("it is by another algorithm")
    return from_items(_items(data[_HEADER:], int.from_bytes(data[1:_HEADER], "big")))


def from_items(items: tuple[int, ...]) -> Fingerprint:
    """Make a fingerprint of its sub-fingerprints."""
    return Fingerprint(items, int.from_bytes(struct.pack(f"<{len(items)}I", *items), "little"))


def difference(one: Fingerprint, other: Fingerprint) -> float | None:
    """Return the share of bits in which two differ where they agree best, one shifted against the other.

    They are laid over each other where most sub-fingerprints are equal; at least half of the shorter one has to be
    covered, and 5 s. None where no such place is found.
    """
    least = max(SHORTEST_OVERLAP, min(len(one.items), len(other.items)) // 2)
    found = (_differing(one, other, offset, least) for offset in _offsets(one, other))
    return min((share for share in found if share is not None), default=None)


def _items(packed: bytes, count: int) -> tuple[int, ...]:
    """Unpack `count` sub-fingerprints. Raises ValueError where they are not all there."""
    # In octal, from the lowest bit on, a number of three bits is a digit, and a sub-fingerprint ends with a 0.
    whole = 8 * len(packed) // 3
    digits = oct(int.from_bytes(packed, "little"))[:1:-1].encode()[:whole].ljust(whole, b"0")
    *parts, beyond = digits.split(b"0", count)
    if len(parts) < count:
        raise ValueError("it is cut off")
    codes = digits[: len(digits) - len(beyond)]
    behind = packed[-(-3 * len(codes) // 8) :]
    large = codes.count(_LARGE)
    if 5 * large > 8 * len(behind):
        raise ValueError("it is cut off")
    rest = int.from_bytes(behind, "little")
    try:
        return _unpacked(codes, iter([rest >> 5 * place & 31 for place in range(large)]))
    except IndexError as error:
        raise ValueError("it has more than 32 bits at a time") from error


def _unpacked(codes: bytes, beyond: Iterator[int]) -> tuple[int, ...]:
    """Make sub-fingerprints of `codes`, octal digits, and what the largest of these have `beyond` them.

    Raises IndexError where a distance leads beyond the last bit.
    """
    items: list[int] = []
    item = place = 0
    for code in codes:
        if code == _END:
            items.append(item)
            place = 0
            continue
        place += code - _END
        if code == _LARGE:
            place += next(beyond)
        item ^= _BIT[place]
    return tuple(items)


def _offsets(one: Fingerprint, other: Fingerprint) -> set[int]:
    """Find by how many sub-fingerprints `other` may begin later than `one`: most equal ones lie so, or next to it."""
    places: dict[int, list[int]] = {}
    for place, item in enumerate(one.items):
        places.setdefault(item, []).append(place)
    # A long tone has one sub-fingerprint for long, which tells nothing of where.
    votes = Counter(
        before - place
        for place, item in enumerate(other.items)
        if len(found := places.get(item, ())) <= _OFTEN
        for before in found
    )
    return {offset + beside for offset, _ in votes.most_common(_OFFSETS) for beside in (-1, 0, 1)}


def _differing(one: Fingerprint, other: Fingerprint, offset: int, least: int) -> float | None:
    """Return the share of differing bits where `other` is laid `offset` behind the start of `one`."""
    start, begin = max(offset, 0), max(-offset, 0)
    count = min(len(one.items) - start, len(other.items) - begin)
    if count < least:
        return None
    apart = one.bits >> BITS * start ^ other.bits >> BITS * begin
    return (apart & (1 << BITS * count) - 1).bit_count() / (BITS * count)
