"""Text for a terminal: how wide it is, and how it is made to fit.

Widths are in terminal cells: a Chinese character takes two, a combining accent none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple, TextIO

import msgspec

from audiobatchd.vocabulary.names import HARMLESS

ELLIPSIS = "…"
# What views draw with, for terminals and files that are not UTF-8.
_PLAIN_SIGNS = str.maketrans({"█": "#", "▓": "!", "░": ".", "…": "~"})


class Tone(Enum):
    """The tone of a piece of text; the value is its SGR parameter (ECMA-48), empty for none."""

    PLAIN = ""
    STRONG = "1"
    FAINT = "2"
    BAD = "31"
    GOOD = "32"
    CAUTION = "33"


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    tone: Tone = Tone.PLAIN


Line = tuple[Span, ...]


def cells(text: str) -> int:
    """Count the cells that a terminal needs for `text`."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    # The vowels and finals of decomposed Hangul are drawn into the consonant before them.
    if char in HARMLESS or "\u1160" <= char <= "\u11ff" or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def clipped(text: str, width: int) -> str:
    """`text` with its end left out where it is wider than `width`."""
    return text if cells(text) <= width else _head(text, width - 1) + ELLIPSIS[: max(0, width)]


def shortened(text: str, width: int) -> str:
    """`text` with its middle left out where it is wider than `width`: both ends of a name tell tracks apart."""
    if cells(text) <= width:
        return text
    tail = _head(text[::-1], (width - 1) // 2)[::-1]
    while tail and not _cells_of(tail[0]):
        tail = tail[1:]  # an accent whose letter was left out
    return _head(text, width - 1 - cells(tail)) + ELLIPSIS[: max(0, width)] + tail


def padded(text: str, width: int) -> str:
    """`text` shortened to `width` and filled up to it."""
    text = shortened(text, width)
    return text + " " * (width - cells(text))


def wrapped(text: str, width: int, most: int) -> list[str]:
    """`text` broken at spaces into at most `most` lines of `width`; what is too much is left out at the end."""
    width = max(1, width)
    lines: list[str] = []
    rest = text.strip()
    while rest and len(lines) < most - 1 and cells(rest) > width:
        head = _head(rest, width) or rest[0]
        if not rest[len(head)].isspace() and head.rfind(" ") > len(head) // 2:
            head = head[: head.rfind(" ")]
        lines.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return [*lines, clipped(rest, width)] if rest else lines


def worded(text: str, width: int) -> list[str]:
    """`text` broken between its words into lines of `width`; a word that is wider stays whole, on a line of its own.

    So a path or a command that is told can be copied.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _head(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _cells_of(char)
        if used > width:
            return text[:index]
    return text


def cut(line: Line, width: int) -> Line:
    """`line` with its end left out where it is wider than `width`."""
    spans: list[Span] = []
    for span in line:
        text = clipped(span.text, width)
        if text:
            spans.append(Span(text, span.tone))
        width -= cells(span.text)
        if width <= 0:
            break
    return tuple(spans)


def line_cells(line: Line) -> int:
    """The width of a whole line."""
    return sum(cells(span.text) for span in line)


def flowed(items: Iterable[Span], width: int, indent: str = "", gap: str = "  ") -> list[Line]:
    """`items` one after the other with `gap` between them, on as many lines as it takes."""
    lines: list[Line] = []
    line: Line = ()
    for item in items:
        span = Span(clipped(item.text, width - len(indent)), item.tone)
        if line and line_cells(line) + len(gap) + cells(span.text) <= width:
            line = (*line, Span(gap), span)
        else:
            lines += [line] if line else []
            line = (Span(indent), span)
    return [*lines, line] if line else lines


def as_ansi(line: Line, *, colour: bool) -> str:
    """`line` as a terminal takes it, in colour or without."""
    if not colour:
        return "".join(span.text for span in line).rstrip()
    return "".join(f"\x1b[{span.tone.value}m{span.text}\x1b[0m" if span.tone.value else span.text for span in line)


def as_json(answer: object) -> str:
    """An answer in JSON, as `harmless_json` has it."""
    return harmless_json(msgspec.json.encode(answer))


def harmless_json(encoded: bytes, *, indent: int = 2) -> str:
    r"""Indent JSON, with `\uNNNN` for every character that a terminal might act on.

    With an `indent` of 0 it is one line.
    """
    text = msgspec.json.format(encoded, indent=indent).decode()
    return "".join(char if char.isprintable() or char == "\n" else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", errors="surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def write(text: str, stream: TextIO) -> None:
    """Print `text`; what the stream's encoding has no sign for is written in plainer ones, or escaped."""
    print(in_encoding(text, stream.encoding or "utf-8"), file=stream)  # that is what it is for


def in_encoding(text: str, encoding: str) -> str:
    """`text` with plainer signs, or escapes, for what `encoding` has no sign for."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_PLAIN_SIGNS).encode(encoding, errors="backslashreplace").decode(encoding)
    return text
