"""`audiobatchctl report`: one page about a dataset, to be read offline or printed."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress
from pathlib import Path

from audiobatchd.cli.named import dataset_of, refuse_inside
from audiobatchd.cli.results import nothing_found, results_of
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.control.history import AskHistory
from audiobatchd.control.operations import HISTORY
from audiobatchd.errors import AudiobatchError
from audiobatchd.exports import publish
from audiobatchd.report import page
from audiobatchd.report.findings import find
from audiobatchd.scan import duplicates
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import counted, size_in_bytes


def report(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Write a report of the folders that meet a condition. Exit code 1 where there is none."""
    target = Path(arguments.output).absolute()
    publish.refuse_existing(target)
    settings, dataset = dataset_of(arguments)
    refuse_inside(target, dataset.path, settings, client)
    line = ProgressLine()
    line.show("asking for the values")
    with results_of(
        arguments, client, states=True, told=lambda count: line.show(f"{counted(count, 'record')} read")
    ) as source:
        findings = find(source, arguments.where)
        nothing = "" if findings.total else nothing_found(source, (arguments.where,), arguments.where)
    groups = None
    if findings.total and not arguments.where:
        found = duplicates.find(
            dataset.path,
            dataset.ignore,
            size_in_bytes(settings.record_limit),
            alike=False,
            told=lambda what, count: line.show(f"looking for duplicates: {count:,} {what}"),
        )
        groups = found.exact
    line.clear()
    if nothing:
        say(nothing)
        return 1
    spans = None
    if not (arguments.disk or arguments.config):
        with suppress(AudiobatchError):
            spans = client.ask(HISTORY, AskHistory(shown(dataset.path))).spans
    made = time.strftime("%d %B %Y, %H:%M")
    with publish.published(target, is_directory=False) as hidden:
        text = page.written(shown(dataset.path), made, findings, groups, arguments.where, spans)
        hidden.write_text(text, encoding="utf-8")
    if arguments.json:
        say(as_json({"folders": findings.total, "output": shown(str(target))}))
    else:
        say(f"A report about {counted(findings.total, 'folder')} is in {shown(str(target))}")
    return 0
