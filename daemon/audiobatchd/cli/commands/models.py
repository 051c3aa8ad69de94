"""`audiobatchctl models list`, `fetch`, `add` and `verify`: the models that analyzers load. They need no service."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from audiobatchd.cli.local import model_directories_here
from audiobatchd.cli.model_table import Entry, entry_of, size_said, table_lines
from audiobatchd.cli.terminal import output
from audiobatchd.cli.terminal.lacking import FETCH
from audiobatchd.cli.terminal.output import Say, room
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json, write
from audiobatchd.config.checks import installed_analyzers
from audiobatchd.config.file import chosen_config
from audiobatchd.config.places import model_target, service_is_installed, state_directory
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import ModelError, UnreachableError, UsageError
from audiobatchd.models import intake, manifest, store
from audiobatchd.models.download import check_base
from audiobatchd.models.intake import Intake, Source, Telling
from audiobatchd.models.manifest import BY_NAME, DEFAULT, LICENCE, LICENCE_ADDRESS, OFFICIAL, with_needed
from audiobatchd.models.store import Files, State, Verdict
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.commands import joined
from audiobatchd.vocabulary.exits import ControlExit
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.suggestions import cannot_find

_CLASSIFIERS = "classifiers"
"""The analyzers that load published models."""
_CARRIED = "models"
"""Directory that models are carried in, in a command that tells how."""
_TAKEN_UP = "A running audiobatchd takes it up when it is started again: {}systemctl {}restart audiobatchd"
_ELSEWHERE = "The machine's service does not look there: sudo audiobatchctl models {} gives it them too"


def list_models(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """List every known model and every other that is found, where it is, and how far it is vouched for."""
    directories, _, trusted = _places(arguments)
    wanted = _wanted(arguments)
    others = [name for name in store.names_in(directories) if name not in BY_NAME]
    entries = [entry_of(name, directories, trusted) for name in [*dict.fromkeys((*wanted, *others, *BY_NAME))]]
    if arguments.json:
        places = [{"path": shown(str(each)), "trouble": store.hindrance(each) or None} for each in directories]
        told = {
            "directories": places,
            "models": [entry.in_json() | {"wanted": entry.name in wanted} for entry in entries],
        }
        say(as_json(told))
        return 0
    for line in table_lines(entries, {*wanted}, room(os.environ)):
        say(line)
    say("\nLooked for in, the first that has both files of a model serves it:")
    for each in directories:
        hindrance = store.hindrance(each)
        say(f"  {shown(str(each))}{f' ({hindrance})' if hindrance else ''}")
    return 0


def fetch(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Fetch models and what they need, unless they are there."""
    models = with_needed(_known(arguments.name) or _wanted(arguments) or DEFAULT)
    check_base(arguments.source or OFFICIAL)
    directories, target, trusted = _places(arguments)
    searched = (target,) if arguments.to else directories
    # A JSON answer is all that is on standard output; the progress on a terminal is on standard error.
    tell: Say = (lambda _: None) if arguments.json else say
    tell(f"Essentia's models are published under {LICENCE}, for non-commercial use only: {LICENCE_ADDRESS}")
    line = ProgressLine()
    telling = _telling(line, tell)
    done: list[tuple[Intake, Files, Verdict]] = []
    for model in models:
        try:
            with _cure_told(arguments):
                intook, files = intake.fetch(
                    model, Source(arguments.source or OFFICIAL), target, searched, telling, trusted
                )
        except UnreachableError as error:
            line.clear()
            _tell_of_other_ways(error, [each.name for each in models[len(done) :]], arguments)
            return ControlExit.NO
        finally:
            line.clear()
        verdict = store.examine(files, trusted)
        done.append((intook, files, verdict))
        digest = verdict.digests[files.graph.name]
        tell(f"{model.name}: {intook}, {verdict.state}, in {shown(str(files.directory))}")
        tell(f"  SHA-256 {digest}")
    if arguments.json:
        told = [
            {"done": intook, **Entry(files.name, BY_NAME[files.name], files, verdict).in_json()}
            for intook, files, verdict in done
        ]
        say(as_json({"licence": LICENCE, "models": told}))
    if any(intook is Intake.FETCHED for intook, _, _ in done):
        _tell_of_what_follows(arguments, target, directories, tell)
    return 0


