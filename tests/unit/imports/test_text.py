"""Names as text, and which fold alike."""

from __future__ import annotations

import os

import pytest

from audiobatchd.imports.text import clean, folded, readable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"cafe\xcc\x81", "café"),
        (b"caf\xe9", "café"),
        (b"\x93quoted\x94", "\u201cquoted\u201d"),
        (b"\x81", ""),
    ],
)
def test_a_name_of_any_encoding_is_readable(raw: bytes, text: str) -> None:
    assert readable(os.fsdecode(raw)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x07c", "abc"),
        ("two\nlines\tand  blanks ", "two lines and blanks"),
        ("\u202egnp.exe", "gnp.exe"),
        ("half \ud800 pair", "half pair"),
    ],
)
def test_what_steers_is_taken_out(text: str, expected: str) -> None:
    assert clean(text) == expected


def test_names_fold_alike_by_case_and_accents() -> None:
    assert folded("CAFE\u0301 Straße") == folded("café STRASSE")
    assert folded("cafe") != folded("café")
