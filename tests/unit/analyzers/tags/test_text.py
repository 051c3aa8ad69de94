"""Text of tags: what is joined, what is cleaned, and which year a date names."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatch_analyzers.tags.text import LONGEST, joined, year_in


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        (["", " ", "\0"], ""),
        (["Björk"], "Björk"),
        (["  A ", "B", "A"], "A; B"),
        (["A/B; C"], "A/B; C"),
        (["one\r\ntwo\tthree\0four\x1b[31m"], "one  two three four [31m"),
        (["a\ud800b\udfff"], "a\ufffdb\ufffd"),
        (["e\u0301", "\u00e9"], "e\u0301; \u00e9"),
        (["العربية 日本語 🎵"], "العربية 日本語 🎵"),
    ],
)
def test_values_become_one_clean_text(values: list[str], text: str) -> None:
    assert joined(values) == text


@given(st.lists(st.text(st.characters(codec=None)), max_size=3))
def test_any_text_can_be_written(values: list[str]) -> None:
    text = joined(values)
    assert not {unicodedata.category(each) for each in text} & {"Cc", "Cs"}
    text.encode()


def test_text_that_is_too_long_stays_too_long() -> None:
    assert len(joined(["x" * LONGEST])) == LONGEST
    assert LONGEST < len(joined(["x" * 10_000_000])) <= 2 * LONGEST


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2003", 2003),
        ("2003-05-01", 2003),
        ("2003-05-01T12:00:00Z", 2003),
        ("20030501", 2003),
        ("May 2003", 2003),
        ("01.05.2003", 2003),
        ("0000; 1997", 1997),
        ("1997; 2003", 1997),
        ("0000", None),
        ("'97", None),
        ("12345", None),
        ("sometime", None),
        ("", None),
        ("\u0662\u0660\u0660\u0663", None),
    ],
)
def test_year_is_the_first_of_four_digits(text: str, year: int | None) -> None:
    assert year_in(text) == year
