"""`audiobatchctl locks list`, `cleanup` and `test`: who works on what, what the dead left, what the locks are worth."""

from __future__ import annotations

import argparse
import contextlib
import os

import msgspec

from audiobatchd.cli.named import dataset_of
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import CLEAN_LOCKS
from audiobatchd.control.requests import CleanedLocks, CleanLocks
from audiobatchd.errors import NoDaemonError, UsageError
from audiobatchd.locks import upkeep
from audiobatchd.locks.observer import LockState, Observation, holder_in_words
from audiobatchd.locks.reaper import Terms
from audiobatchd.locks.trial import on_one_machine
from audiobatchd.vocabulary.names import printable, shown

_MINUTE = 60.0


def list_locks(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """List every lock of a dataset with its state."""
    _, dataset = dataset_of(arguments)
    overdue = _overdue(client, dataset.path)
    found = []
    for observation in upkeep.locks_below(dataset.path, dataset.ignore):
        path = shown(os.path.relpath(observation.path, dataset.path))
        state = LockState.OVERDUE if path in overdue and observation.state is LockState.ACTIVE else observation.state
        found.append((path, state, observation))
    if arguments.json:
        locks = [
            {"lock": path, "state": state, "age": round(each.age, 1), "holder": each.content}
            for path, state, each in found
        ]
        say(as_json({"dataset": shown(dataset.path), "locks": locks}))
        return 0
    say(f"Found {len(found)} lock file{'' if len(found) == 1 else 's'}{':' if found else ''}")
    for path, state, observation in found:
        say(f"  [{state.value.upper()}] {path} ({_details(observation)})")
    return 0


def clean_up(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Remove the locks of the dead: by the service, where one runs on the dataset, else here."""
    _, dataset = dataset_of(arguments)
    request = CleanLocks(dataset.path, arguments.timeout, arguments.dry_run, arguments.free)
    if not arguments.json:
        say(f"Scanning for dead locks in: {printable(arguments.dataset)}")
    cleaned = _ask_daemon(client, request)
    if cleaned is None:
        terms = Terms(request.timeout, request.dry_run, request.free, dataset.alone)
        cleaned = CleanedLocks.of(upkeep.clean_up(dataset.path, dataset.ignore, terms))
    if arguments.json:
        told = {"dataset": shown(dataset.path), "dry_run": arguments.dry_run, **msgspec.to_builtins(cleaned)}
        say(as_json(told))
    else:
        _tell(cleaned, say, dry_run=arguments.dry_run)
    return 1 if any(each.failure for each in cleaned.removed) else 0


def test(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Find out what the locks of a dataset's file system are worth, here and between two machines."""
    _, dataset = dataset_of(arguments)
    quiet: Say = lambda _: None  # noqa: E731  # what is under way is no part of a JSON answer
    try:
        findings = on_one_machine.try_locks(
            dataset.path, arguments.wait, quiet if arguments.json else say, patience=arguments.patience
        )
    except OSError as error:
        raise UsageError(str(error)) from error
    if arguments.json:
        say(as_json({"dataset": shown(dataset.path), "findings": findings}))
    else:
        for finding in findings:
            mark = {True: "ok", False: "BAD", None: "--"}[finding.ok]
            say(f"  [{mark:>3}] {finding.name}: {finding.detail}")
    return 1 if any(finding.ok is False for finding in findings) else 0


def _overdue(client: ControlClient, dataset: str) -> set[str]:
    """The locks that the service, which has watched them for longer than we can, calls overdue."""
    with contextlib.suppress(NoDaemonError):
        for each in client.status().datasets:
            if each.path == shown(dataset):
                return set(each.overdue)
    return set()


def _ask_daemon(client: ControlClient, terms: CleanLocks) -> CleanedLocks | None:
    """Ask a service that works on this dataset; None where none does."""
    try:
        datasets = [each.path for each in client.status().datasets]
    except NoDaemonError:
        return None
    path = shown(terms.dataset)
    if path not in datasets:
        return None
    return client.ask(CLEAN_LOCKS, msgspec.structs.replace(terms, dataset=path))


def _details(observation: Observation) -> str:
    age = f"age: {observation.age / _MINUTE:.1f} min"
    return age if observation.state is LockState.FREE else f"{age}, {holder_in_words(observation.content)}"


def _tell(cleaned: CleanedLocks, say: Say, *, dry_run: bool) -> None:
    say(f"Found {cleaned.found} lock file{'' if cleaned.found == 1 else 's'}")
    count = 0
    for each in cleaned.removed:
        if each.failure:
            say(f"Cannot remove {each.lock} ({each.reason}): {each.failure}")
        else:
            count += 1
            say(f"{'Would remove' if dry_run else 'Removed'} dead lock: {each.lock} ({each.reason})")
    say(f"{'Would remove' if dry_run else 'Removed'} {count} dead lock file{'' if count == 1 else 's'}")
