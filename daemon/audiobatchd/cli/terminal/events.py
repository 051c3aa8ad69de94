"""A log event as one friendly line for somebody who watches: the track's name first, then what came of it.

Only the wording: the journal and files get `eventlog`'s form, with every field.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import PurePath

from audiobatchd.cli.terminal.text import Line, Span, Tone, cells, padded, shortened, wrapped
from audiobatchd.plugin_api import STEMS
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted

_REASON_LINES = 4
_NAME_COLUMN = 44
Fields = Mapping[str, object]


def event_lines(record: logging.LogRecord, width: int, *, several: bool, plain: str) -> list[Line]:
    """What is printed of `record` on a terminal of `width` cells.

    `several`: folders are named with their dataset. `plain`: the line for an event without a form of its own.
    """
    fields: Fields = getattr(record, "fields", {})
    event = record.getMessage()
    if event in _FOLDER_MARKS and "folder" in fields:
        return _folder_ended(event, fields, width, several=several)
    if event == "folder-done" and "folder" in fields:
        return [_folder_done(fields, width, several=several)]
    if event in _SENTENCES:
        mark, text = _SENTENCES[event](fields)
        return _sentence(mark, text, width)
    # A line that is nobody's sentence: whole, for the terminal to wrap.
    return [(Span(printable(plain), _tone(record.levelno)),)]


# Folders

_FOLDER_MARKS = {
    "folder-failed": (Span("✗", Tone.BAD), ""),
    "folder-blocked": (Span("⊘", Tone.CAUTION), "blocked: "),
    "folder-backoff": (Span("↻", Tone.CAUTION), "will be tried again: "),
    "folder-suspect": (Span("↻", Tone.CAUTION), "goes last, and alone: "),
    "folder-locked": (Span("»", Tone.FAINT), ""),
    "folder-changed": (Span("~", Tone.FAINT), "changed meanwhile, will be looked at again"),
}


def _folder_done(fields: Fields, width: int, *, several: bool) -> Line:
    name, told = _name(fields, several=several), _told(fields)
    room = max(width // 3, min(_NAME_COLUMN, width - 3 - cells(told) - 2))
    told = shortened(told, width - 3 - room - 2)
    return Span("✓", Tone.GOOD), Span(f" {padded(name, room)}  "), Span(told)


def _folder_ended(event: str, fields: Fields, width: int, *, several: bool) -> list[Line]:
    mark, verb = _FOLDER_MARKS[event]
    name = shortened(_name(fields, several=several), max(8, width - 3))
    told = printable(f"{verb}{fields.get('reason', '')}")
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


def _told(fields: Fields) -> str:
    """The numbers of the full mix, and how many stems; where only stems were due, which."""
    values = {name: value for name, value in fields.items() if name not in ("dataset", "folder")}
    stems = [stem for stem in STEMS if any(name.endswith(f"_{stem}") for name in values)]
    mix = [_feature(name, value) for name, value in values.items() if not name.endswith(tuple(f"_{s}" for s in STEMS))]
    if stems:
        mix.append(f"+ {counted(len(stems), 'stem')}" if mix else " ".join(stems))
    return printable("  ".join(mix)) or "nothing new to measure"


def _feature(name: str, value: object) -> str:
    if isinstance(value, str) and value.startswith("unmeasurable "):
        return f"{_LABELS.get(name, name)} {value.removeprefix('unmeasurable ')}"
    match name, value:
        case "lufs", int() | float():
            return f"{value:5.1f} LUFS"
        case "lra", int() | float():
            return f"LRA {value:4.1f}"
        case _, float():
            return f"{name} {value:.4g}"
        case _:
            return f"{name} {value}"


_LABELS = {"lufs": "LUFS", "lra": "LRA"}


# Everything else

_Sentence = Callable[[Fields], tuple[Span, str]]
_NOTE, _CAUTION, _BAD = Span("·", Tone.FAINT), Span("!", Tone.CAUTION), Span("✗", Tone.BAD)


def _service_started(fields: Fields) -> tuple[Span, str]:
    return (
        _NOTE,
        f"audiobatchd {_of(fields, 'version')} on {_of(fields, 'datasets')}, control socket {_of(fields, 'socket')}",
    )


def _dataset_walked(fields: Fields) -> tuple[Span, str]:
    text = f"{_of(fields, 'dataset')}: {_of(fields, 'folders')} track folders"
    return (_CAUTION, f"{text}; {_of(fields, 'remark')}") if fields.get("remark") else (_NOTE, text)


def _dataset_lost(word: str) -> _Sentence:
    return lambda fields: (_CAUTION, f"{_of(fields, 'dataset')} is {word}: {_of(fields, 'remark')}")


def _worker(mark: Span, verb: str) -> _Sentence:
    def said(fields: Fields) -> tuple[Span, str]:
        reason = f": {_of(fields, 'reason')}" if fields.get("reason") else ""
        return mark, f"worker {_of(fields, 'worker')} {verb}{reason}"

    return said


_SENTENCES: dict[str, _Sentence] = {
    "service-started": _service_started,
    "dataset-active": _dataset_walked,
    "dataset-walking": _dataset_walked,
    "dataset-missing": _dataset_lost("missing"),
    "dataset-paused": _dataset_lost("paused"),
    "dataset-resumed": lambda f: (_NOTE, f"{_of(f, 'dataset')} goes on"),
    "configuration-reloaded": lambda f: (_NOTE, f"configuration read again; changes: {_of(f, 'changes')}"),
    "configuration-refused": lambda f: (_BAD, f"the configuration is left as it was: {_of(f, 'reason')}"),
    "stood-still": lambda f: (_CAUTION, f"the service stood still for {_of(f, 'seconds')} s; deadlines have moved"),
    "worker-ready": _worker(_NOTE, "is ready"),
    "worker-died": _worker(_BAD, "died"),
    "worker-cannot-start": _worker(_BAD, "cannot start"),
    "analyzer-unavailable": lambda f: (
        _CAUTION,
        f"analyzer {_of(f, 'analyzer')} is unavailable here: {_of(f, 'reason')}",
    ),
    "watch-lost": lambda f: (_CAUTION, f"{_of(f, 'dataset')} is no longer watched: {_of(f, 'reason')}"),
    "feature-unknown": lambda f: (
        _BAD,
        f"no analyzer measures: {_of(f, 'unknown')} (there are: {_of(f, 'known')})",
    ),
}


def _of(fields: Fields, name: str) -> str:
    return shown(str(fields.get(name, "?")))


def _sentence(mark: Span, text: str, width: int) -> list[Line]:
    first, *others = wrapped(printable(text), width - 3, _REASON_LINES) or [""]
    tone = Tone.FAINT if mark is _NOTE else Tone.PLAIN
    return [(mark, Span(" "), Span(first, tone)), *((Span("  "), Span(line, tone)) for line in others)]


def _tone(level: int) -> Tone:
    if level >= logging.ERROR:
        return Tone.BAD
    return Tone.CAUTION if level >= logging.WARNING else Tone.PLAIN
