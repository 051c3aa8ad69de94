"""Names are bytes: every one can be shown, and what is shown leads back to it."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiobatchd.vocabulary.names import parsed, shown

NAMES = st.binary(min_size=1, max_size=40).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"-"))
NASTY = st.lists(
    st.sampled_from([b"\\", b"x", b"\\x", b"\\xe9", b"e9", b"\xe9", b"\xc3\xa9", b"\n", b"\x1b[31m", b"\xc2\x85"]),
    max_size=12,
).map(b"".join)


@given(NAMES | NASTY)
def test_every_name_comes_back(name: bytes) -> None:
    assert os.fsencode(parsed(shown(os.fsdecode(name)))) == name


@given(NAMES | NASTY)
def test_what_is_shown_is_one_line_of_text_and_steers_nothing(name: bytes) -> None:
    text = shown(os.fsdecode(name))
    assert text.encode().decode() == text
    assert len(text.splitlines()) <= 1
    assert not {unicodedata.category(char) for char in text} & {"Cc", "Cs", "Zl", "Zp"}


@given(NAMES | NASTY, NAMES | NASTY)
def test_no_two_names_look_the_same(one: bytes, other: bytes) -> None:
    assert (shown(os.fsdecode(one)) == shown(os.fsdecode(other))) == (one == other)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\\")))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert shown(text) == parsed(text) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", r"caf\xe9"),
        (b"a\\b", r"a\x5cb"),
        (rb"caf\xe9", r"caf\x5cxe9"),
        (b"tab\tline\nbell\x07", r"tab\x09line\x0abell\x07"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\x7f\xc2\x80\xc2\x9f", r"\x7f\xc2\x80\xc2\x9f"),
        ("\u2028\u2029".encode(), r"\xe2\x80\xa8\xe2\x80\xa9"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\xf0\x9f\x98\x80 \xf0\x9f\x98", "\U0001f600 \\xf0\\x9f\\x98"),
        (b' "quoted" ', ' "quoted" '),
    ],
)
def test_examples(name: bytes, text: str) -> None:
    assert shown(os.fsdecode(name)) == text
    assert os.fsencode(parsed(text)) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("café", "caf\xc3\xa9".encode("latin-1")),
        ("caf\udce9", b"caf\xe9"),
        (r"a\b", rb"a\b"),
        (r"\x", rb"\x"),
        (r"\xg0", rb"\xg0"),
        (r"\xE9", rb"\xE9"),
        (r"\xe", rb"\xe"),
        (r"\xc3\xa9", b"\xc3\xa9"),
    ],
)
def test_what_somebody_types_without_an_escape_is_taken_as_it_is(text: str, name: bytes) -> None:
    assert os.fsencode(parsed(text)) == name
