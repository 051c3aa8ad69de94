"""`audiobatchctl failures`, `explain`, `retry`, `bump`, `rescan` and `reload`: asked of the running service."""

from __future__ import annotations

import argparse

from audiobatchd.cli.named import dataset_named, datasets_of, folder_of
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.cli.wording import attempt_in_words, retried_in_words, say_answer
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import BUMP, EXPLAIN, FAILURES, RELOAD, RESCAN, RETRY
from audiobatchd.control.requests import Nothing, Rescan, RetryFolders
from audiobatchd.control.status import FolderReport
from audiobatchd.errors import UsageError
from audiobatchd.vocabulary.names import parsed, printable, shown
from audiobatchd.vocabulary.quantities import counted, duration

_INDENT = "  "


def failures(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show every folder that failed or is blocked, with its cause. Exit code 1 where there is any."""
    found = client.ask(FAILURES, Nothing())
    if arguments.dataset:
        wanted = dataset_named(arguments.dataset, datasets_of(client))
        found = [trouble for trouble in found if parsed(trouble.dataset) == wanted]
    if arguments.json:
        say(as_json(found))
        return 1 if found else 0
    for trouble in found:
        say(printable(f"{trouble.folder}  {trouble.state.value}  {trouble.at}"))
        say(printable(f"{_INDENT}{trouble.reason}"))
    if not found:
        say("No folder failed or is blocked.")
    return 1 if found else 0


def retry(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have folders tried again, whatever they have come to."""
    if bool(arguments.folder) + bool(arguments.all) + bool(arguments.dataset) != 1:
        raise UsageError("name folders, or --all, or --dataset DATASET")
    if arguments.features and not arguments.folder:
        raise UsageError("--features goes with the names of folders")
    if arguments.dataset:
        wanted = shown(dataset_named(arguments.dataset, datasets_of(client)))
        answer = client.ask(RETRY, RetryFolders(dataset=wanted))
    else:
        names = [folder_of(folder, client) for folder in arguments.folder]
        features = list(arguments.features or ())
        answer = client.ask(RETRY, RetryFolders(folders=names, all=arguments.all, features=features))
    say_answer(answer, retried_in_words(answer), say, json=arguments.json)
    return 0


def explain(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Show what the service knows of one folder, what it will do next, and why."""
    report = client.ask(EXPLAIN, folder_of(arguments.folder, client))
    if arguments.json:
        say(as_json(report))
        return 0
    for line in explanation(report):
        say(printable(line))
    return 0


def bump(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have a folder measured before all others."""
    answer = client.ask(BUMP, folder_of(arguments.folder, client))
    done = "It is next." if not answer.remarks else "It is put before all others." if answer.folders else ""
    say_answer(answer, done, say, json=arguments.json)
    return 0 if answer.folders else 1


def rescan(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have a dataset walked."""
    path = dataset_named(arguments.dataset, datasets_of(client))
    answer = client.ask(RESCAN, Rescan(shown(path), arguments.accept))
    say_answer(answer, "" if answer.remarks else "The walk begins.", say, json=arguments.json)
    return 0


def reload(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Have the configuration read again; the service's verdict."""
    answer = client.ask(RELOAD, Nothing())
    if arguments.json:
        say(as_json(answer))
        return 0
    say("The configuration was read again." if answer.changes else "The configuration is what it was.")
    for change in answer.changes:
        say(printable(f"{_INDENT}{change}"))
    return 0


def explanation(report: FolderReport) -> list[str]:
    """The report as lines of text."""
    place = "" if report.folder == "." else f"/{report.folder}"
    lines = [f"{report.dataset}{place}", f"{_INDENT}State:   {report.state.value}"]
    if report.target:
        lines.append(f"{_INDENT}Dataset: leads to {report.target}")
    if report.reason:
        lines.append(f"{_INDENT}Reason:  {report.reason}")
    if report.since:
        lines.append(f"{_INDENT}Since:   {report.since}")
    if report.worker is not None:
        lines.append(f"{_INDENT}Worker:  {report.worker}, {report.doing}")
    if report.due:
        lines.append(f"{_INDENT}Due:     {'; '.join(report.due)}")
    when = "" if report.next_in is None else f" (in {duration(report.next_in)})"
    lines.append(f"{_INDENT}Next:    {report.next}{when}")
    if report.holder:
        lines.append(f"{_INDENT}Lock:    {report.holder}")
    if report.unavailable:
        lines.append(f"{_INDENT}Lacking: {counted(report.unavailable, 'feature')} unavailable on this machine")
    lines += _without(report.unmeasurable)
    if report.charges:
        lines.append(f"{_INDENT}Charges: {report.charges} of {report.max_deaths}, then it is given up")
    if report.suspicions:
        lines.append(f"{_INDENT}Suspect: a daemon or a machine died over it, {report.suspicions} in a row")
    lines += [f"{_INDENT}Warning: {warning}" for warning in report.warnings]
    if report.attempts:
        lines.append(f"{_INDENT}Attempts that came to no good end, the latest first:")
        lines += [line for attempt in report.attempts for line in attempt_in_words(attempt)]
    return lines


def _without(unmeasurable: dict[str, str]) -> list[str]:
    """The features that have no value, those with the same reason in one line."""
    reasons: dict[str, list[str]] = {}
    for feature, why in unmeasurable.items():
        reasons.setdefault(why, []).append(feature)
    return [f"{_INDENT}Without: {', '.join(features)} ({why})" for why, features in reasons.items()]
