"""`audiobatchctl list` and `summary`: the values of a dataset's records, folder by folder or in short."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import msgspec

from audiobatchd.cli.results import Source, nothing_found, results_of
from audiobatchd.cli.terminal import output
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import cells, harmless_json, padded, shortened, wrapped
from audiobatchd.control.client import ControlClient
from audiobatchd.control.results import Column, Histogram, Query, Row, Summary, Value
from audiobatchd.results.condition import columns_of
from audiobatchd.results.query import mentions_state
from audiobatchd.scan.values import FOLDER, STATE, WHY
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted

_FIRST = ("bpm", "lufs", "lra", "true_peak", "key", "danceability", "duration", "brightness", "track_metadata_genre")
"""Columns that are shown where none is named, as far as there is room: these first, and others by name."""
_SAMPLE = 200
"""Number of rows that are measured to choose the widths of columns."""
_NARROWEST, _WIDEST = 16, 40
"""Cells of the column of folders at least, and of any other at most."""
_GAP = "  "
_BLOCKS, _PLAIN_BLOCKS = " ▁▂▃▄▅▆▇█", " .:-=+*%#"


def list_results(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show the folders that meet a condition, with their values. Exit code 1 where there is none."""
    sort = tuple(name for name in (arguments.sort or "").split(",") if name)
    names = tuple(dict.fromkeys(arguments.columns)) if arguments.columns else None
    words = (*(names or ()), *sort, arguments.where)
    with _opened(arguments, client, words) as source:
        if arguments.json:
            return _list_as_json(arguments, source, Query(names, arguments.where, sort, arguments.limit), say)
        known = {column.name: column for column in source.columns()}
        chosen = tuple(dict.fromkeys((FOLDER, *(names or _by_default(known, sort, arguments.where)))))
        rows = source.rows(Query(chosen, arguments.where, sort, arguments.limit))
        sample = list(islice(rows, _SAMPLE))
        if not sample:
            say(nothing_found(source, words, arguments.where))
            return 1
        table = _Table([known[name] for name in chosen], sample, _room(), fits=names is None)
        for line in table.head():
            say(line)
        for row in sample:
            say(table.line(row))
        for row in rows:
            say(table.line(row))
        if table.left_out:
            say(f"({table.left_out} more columns; --columns chooses, and `audiobatchctl summary` shows all)")
    return 0


