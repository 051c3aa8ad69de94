"""Tables as text: comma- or tab-separated values (RFC 4180), and JSON lines."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Protocol

from audiobatchd.exports.tracks import Table, Type, as_text


class Output(Protocol):
    """Takes text."""

    def write(self, text: str, /) -> object:
        """Write it."""


_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", re.IGNORECASE)
"""A negative number, as JSON has it: in a column where others are text, numbers are told as text too."""


def write_csv(table: Table, stream: Output) -> None:
    """Write comma-separated values: names first, nothing where a value is missing, mappings as JSON.

    Text that a spreadsheet would run as a formula has an apostrophe before it.
    """
    _write_separated(table, stream, ",")


def write_tsv(table: Table, stream: Output) -> None:
    """Write tab-separated values, else as `write_csv`."""
    _write_separated(table, stream, "\t")


def write_jsonl(table: Table, stream: Output) -> None:
    """Write an object for each track, a line each, with every field; null where a value is missing."""
    for track in table.tracks:
        stream.write(json.dumps(track.values, ensure_ascii=False) + "\n")


def _write_separated(table: Table, stream: Output, delimiter: str) -> None:
    # Before Python 3.13 only those characters that end lines are quoted within a text, and readers take both for ends.
    output = stream if delimiter == "," else _LineFeeds(stream)
    writer = csv.writer(output, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow([_harmless(field.name) for field in table.fields])
    writer.writerows(_lines(table))


def _lines(table: Table) -> Iterator[list[object]]:
    """Yield cells: numbers as they are, so that they are read back the same, and what is missing as None."""
    others = [field.name for field in table.fields if field.type is not Type.NUMBER]
    for track in table.tracks:
        cells = {name: _harmless(as_text(value)) for name in others if (value := track.values[name]) is not None}
        yield list((track.values | cells).values())


def _harmless(text: str) -> str:
    return "'" + text if text.startswith(_STARTS_A_FORMULA) and not _NEGATIVE.fullmatch(text) else text


class _LineFeeds:
    """Writes lines, each at once and with CR and LF behind it, with the LF alone."""

    def __init__(self, stream: Output) -> None:
        self._stream = stream

    def write(self, line: str, /) -> None:
        """Write a line."""
        self._stream.write(line.removesuffix("\r\n") + "\n")
