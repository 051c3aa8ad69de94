"""The lines of a TOML file on which its keys stand: a parser of TOML tells none of a file that it takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

Place = tuple[str | int, ...]

_HEADING = re.compile(r"""\s*(\[\[?)\s*([\w\s."'-]+?)\s*\]\]?\s*(?:\#.*)?$""")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_SEVERAL_LINES = ('"""', "'''")


def said(content: bytes, place: Place) -> str:
    """Say on which line a place is: " (line 3)"; empty where that is not sure."""
    line = line_of(content.decode(errors="replace"), place)
    return f" (line {line})" if line else ""


def line_of(text: str, place: Place) -> int | None:
    """Find the line of a key, or else of what it stands in, or of the first thing in it.

    None where there is none, or a text of several lines could be taken for keys.
    """
    if any(each in text for each in _SEVERAL_LINES):
        return None
    found: dict[Place, int] = {}
    for number, here in _places(text):
        found.setdefault(here, number)
    lengths = range(len(place), 0, -1)
    around = next((found[place[:length]] for length in lengths if place[:length] in found), None)
    return around or next((line for here, line in found.items() if here[: len(place)] == place), None)


def _places(text: str) -> Iterator[tuple[int, Place]]:
    """Yield each heading and each key with the number of its line."""
    tables: Counter[str] = Counter()
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            table = _parts(heading[2])
            if heading[1] == "[" and table[1:] and tables[str(table[0])]:
                table = (table[0], tables[str(table[0])] - 1, *table[1:])  # of the last of its tables
            if heading[1] == "[[":
                name = ".".join(map(str, table))
                yield number, table
                table = (*table, tables[name])
                tables[name] += 1
            yield number, table
        elif key := _KEY.match(line):
            yield number, (*table, *_parts(key[1]))


def _parts(key: str) -> Place:
    return tuple(each.strip("\"'") for each in _PART.findall(key))
