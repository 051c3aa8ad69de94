"""The members of a JSON object as they stand in its text: each key, and each value as the bytes that it has there.

What Python's `json` reads and writes beside JSON is taken as well: NaN, Infinity, -Infinity, halves of surrogate pairs.
Bytes in texts need not be UTF-8. The text is read in small steps and without recursion: neither depth nor length nor
the number of members holds up other threads for long.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from audiobatchd.vocabulary.names import shown

_BLANK = rb"[ \t\n\r]*+"
_PIECE = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\x00-\x1f]*+){0,500}'
_STRING = rb'"' + _PIECE + rb'"'
"""A text, but for texts with very many escapes. Groups are not possessive: Python 3.11 does not go back behind them."""
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
_WORD = rb"true|false|null|NaN|-?Infinity"

_skip = re.compile(_BLANK).match
_colon = re.compile(_BLANK + rb":" + _BLANK).match
_piece = re.compile(_PIECE).match
_plain = re.compile(_WORD + rb"|" + _NUMBER).match
_number = re.compile(_NUMBER).fullmatch
_items = re.compile(
    rb"(?:" + _BLANK + rb"(?:" + _STRING + rb"|" + _WORD + rb"|" + _NUMBER + rb")" + _BLANK + rb",){0,1000}" + _BLANK
).match
"""Some of the items of a list, each with its comma: one step where there would be a thousand."""

_CLOSES = {ord("["): ord("]"), ord("{"): ord("}")}
_OBJECT_ENDS = ord("}")
_NOTHING = frozenset({b"null", b"NaN", b"Infinity", b"-Infinity"})
_SURELY_FINITE = 308
"""Digits that a number without exponent may have: the largest float has one more."""
_LONGEST_KEY = 60


class Member(NamedTuple):
    """A member of an object."""

    key: str
    """The key as text, its escapes resolved."""
    written: bytes
    """The key as it is written, with its quotation marks."""
    value: bytes
    """The value as it is written."""


class MalformedError(ValueError):
    """Raised where a text is no JSON object; the message has the line, and the key where there is one."""


def members(text: bytes) -> Iterator[Member]:
    """Yield the members of the object that `text` is, in their order; a key may come more than once.

    Raises MalformedError, for what stands far behind only when it is come to.
    """
    parser = _Parser(text)
    at = _blank(text, 0)
    if not text.startswith(b"{", at):
        raise parser.wrong(at, "expected an object in braces")
    at = _blank(text, at + 1)
    if text.startswith(b"}", at):
        parser.must_end(at + 1)
        return
    while True:
        written, begin = parser.member(at)
        end = parser.value(begin)
        yield Member(parser.key, written, text[begin:end])
        at = _blank(text, end)
        if text.startswith(b"}", at):
            parser.must_end(at + 1)
            return
        at = parser.must_go_on(at, "}")


def is_nothing(value: bytes) -> bool:
    """Tell whether a value as it is written counts as missing: `null`, or no finite number (`NaN`, `1e400`)."""
    if value in _NOTHING:
        return True
    may_overflow = len(value) > _SURELY_FINITE or b"e" in value or b"E" in value
    return may_overflow and _number(value) is not None and math.isinf(float(value))


def decoded(value: bytes) -> object:
    """Decode a value as Python's `json` does; bytes outside UTF-8 become halves of surrogate pairs, as in file names.

    Raises RecursionError where it is nested deeper than Python can follow.
    """
    return json.loads(value.decode("utf-8", "surrogateescape"), parse_int=_integer)


def _integer(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # more digits than Python makes a number of
        return float(digits)


def _blank(text: bytes, at: int) -> int:
    found = _skip(text, at)
    assert found
    return found.end()


class _Parser:
    """Goes through one text."""

    def __init__(self, text: bytes) -> None:
        self.key = ""
        """The outermost key that it came by last."""
        self._text = text
        self._has_key = False

    def member(self, at: int) -> tuple[bytes, int]:
        """Take the outermost key at `at`: as it is written, and where its value begins."""
        written = self._text[at : self._string(at)]
        try:
            self.key = json.loads(written) if b"\\" in written else written[1:-1].decode()
        except UnicodeDecodeError as error:
            why = f"the key {shown(written.decode('utf-8', 'surrogateescape'))} is not UTF-8"
            raise self.wrong(at, why) from error
        self._has_key = True
        return written, self._value_of_key(at)

    def value(self, at: int) -> int:
        """Find the end of the value that begins at `at`."""
        text, open_ = self._text, bytearray()
        while True:
            closing = _CLOSES.get(text[at]) if at < len(text) else None
            if closing is None:
                at = self._scalar(at)
            else:
                at = _blank(text, at + 1)
                if at >= len(text) or text[at] != closing:
                    open_.append(closing)
                    at = self._inside(at, closing)
                    continue
                at += 1
            while open_:
                at = _blank(text, at)
                if at < len(text) and text[at] == open_[-1]:
                    open_.pop()
                    at += 1
                    continue
                at = self._inside(self.must_go_on(at, chr(open_[-1])), open_[-1])
                break
            else:
                return at

    def must_go_on(self, at: int, closing: str) -> int:
        """Find the part behind the comma at `at`."""
        if not self._text.startswith(b",", at):
            raise self.wrong(at, f"expected ',' or '{closing}'")
        return _blank(self._text, at + 1)

    def must_end(self, at: int) -> None:
        """See to it that nothing follows the object."""
        at = _blank(self._text, at)
        if at < len(self._text):
            self._has_key = False
            raise self.wrong(at, "something follows the object")

    def wrong(self, at: int, why: str) -> MalformedError:
        """Make the error that says what is wrong at `at`."""
        line = self._text.count(b"\n", 0, at) + 1
        where = f"line {line}"
        if self._has_key:
            name = self.key[:_LONGEST_KEY].encode("utf-8", "replace").decode()
            where += f", key '{shown(name)}{'...' if len(self.key) > _LONGEST_KEY else ''}'"
        return MalformedError(f"{where}: {'it ends in the middle' if at >= len(self._text) else why}")

    def _inside(self, at: int, closing: int) -> int:
        """Find the next value in what `closing` will end: behind its key, or behind some items of a list."""
        if closing != _OBJECT_ENDS:
            found = _items(self._text, at)
            assert found
            return found.end()
        return self._value_of_key(at)

    def _value_of_key(self, at: int) -> int:
        """Find the value that belongs to the key at `at`."""
        found = _colon(self._text, self._string(at))
        if found is None:
            raise self.wrong(self._string(at), "expected ':'")
        return found.end()

    def _string(self, at: int) -> int:
        """Find the end of the text in quotes that begins at `at`."""
        if not self._text.startswith(b'"', at):
            raise self.wrong(at, "expected a key in double quotes")
        end = at + 1
        while (found := _piece(self._text, end)) and found.end() > end:
            end = found.end()
        if not self._text.startswith(b'"', end):
            raise self.wrong(end, "a text has a character or an escape that JSON does not know")
        return end + 1

    def _scalar(self, at: int) -> int:
        if self._text.startswith(b'"', at):
            return self._string(at)
        found = _plain(self._text, at)
        if found is None:
            raise self.wrong(at, "expected a value")
        return found.end()