def add(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Copy a model from the user's files to where models are looked for."""
    graph: Path = arguments.file
    metadata: Path = arguments.metadata or graph.parent / f"{graph.name.removesuffix(store.GRAPH)}{store.METADATA}"
    directories, target, trusted = _places(arguments)
    with _cure_told(arguments):
        files = intake.add(graph, metadata, target, trusted)
    verdict = store.examine(files, trusted)
    if arguments.json:
        say(as_json(Entry(files.name, BY_NAME.get(files.name), files, verdict).in_json()))
    else:
        say(f"{files.name}: added, {verdict.state}, in {shown(str(files.directory))}")
        say(f"  SHA-256 {verdict.digests[files.graph.name]}")
        _tell_of_what_follows(arguments, target, directories, say)
    return 1 if verdict.state is State.WRONG else 0


def verify(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Hold every model that is found against the published digests and the pins. Exit code 1 where any is wrong."""
    directories, _, trusted = _places(arguments)
    entries = [entry_of(name, directories, trusted) for name in store.names_in(directories)]
    if arguments.json:
        say(as_json({"models": [entry.in_json() for entry in entries]}))
    else:
        for entry in entries:
            assert entry.files is not None
            say(f"  [{entry.state:>8}] {shown(str(entry.files.graph))}")
            if entry.verdict and entry.verdict.trouble:
                say(f"             {entry.verdict.trouble}")
        if not entries:
            say(f"No models are found in {', '.join(shown(str(each)) for each in directories)}")
    return 1 if any(entry.wrong for entry in entries) else 0


def _telling(line: ProgressLine, tell: Say) -> Telling:
    """Have the progress of a fetch drawn, and wiped before anything else is told."""

    def tell_apart(text: str) -> None:
        line.clear()
        tell(text)

    return Telling(
        file=lambda address: tell_apart(f"Fetching {printable(address)}"),
        progress=partial(_show, line),
        waiting=lambda: tell_apart("Waiting for another fetch of the same file"),
    )


def _show(line: ProgressLine, file: str, size: int, total: int | None) -> None:
    part = f"{100 * size // total:3} % of {size_said(total)}" if total else size_said(size)
    line.show(f"  {file}  {part}")


def _places(arguments: argparse.Namespace) -> tuple[tuple[Path, ...], Path, frozenset[str]]:
    """Find where models are looked for, where one is put, and the digests that are trusted."""
    settings = chosen_config(arguments.config, os.environ)
    to: Path | None = getattr(arguments, "to", None)
    state = state_directory(os.environ, os.getuid())
    target = to or model_target(settings.model_directory, os.environ, state, os.getuid())
    return model_directories_here(settings), target, frozenset(settings.trusted_digests)


def _known(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise UsageError(cannot_find("the model", unknown[0], BY_NAME))
    return names


def _wanted(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Name the models that the analyzers which are on work with."""
    settings = chosen_config(arguments.config, os.environ)
    if _CLASSIFIERS not in chosen(settings.analyzers, installed_analyzers()):
        return ()
    return manifest.wanted(settings.analyzer.get(_CLASSIFIERS, {}))


def _tell_of_what_follows(arguments: argparse.Namespace, target: Path, directories: tuple[Path, ...], say: Say) -> None:
    if any(os.path.realpath(target) == os.path.realpath(each) for each in directories):
        own = target == _own_models()
        say(_TAKEN_UP.format("" if own or os.geteuid() == 0 else "sudo ", "--user " if own else ""))
        if own and service_is_installed():
            say(_ELSEWHERE.format(_again(arguments)))
    else:
        where = shown(str(target.absolute()))
        say(f"No audiobatchd looks there by itself: set model_directory = '{where}' in its configuration")


def _tell_of_other_ways(error: UnreachableError, lacking: list[str], arguments: argparse.Namespace) -> None:
    """Tell why models cannot be fetched, and the commands by which they come all the same."""
    named = "".join(f" {name}" for name in lacking) if arguments.name else ""
    add = [f"  audiobatchctl models add {_CARRIED}/{name}{store.GRAPH}" for name in lacking]
    told = (
        f"Where another machine has what {arguments.source or OFFICIAL} has:",
        f"  {FETCH} --from http://ITS_NAME/models{named}",
        "Or fetch where it can be reached, bring the directory here, and add from it:",
        f"  {FETCH} --to {_CARRIED}{named}",
        *add,
    )
    output.complain("audiobatchctl", str(error))
    with suppress(OSError):
        write("\n".join(told), sys.stderr)


def _own_models() -> Path | None:
    """Find the directory of this user's own models; None for root, who has the service's."""
    state = state_directory(os.environ, os.getuid())
    return model_target(None, {**os.environ, "ESSENTIA_MODELS_DIR": ""}, state, os.getuid()) if os.getuid() else None


def _again(arguments: argparse.Namespace) -> str:
    """The action and what it is to take in, as on the command line."""
    file = getattr(arguments, "file", None)
    return joined(["add", str(file)] if file else ["fetch", *arguments.name])


@contextmanager
def _cure_told(arguments: argparse.Namespace) -> Iterator[None]:
    """Say of a place that is not this user's to write in how root does the same."""
    try:
        yield
    except ModelError as error:
        if os.geteuid() == 0 or not isinstance(error.__cause__, PermissionError):
            raise
        message = f"{error}; as root: sudo audiobatchctl models {_again(arguments)}"
        raise ModelError(message) from error
