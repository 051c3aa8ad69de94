"""`audiobatchctl progress`, `check` and `missing`: what the records of a dataset have.

A daemon that works on it knows; where there is none, the disk is read.
"""

from __future__ import annotations

import argparse
from contextlib import suppress

from audiobatchd.cli.local import is_installed, policy_of, worker_settings_here
from audiobatchd.cli.named import dataset_of
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import Config, DatasetConfig
from audiobatchd.control.client import ControlClient
from audiobatchd.control.operations import SURVEY
from audiobatchd.control.requests import Survey, Surveyed
from audiobatchd.core.asked import keys_of, unknown_among, why_unknown
from audiobatchd.core.assessment import Offer
from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.scan.survey import Asked, Keys, Offered, survey_disk
from audiobatchd.vocabulary.names import shown
from audiobatchd.vocabulary.quantities import size_in_bytes
from audiobatchd.vocabulary.summary import left_out
from audiobatchd.worker import questions


def progress(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """How many folders are complete. The locked are counted beside, whatever they have.

    Exit code 1 where there is no track folder.
    """
    found = _surveyed(arguments, client, names=False)
    total, complete, locked = found.total, found.complete, found.locked
    if arguments.json:
        counts = {"total": total, "complete": complete, "incomplete": total - complete, "locked": locked}
        say(as_json({**_asked(arguments), **counts, "near_misses": found.near_misses}))
        return 0 if total else 1
    say("Processing Progress:")
    say(f"  Total folders:  {total}")
    say(f"  Complete:       {complete} ({100 * complete / total if total else 0:.1f}%)")
    say(f"  Incomplete:     {total - complete}")
    say(f"  Locked:         {locked}")
    _say_left_out(arguments, found, say)
    return 0 if total else 1


def check(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """Which folders are to be processed: neither complete nor locked.

    Exit code 1 where there are any left to do, or no track folder at all.
    """
    found = _surveyed(arguments, client, names=True)
    done = found.complete
    locked = sum(each.locked for each in found.folders)
    ready = [each.folder for each in found.folders if not each.locked]
    if arguments.json:
        counts = {"total": done + locked + len(ready), "ready": len(ready)}
        skipped = {"skipped_complete": done, "skipped_locked": locked}
        say(as_json({**_asked(arguments), **counts, **skipped, "folders": ready, "near_misses": found.near_misses}))
    else:
        say(f"Folders to Process: {len(ready)}")
        say(f"  Total:          {done + locked + len(ready)}")
        say(f"  Ready:          {len(ready)}")
        say(f"  Skipped (done): {done}")
        say(f"  Skipped (lock): {locked}")
        for name in ready if arguments.list else ():
            say(name)
        _say_left_out(arguments, found, say)
    return 1 if ready or locked or not found.total else 0


def missing(arguments: argparse.Namespace, client: ControlClient, say: Say) -> int:
    """What every incomplete folder lacks. Exit code 1 where any lacks anything, or there is no track folder at all."""
    surveyed = _surveyed(arguments, client, names=True)
    found = surveyed.folders
    code = 1 if found or not surveyed.total else 0
    if arguments.json:
        folders = [
            {"folder": answer.folder, "missing": answer.missing, "stale": answer.stale, "trouble": answer.trouble}
            for answer in found
        ]
        say(as_json({**_asked(arguments), "folders": folders, "near_misses": surveyed.near_misses}))
        return code
    for number, answer in enumerate(found):
        if number:
            say("")
        say(f"{answer.folder}:")
        if answer.missing:
            say(f"  Missing: {', '.join(answer.missing)}")
        if answer.stale:
            say(f"  Stale: {', '.join(answer.stale)}")
        if answer.trouble:
            say(f"  Trouble: {answer.trouble}")
    if surveyed.total and not found:
        say("Nothing is missing.")
    _say_left_out(arguments, surveyed, say)
    return code


def _surveyed(arguments: argparse.Namespace, client: ControlClient, *, names: bool) -> Surveyed:
    """The survey of a service that knows the dataset; where none does, or `--disk` asks for that, one of the disk."""
    settings, dataset = dataset_of(arguments)
    words = tuple(dict.fromkeys(arguments.features or ()))
    if not (arguments.disk or arguments.config):
        # The dataset may be another service's, or none's: then the disk is all there is.
        with suppress(AudiobatchError):
            found = client.ask(SURVEY, Survey(shown(dataset.path), list(words), names))
            # An analyzer that the service goes without may be known here.
            if not found.unknown:
                return found
    if words:
        return _of_words(words, settings, dataset, names=names)
    return _of_disk(_question(settings, dataset), settings, dataset, names=names)


def _of_words(words: tuple[str, ...], settings: Config, dataset: DatasetConfig, *, names: bool) -> Surveyed:
    """Survey the disk for the keys that these words ask for. Raises UsageError for one that nothing knows.

    Analyzers are asked, which takes a process, where a word may be the name of one or no record has such a key.
    """
    asked: tuple[Offer, ...] = ()
    if is_installed(words):
        asked = questions.names(worker_settings_here(settings), installed=True)
    keys = keys_of(words, asked)
    found = _of_disk(Keys(keys), settings, dataset, names=names)
    if not found.absent:
        return found
    asked = asked or questions.names(worker_settings_here(settings), installed=True)
    if unknown := unknown_among(found.absent, asked):
        raise UsageError(why_unknown(unknown, asked))
    if (others := keys_of(words, asked)) != keys:
        return _of_disk(Keys(others), settings, dataset, names=names)
    return found


def _of_disk(asked: Asked, settings: Config, dataset: DatasetConfig, *, names: bool) -> Surveyed:
    return survey_disk(dataset.path, asked, dataset.ignore, size_in_bytes(settings.record_limit), names=names)


def _question(settings: Config, dataset: DatasetConfig) -> Asked:
    """Ask for what the analyzers of this machine would give."""
    return Offered(questions.offers(worker_settings_here(settings)), policy_of(settings, dataset))


def _say_left_out(arguments: argparse.Namespace, found: Surveyed, say: Say) -> None:
    _, dataset = dataset_of(arguments)
    for line in left_out(shown(dataset.path), found.total, found.near_misses):
        say(line)


def _asked(arguments: argparse.Namespace) -> dict[str, object]:
    return {"dataset": shown(arguments.dataset), "features": arguments.features}
