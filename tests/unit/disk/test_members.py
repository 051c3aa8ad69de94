"""The members of an object as they stand in its text, held against what Python's `json` reads."""

from __future__ import annotations

import json
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audiobatchd.disk.members import MalformedError, decoded, is_nothing, members

_BLANKS = st.text(" \t\r\n", max_size=2)
_PLAIN = ["0", "-0", "1.50", "1e5", "-1E+400", "9" * 30, "true", "false", "null", "NaN", "Infinity", "-Infinity"]
_TEXTS = ['""', '"é"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\n\\"\\\\/"', '"a]}"', '"\x7f"', '"\\udce9\\u0041"']
_SCALARS = st.sampled_from(_PLAIN + _TEXTS)
_KEYS = st.sampled_from(['"a"', '"b"', '""', '"\\u0061"', '"\\ud800"', '"a b"'])


def _containers(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blanks = st.lists(_BLANKS, min_size=2, max_size=2)
    lists = st.builds(lambda items, blank: f"[{blank[0]}{','.join(items)}{blank[1]}]", st.lists(parts), blanks)
    pairs = st.lists(st.builds(lambda key, blank, value: f"{key}{blank}:{blank}{value}", _KEYS, _BLANKS, parts))
    objects = st.builds(lambda items, blank: "{" + blank[0] + ",".join(items) + blank[1] + "}", pairs, blanks)
    return lists | objects


_PADDED = st.builds(lambda value, blank: blank + value + blank, _SCALARS, _BLANKS)
_VALUES = st.recursive(_PADDED, _containers, max_leaves=20)
_OBJECTS = st.lists(st.tuples(_KEYS, _VALUES), max_size=5).map(
    lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
)
_SCRAPS = list('{}[],:"\\01-.e+ \n\0\x0b\ufeffé')
_SCRAPS += ["NaN", "Infinity", "tru", "null", '"a"', '"a":', '"\\u12"', '"\\x"', '"\n"']


def _theirs(text: str) -> list[tuple[str, object]] | None:
    """The pairs as `json` reads them; None where it refuses the text, or it is no object."""
    try:
        found = json.loads(text, object_pairs_hook=tuple)
    except ValueError:
        return None
    return list(found) if isinstance(found, tuple) else None


def _ours(text: str) -> list[tuple[str, object]] | None:
    try:
        found = list(members(text.encode()))
    except MalformedError:
        return None
    return [(each.key, json.loads(each.value, object_pairs_hook=tuple)) for each in found]


@settings(max_examples=300, deadline=None)
@given(text=_OBJECTS, blank=_BLANKS)
def test_what_json_reads_is_read_the_same(text: str, blank: str) -> None:
    text = blank + text + blank
    assert repr(_ours(text)) == repr(_theirs(text))
    assert _ours(text) is not None


@settings(max_examples=300, deadline=None)
@given(text=_OBJECTS)
def test_every_byte_of_keys_and_values_is_kept(text: str) -> None:
    rest = text.encode()
    for member in members(rest):
        for part in (member.written, member.value):
            before, found, rest = rest.partition(part)
            assert found == part
            assert not before.strip(b" \t\r\n{,:")
    assert not rest.strip(b" \t\r\n{}")


@settings(max_examples=500, deadline=None)
@given(text=_OBJECTS, at=st.integers(0, 200), cut=st.integers(0, 3), put=st.lists(st.sampled_from(_SCRAPS), max_size=2))
@example('{"a":1.}', 0, 0, [])
@example('{"a":1e}', 0, 0, [])
@example('{"a":01}', 0, 0, [])
def test_what_json_refuses_is_refused(text: str, at: int, cut: int, put: list[str]) -> None:
    spoilt = text[:at] + "".join(put) + text[at + cut :]
    assert repr(_ours(spoilt)) == repr(_theirs(spoilt))


@settings(max_examples=300, deadline=None)
@given(number=st.from_regex(r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?", fullmatch=True))
def test_a_number_is_nothing_where_a_float_is_not_finite(number: str) -> None:
    assert is_nothing(number.encode()) == (abs(float(number)) == float("inf"))


def test_a_long_text_of_escapes_is_read() -> None:
    text = b'{"' + b"\\n" * 3000 + b'": "' + b"\\u00e9x" * 3000 + b'"}'
    (member,) = members(text)
    assert (member.key, decoded(member.value)) == ("\n" * 3000, "éx" * 3000)


@pytest.mark.parametrize("begin", [b"[", b'{"a":', b'[1, {"a": 2, "b": '], ids=["lists", "objects", "both"])
def test_depth_needs_no_recursion(begin: bytes) -> None:
    ends = begin.replace(b"[", b"]").translate(None, b'0123456789ab,: "').replace(b"{", b"}")[::-1]
    value = begin * 100_000 + b"1" + ends * 100_000
    assert [member.value for member in members(b'{"deep": ' + value + b"}")] == [value]


def test_other_threads_go_on_while_many_members_are_read() -> None:
    text = b"{" + b",".join(b'"%d":1' % number for number in range(200_000)) + b"}"
    found: list[int] = []
    reader = threading.Thread(target=lambda: found.append(sum(1 for _ in members(text))))
    reader.start()
    turns = 0
    while reader.is_alive():
        reader.join(0)
        turns += 1
    assert found == [200_000]
    assert turns > 20
