"""A log event as one friendly line for a person who watches: the track's name first, then what came of it.

The sentences are those of `log_events`; the journal and files get every field.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import PurePath

from audiobatchd.cli.terminal.text import ELLIPSIS, Line, Span, Tone, cells, clipped, padded, shortened, wrapped
from audiobatchd.plugin_api import STEMS
from audiobatchd.vocabulary.log_events import LogEvent
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted

_REASON_LINES = 4
_NAME_COLUMN, _NARROWEST_NAME = 44, 12
Fields = Mapping[str, object]


def event_lines(record: logging.LogRecord, width: int, *, several: bool, plain: str) -> list[Line]:
    """Say `record` for a terminal of `width` cells.

    `several`: folders are named with their dataset. `plain`: the line for an event without a form of its own.
    """
    fields: Fields = getattr(record, "fields", {})
    stems: Mapping[str, str] = getattr(record, "stems", {})
    event = _EVENTS.get(record.getMessage())
    if event is LogEvent.FOLDER_DONE and "folder" in fields:
        return [_folder_done(fields, stems, width, several=several)]
    if event in _FOLDER_MARKS and "folder" in fields:
        return _folder_ended(event, fields, width, several=several)
    if event is not None and event.sentence and event not in _FOLDER_MARKS:
        return _sentence(event, fields, width)
    # An event without a sentence: its line whole, for the terminal to wrap.
    return [(Span(printable(plain), _tone(record.levelno)),)]


# Folders

_EVENTS = {event.value: event for event in LogEvent}
_FOLDER_MARKS = {
    LogEvent.FOLDER_FAILED: Span("✗", Tone.BAD),
    LogEvent.FOLDER_BLOCKED: Span("⊘", Tone.CAUTION),
    LogEvent.FOLDER_BACKOFF: Span("↻", Tone.CAUTION),
    LogEvent.FOLDER_SUSPECT: Span("↻", Tone.CAUTION),
    LogEvent.FOLDER_LOCKED: Span("»", Tone.FAINT),
    LogEvent.FOLDER_CHANGED: Span("~", Tone.FAINT),
}


def _folder_done(fields: Fields, stems: Mapping[str, str], width: int, *, several: bool) -> Line:
    """The name and the numbers behind it, in columns: the name has room beside the numbers that people look for."""
    name, told = _name(fields, several=several), _told(fields, stems)
    width -= 3 + 2  # the mark and its blank, two blanks between, and the terminal's last column
    column = max(_NARROWEST_NAME, min(_NAME_COLUMN, width - _NUMBERS))
    room = max(column, min(cells(name), width - cells("  ".join(told))))
    return Span("✓", Tone.GOOD), Span(f" {padded(name, room)}  "), Span(_fitting(told, width - room))


def _fitting(told: list[str], width: int) -> str:
    """The first of these that fit into `width`, with an ellipsis for the others."""
    whole = "  ".join(told)
    if cells(whole) <= width:
        return whole
    left = len(told) - 1
    while left > 1 and cells(f"{'  '.join(told[:left])} {ELLIPSIS}") > width:
        left -= 1
    return clipped(f"{'  '.join(told[:left])} {ELLIPSIS}", width)


def _folder_ended(event: LogEvent, fields: Fields, width: int, *, several: bool) -> list[Line]:
    mark = _FOLDER_MARKS[event]
    name = shortened(_name(fields, several=several), max(8, width - 3))
    told = printable(event.sentence.format(reason=fields.get("reason", "")))
    if not told:
        return [(mark, Span(f" {name}"))]
    if 2 + cells(name) + 2 + cells(told) < width:
        return [(mark, Span(f" {name}  "), Span(told, Tone.FAINT))]
    reason = [(Span("    "), Span(line, Tone.FAINT)) for line in wrapped(told, width - 5, _REASON_LINES)]
    return [(mark, Span(f" {name}")), *reason]


def _name(fields: Fields, *, several: bool) -> str:
    folder = shown(str(fields["folder"]))
    if several and fields.get("dataset"):
        folder = f"{shown(PurePath(str(fields['dataset'])).name)}/{folder}"
    return printable(folder)


def _told(fields: Fields, of_stems: Mapping[str, str]) -> list[str]:
    """The numbers of the full mix, those that people look for first, and how many stems; where only stems, which."""
    values = {name: value for name, value in fields.items() if name not in ("dataset", "folder")}
    if values.get("bpm_is_defined") == 0:
        values.pop("bpm", None)
    stems = [stem for stem in STEMS if stem in of_stems.values()]
    mix = [name for name in values if name not in of_stems]
    told = [_feature(name, values[name]) for name in _FIRST if name in mix]
    if stems:
        told.append(f"+ {counted(len(stems), 'stem')}" if mix else " ".join(stems))
    told += [_feature(name, values[name]) for name in mix if name not in _FIRST]
    return [printable(text) for text in told] or ["nothing new to measure"]


def _feature(name: str, value: object) -> str:
    if isinstance(value, str) and value.startswith("unmeasurable "):
        return f"{_LABELS.get(name, name)} {value.removeprefix('unmeasurable ')}"
    match name, value:
        case "lufs", int() | float():
            return f"{value:5.1f} LUFS"
        case "lra", int() | float():
            return f"LRA {value:4.1f}"
        case "bpm", int() | float():
            return f"{value:5.1f} BPM"
        case "true_peak", int() | float():
            return f"{value:5.1f} dBTP"
        case _, float():
            return f"{name} {value:.4g}"
        case _, Mapping():
            # The line has room for the first of its labels.
            return " ".join(f"{name} {label} {number:.4g}" for label, number in islice(value.items(), 1))
        case _:
            return f"{name} {value}"


_FIRST = ("lufs", "lra", "bpm")
"""The features that stand first, in this order."""
_NUMBERS = len("-14.2 LUFS  LRA 12.3  128.0 BPM …")
_LABELS = {"lufs": "LUFS", "lra": "LRA", "bpm": "BPM", "true_peak": "true peak"}


# Everything else

_NOTE, _CAUTION, _BAD = Span("·", Tone.FAINT), Span("!", Tone.CAUTION), Span("✗", Tone.BAD)
_MARKS = {logging.INFO: _NOTE, logging.WARNING: _CAUTION, logging.ERROR: _BAD}


class _Shown(dict[str, str]):
    """The fields of an event as its sentence shows them."""

    def __missing__(self, name: str) -> str:
        return "?"


def _sentence(event: LogEvent, fields: Fields, width: int) -> list[Line]:
    text = event.sentence.format_map(_Shown({name: shown(str(value)) for name, value in fields.items()}))
    mark = _BAD if event is LogEvent.FEATURE_UNKNOWN else _MARKS[event.level]
    if event is LogEvent.DATASET_ACTIVE and fields.get("remark"):
        mark, text = _CAUTION, f"{text}; {shown(str(fields['remark']))}"
    first, *others = wrapped(printable(text), width - 3, _REASON_LINES) or [""]
    tone = Tone.FAINT if mark is _NOTE else Tone.PLAIN
    return [(mark, Span(" "), Span(first, tone)), *((Span("  "), Span(line, tone)) for line in others)]


def _tone(level: int) -> Tone:
    if level >= logging.ERROR:
        return Tone.BAD
    return Tone.CAUTION if level >= logging.WARNING else Tone.PLAIN