def summary(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show each feature in short, over the folders that meet a condition. Exit code 1 where there is no value."""
    names = tuple(dict.fromkeys(arguments.features)) if arguments.features else None
    found = 0
    with _opened(arguments, client, (*(names or ()), arguments.where)) as source:
        told = source.summary(names, arguments.where)
        if arguments.json:
            features = [msgspec.to_builtins(each) for each in told]
            answer = {"dataset": shown(arguments.dataset), "where": arguments.where, "features": features}
            say(harmless_json(msgspec.json.encode(answer)))
            return 0 if any(each["count"] for each in features) else 1
        for each in told:
            for line in _in_short(each, _room() or output.width(sys.stdout)):
                say(line)
            found += each.count
    if not found:
        say("No folder that meets the condition has a value." if arguments.where else "No record has a value.")
    return 0 if found else 1


@contextmanager
def _opened(arguments: argparse.Namespace, client: ControlClient, words: Iterable[str]) -> Iterator[Source]:
    """Open the values; while records are read for that, a line on a terminal tells how many."""
    line = ProgressLine()

    def told(count: int) -> None:
        line.show(f"{counted(count, 'record')} read")

    # A pager, say, takes a screen at a time.
    with results_of(arguments, client, states=mentions_state(words), slowly=True, told=told) as source:
        line.clear()
        yield source


def _list_as_json(arguments: argparse.Namespace, source: Source, query: Query, say: Say) -> int:
    """Say the rows as one object, a folder a line."""
    known = {column.name: column for column in source.columns()}
    names = query.columns or tuple(name for name in known if name not in (STATE, WHY))
    rows = source.rows(msgspec.structs.replace(query, columns=names))
    row = next(rows, None)
    columns = [known[name] for name in names]
    head = msgspec.json.encode({"dataset": shown(arguments.dataset), "columns": columns})
    say(harmless_json(head, indent=0)[:-1] + ', "folders": [')
    code = 1 if row is None else 0
    while row is not None:
        following = next(rows, None)
        values = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        say(harmless_json(msgspec.json.encode(values), indent=0) + ("," if following is not None else ""))
        row = following
    say("]}")
    return code


def _by_default(names: Collection[str], sort: Collection[str], where: str) -> Iterator[str]:
    """Choose columns: those that are asked about, the usual ones, and all others; some of them more than once."""
    asked = columns_of(where, names)
    there = [name for name in names if name in sort or f"-{name}" in sort or name.lower() in asked]
    others = [name for name in names if name not in (STATE, WHY)]
    yield from (*there, *(name for name in _FIRST if name in others), *others)


def _room() -> int:
    """Cells of a line; 0 where standard output is no terminal, and nothing has to be left out."""
    return output.width(sys.stdout, os.environ) if sys.stdout.isatty() or os.environ.get("COLUMNS") else 0


class _Table:
    """Lines of a table that is as wide as the first rows take, and no wider than the terminal."""

    def __init__(self, columns: Sequence[Column], sample: Sequence[Row], room: int, *, fits: bool) -> None:
        texts = [[_told(value) for value in row] for row in sample]
        self._columns = list(columns)
        self._names = [printable(column.name) for column in columns]
        self._widths = [
            max(cells(self._names[place]), cells(column.unit), *(cells(row[place]) for row in texts))
            for place, column in enumerate(columns)
        ]
        self.left_out = 0
        """Number of columns that there is no room for."""
        if room:
            self._fit(room, fits=fits)

    def _fit(self, room: int, *, fits: bool) -> None:
        folder = next(place for place, column in enumerate(self._columns) if column.name == FOLDER)
        whole, gaps = list(self._widths), len(_GAP) * (len(self._widths) - 1)
        least = min(whole[folder], max(_NARROWEST, room // 4))
        widths = [least if place == folder else min(width, _WIDEST) for place, width in enumerate(whole)]
        while fits and len(widths) > 1 and sum(widths) + gaps > room:
            widths.pop()
            gaps -= len(_GAP)
            self.left_out += 1
        for place in (folder, *range(len(widths))):  # what is left goes to the folder first
            widths[place] += max(0, min(whole[place] - widths[place], room - gaps - sum(widths)))
        texts = [place for place in range(len(widths)) if self._columns[place].kind != "number"]
        while (excess := sum(widths) + gaps - room) > 0:
            widest = max(texts, key=lambda place: widths[place])
            if widths[widest] <= _NARROWEST:
                break  # there are too many
            widths[widest] = max(_NARROWEST, widths[widest] - excess)
        self._widths, self._columns = widths, self._columns[: len(widths)]

    def head(self) -> Iterator[str]:
        """Yield the names of columns, and their units where any has one."""
        yield self._joined(self._names[: len(self._columns)])
        if any(column.unit for column in self._columns):
            yield self._joined([column.unit for column in self._columns])

    def line(self, row: Row) -> str:
        """Give the line of a folder."""
        return self._joined([_told(value) for value in row[: len(self._columns)]])

    def _joined(self, texts: Sequence[str]) -> str:
        pieces = []
        for text, width, column in zip(texts, self._widths, self._columns, strict=True):
            if column.kind == "number":
                piece = shortened(text, width)
                pieces.append(" " * (width - cells(piece)) + piece)
            else:
                pieces.append(padded(text, width))
        return _GAP.join(pieces).rstrip()


def _told(value: Value) -> str:
    """Say a value in one line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return printable(msgspec.json.encode(value).decode())
        case str():
            return printable(value)
    return f"{value}"


def _in_short(each: Summary, width: int) -> Iterator[str]:
    """Yield the lines of one feature."""
    column = each.column
    name = printable(f"{column.name}, {column.unit}" if column.unit else column.name)
    counts = f"{counted(each.count, 'value')}, {each.missing:,} missing"
    if each.distinct:
        counts += f", {each.distinct:,} different"
    yield f"{padded(name, 30)}  {counts}"
    if each.histogram is not None and each.quartiles is not None:
        one, two, three = (f"{number:.6g}" for number in each.quartiles)
        bounds = f"{each.minimum:.6g} .. {each.maximum:.6g}"
        yield f"  {_drawn(each.histogram)}  {bounds}"
        yield f"  25 %: {one}   median: {two}   75 %: {three}   mean: {each.mean:.6g}"
    if each.frequent:
        labels = ", ".join(f"{printable(label.label)} ({label.count:,})" for label in each.frequent)
        yield from (f"  {line}" for line in wrapped(labels, width - 2, 4))


def _drawn(histogram: Histogram) -> str:
    """Draw a histogram in eight heights; a bin that is not empty shows."""
    blocks = _BLOCKS
    try:
        blocks.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        blocks = _PLAIN_BLOCKS
    most = max(histogram.counts, default=0) or 1
    return "".join(blocks[-(-count * (len(blocks) - 1) // most)] for count in histogram.counts)
