"""`audiobatchctl import`: track folders made of a music library, told of, and taken out again."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from audiobatchd.cli.local import worker_settings_here
from audiobatchd.cli.terminal.output import Say
from audiobatchd.cli.terminal.progress import ProgressBar
from audiobatchd.cli.terminal.text import as_json
from audiobatchd.config.file import Config, chosen_config, dataset_from_command_line
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import AudiobatchError, UsageError
from audiobatchd.imports import manifest, session
from audiobatchd.imports.library import Trouble
from audiobatchd.imports.manifest import Manifest, Mode, Step
from audiobatchd.imports.plan import Track
from audiobatchd.imports.session import Request, Result
from audiobatchd.imports.undo import Features, Undoings
from audiobatchd.vocabulary.commands import quoted
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.quantities import counted, sized
from audiobatchd.worker.questions import offers

_WARNINGS = {
    Mode.HARDLINK: "A hard link is the same file by another name: an edit or a change of rights in the "
    "dataset is one in the library too, and the other way round.",
    Mode.MOVE: "The files leave the library; `audiobatchctl import --undo ID` brings them back.",
    Mode.LINK: "The dataset has links alone: they lead nowhere when the library goes away, and changes there are only "
    "seen by walks.",
}
_SHOWN = 20
"""Number of files of a kind that are named; `--json` names all."""


def run(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Import a library; with `--list` show the imports of a dataset, with `--undo` take one out again."""
    settings = chosen_config(arguments.config, os.environ)
    if arguments.dry_run and (arguments.list or arguments.undo):
        raise UsageError("--dry-run goes with an import, not with --list or --undo")
    if arguments.list:
        return _list(arguments, _datasets(arguments, settings), say)
    if arguments.undo:
        return _undo(arguments, settings, say)
    if len(arguments.path) < 2:  # noqa: PLR2004  # a source and the dataset
        raise UsageError("import needs what to take and where to: audiobatchctl import SRC... DATASET")
    *sources, target = arguments.path
    dataset = dataset_from_command_line(settings, target)
    place = os.path.realpath(dataset.path)
    _refuse_no_place(place)
    mode = Mode(arguments.mode)
    stems, marker = arguments.stems or "", dataset.ready_marker or ""
    request = Request(tuple(sources), place, mode, arguments.name, stems, dataset.ignore, marker)
    bar = ProgressBar()
    if not arguments.json and mode in _WARNINGS:
        say(f"Note: {_WARNINGS[mode]}")
    try:
        if arguments.dry_run:
            result = Result(session.dry_run(request, bar))
        else:
            result = session.run(request, _features(settings), bar)
    finally:
        bar.clear()
    if arguments.json:
        say(as_json(_told(request, result, dry_run=arguments.dry_run)))
    else:
        _tell(request, result, say, dry_run=arguments.dry_run)
    return _code(result)


def _list(arguments: argparse.Namespace, datasets: list[str], say: Say) -> int:
    told: list[dict[str, object]] = []
    for dataset in datasets:
        told += ({"dataset": shown(dataset), **_summary(made)} for made in manifest.all_in(dataset))
    if arguments.json:
        say(as_json({"imports": told}))
        return 0
    for each in told:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(str(each["started"]))))
        mode = "inbox" if each["inbox"] else each["mode"]
        say(f"  {each['id']}  {when}  {mode:8}  {each['state']}  {printable(str(each['dataset']))}")
    if not told:
        say("No import was found.")
    return 0


def _summary(made: Manifest) -> dict[str, object]:
    there, gone = made.count(Step.DONE), made.count(Step.UNDONE)
    if made.ended or gone:
        state = f"{counted(there, 'folder')}" + (f", {gone:,} undone" if gone else "")
    else:
        state = f"interrupted after {counted(there, 'folder')}"
    begin = made.begin
    return {
        "id": made.id,
        "started": begin.started,
        "mode": begin.mode,
        "inbox": begin.inbox,
        "sources": begin.sources,
        "folders": there,
        "undone": gone,
        "interrupted": not (made.ended or gone),
        "state": state,
    }


def _undo(arguments: argparse.Namespace, settings: Config, say: Say) -> int:
    bar = ProgressBar()
    for dataset in _datasets(arguments, settings):
        try:
            found = session.undone(dataset, arguments.undo, _features(settings), bar)
        finally:
            bar.clear()
        if found is not None:
            if arguments.json:
                left = [{"folder": each.path, "why": each.why} for each in found.left]
                say(as_json({"dataset": shown(dataset), "id": arguments.undo, "removed": found.removed, "left": left}))
            else:
                _tell_undone(found, say)
            return 1 if found.left else 0
    message = f"there is no import {printable(arguments.undo)}: audiobatchctl import --list DATASET shows them"
    raise AudiobatchError(message)


