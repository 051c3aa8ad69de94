"""`audiobatchctl analyze` and `features`: what a file or a folder measures, and what can be measured at all."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import msgspec

from audiobatchd.cli.local import worker_settings_here
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import chosen_config
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import UsageError
from audiobatchd.plugin_api import Value
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.worker import questions
from audiobatchd.worker.questions import Answer, Request


def analyze(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Measure one file, or a track folder. Exit code 1 where something failed, or nothing was measured."""
    path = os.path.abspath(arguments.path)  # noqa: PTH100  # a link stays a link
    if not Path(path).exists():
        message = f"no such file or folder: {shown(arguments.path)}"
        raise UsageError(message)
    settings = worker_settings_here(chosen_config(arguments.config, os.environ))
    answer = questions.analyze(settings, Request(path, tuple(dict.fromkeys(arguments.features or ())), arguments.save))
    if answer.refused:
        raise UsageError(answer.refused)
    if arguments.json:
        told: dict[str, object] = msgspec.to_builtins(answer)
        say(as_json({"path": shown(path)} | {key: told[key] for key in told if key not in {"units", "refused"}}))
    else:
        _tell(answer, say)
        if arguments.save and answer.values:
            folder = path if Path(path).is_dir() else os.path.dirname(path)
            say(f"Saved in the record of {shown(os.path.basename(folder))}")
    return 0 if not answer.failures and (answer.values or answer.unmeasurable) else 1


def features(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Show every feature, or those that are named, with unit, range and source, by analyzer."""
    names = tuple(dict.fromkeys(arguments.feature))
    known = questions.features(worker_settings_here(chosen_config(arguments.config, os.environ)), names)
    unknown = sorted(set(names) - {each.name for each in known})
    if unknown:
        message = f"unknown feature: {', '.join(map(shown, unknown))} (without a name, `features` lists all)"
        raise UsageError(message)
    if arguments.json:
        say(as_json({"features": known}))
        return 0
    for number, (analyzer, group) in enumerate(groupby(known, key=lambda each: each.analyzer)):
        members = list(group)
        if number:
            say("")
        say(", ".join(filter(None, (printable(analyzer), f"version {members[0].version}", members[0].remark))))
        if members[0].unavailable is not None:
            say(f"  ! unavailable here: {printable(members[0].unavailable)}")
        width = max(len(each.name) for each in members)
        for each in members:
            known_of_it = (each.description, each.unit, each.bounds, each.source)
            say(f"  {printable(each.name):<{width}}  {printable('; '.join(filter(None, known_of_it)))}")
    return 0


def _tell(answer: Answer, say: Say) -> None:
    rows = [
        *(row for name, value in answer.values.items() for row in _rows(name, value, answer.units[name])),
        *((name, f"{text.count(chr(10))} lines") for name, text in answer.files.items()),
        *((name, f"{len(content):,} bytes") for name, content in answer.binary_files.items()),
        *((name, f"- {reason}") for name, reason in answer.unmeasurable.items()),
    ]
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        say(printable(f"{name:<{width}}  {text}"))
    for analyzer, reason in answer.unavailable.items():
        say(printable(f"! analyzer {analyzer} is unavailable: {reason}"))
    for file, reason in answer.failures.items():
        say(printable(f"! {file}: {reason}" if file else f"! {reason}"))


def _rows(name: str, value: Value, unit: str) -> list[tuple[str, str]]:
    """Rows of a table for one value: of a mapping one for each label, the first with the feature's name."""
    match value:
        case bool():
            texts = [str(value).lower()]
        case Mapping():
            texts = [f"{label} {number}" for label, number in value.items()]
        case _:
            texts = [str(value)]
    return [("" if place else name, f"{text} {unit}".rstrip()) for place, text in enumerate(texts)]
