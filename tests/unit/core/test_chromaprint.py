"""Fingerprints: read as Chromaprint's own library reads them, and compared over the place where they agree."""

from __future__ import annotations

import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from importlib.util import find_spec

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from audiobatchd.core.chromaprint import LONGEST, decode, difference, from_items
from support import chromaprint

needs_chromaprint = pytest.mark.skipif(find_spec("essentia") is None, reason="there is no Chromaprint to compare with")

PUBLISHED = "AQAAC0okJsmSPCCaa6gSHWODF-n05jj0wC8eAWK4AQBywAA"
"""The fingerprint of four seconds of a recording, by Essentia."""
ITEMS = (
    3225221294, 3225221286, 3224270998, 1076788550, 1076782338, 1076766466, 15475235, 15491619, 2908705, 3043841,
    3064321,
)  # fmt: skip
"""What Chromaprint's library reads out of it."""


@needs_chromaprint
@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=60))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_items_are_read_as_the_library_wrote_them(items: list[int]) -> None:
    assert list(decode(chromaprint.encoded(items).encode()).items) == items


@needs_chromaprint
@given(st.integers(0, 1 << 32), st.integers(1, 1000))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_slowly_changing_items_are_read_too(seed: int, count: int) -> None:
    source, item = random.Random(seed), 0
    items = [item := item ^ 1 << source.randrange(32) for _ in range(count)]
    assert list(decode(chromaprint.encoded(items).encode()).items) == items


def test_a_known_text_holds_known_items() -> None:
    assert decode(PUBLISHED.encode()).items == ITEMS
    assert decode(b"AQAAAA").items == ()


def changed(alter: dict[int, int]) -> str:
    data = bytearray(urlsafe_b64decode(PUBLISHED + "="))
    for place, value in alter.items():
        data[place] = value
    return urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AQAA",
        "not base64!",
        PUBLISHED + "\n",
        "\u00e9" * 8,
        changed({0: 2}),
        changed({1: 255}),
        changed({3: 60}),
        PUBLISHED[:-8],
        "AQAAAQ",
        urlsafe_b64encode(b"\1\0\0\1" + b"\x92\x24\x49" * 6).decode(),
        urlsafe_b64encode(b"\1\0\0\1" + b"\xff" * 30 + b"\0" * 60).decode(),
        urlsafe_b64encode(b"\1\xff\xff\xff" + b"\x49" * 40_000).decode(),
        "A" * (LONGEST + 1),
    ],
    ids=lambda text: f"{len(text)} {text[:12]!r}",
)
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^it "):
        decode(text.encode())


@given(st.text("AQabz019-_", max_size=200))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert all(0 <= item < 1 << 32 for item in decode(text.encode()).items)


def made_up(seed: int, count: int) -> list[int]:
    source = random.Random(seed)
    return [source.getrandbits(32) for _ in range(count)]


def noisy(items: list[int], share: float, seed: int = 1) -> list[int]:
    """The items with `share` of all bits turned over, in part of them."""
    source = random.Random(seed)
    return [item if source.random() < 0.5 else item ^ bits(source, round(64 * share)) for item in items]


def bits(source: random.Random, count: int) -> int:
    return sum(1 << place for place in source.sample(range(32), count))


@pytest.mark.parametrize("shift", [0, 1, 16, 150])
@pytest.mark.parametrize("share", [0.0, 1 / 16, 1 / 8])
def test_differing_bits_are_counted_over_the_best_place(share: float, shift: int) -> None:
    items = made_up(1, 400)
    one, other = from_items(tuple(items)), from_items(tuple(noisy(items, share)[shift:]))
    assert difference(one, other) == pytest.approx(share, abs=0.02)
    assert difference(other, one) == difference(one, other)


def test_other_music_has_no_place_in_common() -> None:
    one, other = (from_items(tuple(made_up(seed, 400))) for seed in (1, 2))
    assert difference(one, other) is None
    assert difference(one, from_items(())) is None


def test_a_few_items_in_common_do_not_make_a_duplicate() -> None:
    one, other = made_up(1, 400), made_up(2, 400)
    other[100:130] = one[50:80]
    share = difference(from_items(tuple(one)), from_items(tuple(other)))
    assert share is not None
    assert share > 0.4


@pytest.mark.parametrize(
    ("count", "covered", "enough"), [(400, 190, False), (400, 210, True), (60, 39, False), (60, 41, True)]
)
def test_half_of_the_shorter_and_five_seconds_must_be_covered(count: int, covered: int, enough: bool) -> None:
    whole = made_up(1, 2 * count - covered)
    one, other = from_items(tuple(whole[:count])), from_items(tuple(whole[-count:]))
    assert (difference(one, other) == 0.0) is enough


def test_a_long_tone_is_laid_over_by_what_stands_beside_it() -> None:
    items = [*made_up(1, 50), *[7] * 300, *made_up(2, 50)]
    assert difference(from_items(tuple(items)), from_items(tuple(items[10:]))) == 0.0
    assert difference(from_items((7,) * 300), from_items((7,) * 300)) is None
