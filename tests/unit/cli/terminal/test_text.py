"""Text that has to fit: widths, shortening, escapes, and numbers as words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.cli.terminal.text import cells, clipped, padded, shortened, wrapped
from audiobatchd.vocabulary.names import printable


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("한글", 4), ("\u1112\u1161\u11ab", 2), ("", 0)]
)
def test_cells(text: str, width: int) -> None:
    assert cells(text) == width


@given(st.text(), st.integers(1, 60))
def test_nothing_is_wider_than_asked(text: str, width: int) -> None:
    assert cells(clipped(text, width)) <= width
    assert cells(shortened(text, width)) <= width
    assert cells(padded(text, width)) == width


@given(st.text(), st.integers(2, 60), st.integers(1, 5))
def test_wrapping_keeps_to_its_lines(text: str, width: int, most: int) -> None:
    lines = wrapped(printable(text), width, most)
    assert len(lines) <= most
    assert all(cells(line) <= width for line in lines)


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_steers_the_terminal(text: str) -> None:
    shown = printable(text)
    assert "\x1b" not in shown
    assert not any(char < " " or "\x7f" <= char <= "\x9f" or "\u202a" <= char <= "\u202e" for char in shown)
    shown.encode()


def test_escapes_of_names_are_kept(hostile: tuple[str, ...]) -> None:
    assert printable(r"caf\xe9") == r"caf\xe9"
    assert printable("a\u202eb\udce9") == r"a\xe2\x80\xaeb\xe9"
    harmless = [name for name in hostile if name.isprintable()]
    assert [printable(name) for name in harmless] == harmless


def test_both_ends_of_a_name_stay() -> None:
    assert shortened("Artist - Album - Track 01", 15) == "Artist …rack 01"


def test_wrapping_breaks_at_spaces() -> None:
    assert wrapped("one two three four", 9, 5) == ["one two", "three", "four"]
    assert wrapped("one two three four", 9, 2) == ["one two", "three fo…"]