def _tell_undone(found: Undoings, say: Say) -> None:
    say(f"Taken out: {counted(len(found.removed), 'track folder')}")
    _tell_troubles("Left as they are", found.left, say, most=None)


def _datasets(arguments: argparse.Namespace, settings: Config) -> list[str]:
    """Find the datasets that are named, or are configured. Raises UsageError where there is none of either kind."""
    named = [dataset_from_command_line(settings, each).path for each in arguments.path]
    datasets = [os.path.realpath(each) for each in named or [each.path for each in settings.dataset]]
    if not datasets:
        raise UsageError("no dataset is configured: name one, behind --list or the ID")
    for each in datasets:
        if named and not Path(each).is_dir():
            message = f"no such dataset: {shown(each)}"
            raise UsageError(message)
    return datasets


def _refuse_no_place(dataset: str) -> None:
    """Raise UsageError where the dataset is none and cannot be made; a mistyped path shall not become a tree."""
    if Path(dataset).is_dir():
        return
    if os.path.lexists(dataset):
        message = f"cannot import into {shown(dataset)}: it is no directory"
        raise UsageError(message)
    if not Path(dataset).parent.is_dir():
        message = f"cannot import into {shown(dataset)}: there is no {shown(os.path.dirname(dataset))}; make it first"
        raise UsageError(message)


def _features(settings: Config) -> Features:
    """Ask the analyzers once, and only where a record is met."""
    known: dict[str, frozenset[str]] = {}

    def features() -> dict[str, frozenset[str]]:
        if not known:
            for offer in offers(worker_settings_here(settings)):
                known[offer.name] = frozenset(name for names in offer.features.values() for name in names)
        return known

    return features


def _code(result: Result) -> int:
    if result.stopped or result.failed or result.plan.troubles:
        return 1
    found = result.plan.tracks or result.plan.already or result.imported
    return 0 if found else 1


def _tell(request: Request, result: Result, say: Say, *, dry_run: bool) -> None:
    plan = result.plan
    if dry_run:
        for track in plan.tracks:
            say(printable(f"  {shown(track.name)}  <-  {shown(_mix(track))}{_stems(track)}"))
        say(f"Would import: {counted(len(plan.tracks), 'track')}, {sized(plan.size)}")
    else:
        by = f" by {request.mode}, as import {result.id}" if result.id else ""
        say(f"Imported: {counted(len(result.imported), 'track')} into {printable(shown(request.dataset))}{by}")
    if plan.already:
        say(f"Imported before: {plan.already:,}")
    if plan.passed_over:
        kinds = (counted(number, kind) for kind, number in sorted(plan.passed_over.items()))
        say(f"Passed over: {', '.join(kinds)}")
    _tell_troubles("Left out", plan.left_out, say)
    _tell_troubles("Could not be imported", [*plan.troubles, *result.failed], say)
    if not (plan.tracks or plan.already):
        say("No track was found.")
    if result.stopped:
        say(printable(result.stopped))
    if result.imported:
        say(f"To have them measured: audiobatchd --once {quoted(request.dataset)}")
        say(f"To take them out again: audiobatchctl import --undo {result.id} {quoted(request.dataset)}")


def _mix(track: Track) -> str:
    return next(file.path for name, file in track.files.items() if name.startswith("full_mix."))


def _stems(track: Track) -> str:
    return f", with {counted(len(track.files) - 1, 'stem')}" if len(track.files) > 1 else ""


def _tell_troubles(title: str, troubles: list[Trouble], say: Say, most: int | None = _SHOWN) -> None:
    if not troubles:
        return
    say(f"{title}: {len(troubles):,}")
    for each in troubles[:most]:
        say(printable(f"  {shown(each.path)}: {each.why}"))
    if most is not None and len(troubles) > most:
        say(f"  and {len(troubles) - most:,} more, which --json names")


def _told(request: Request, result: Result, *, dry_run: bool) -> dict[str, object]:
    plan = result.plan
    failed = [*plan.troubles, *result.failed]
    return {
        "dataset": shown(request.dataset),
        "mode": request.mode,
        "dry_run": dry_run,
        "id": result.id,
        "planned": {
            shown(track.name): {name: shown(f.path) for name, f in track.files.items()} for track in plan.tracks
        },
        "imported": result.imported,
        "already": plan.already,
        "passed_over": plan.passed_over,
        "left_out": [{"path": shown(each.path), "why": each.why} for each in plan.left_out],
        "failed": [{"path": shown(each.path), "why": each.why} for each in failed],
        "stopped": result.stopped,
    }
