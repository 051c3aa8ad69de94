"""`audiobatchctl models list`, `fetch`, `add` and `verify`: the models that analyzers load. They need no service."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from audiobatchd.cli.local import model_directories_here
from audiobatchd.cli.terminal import output
from audiobatchd.cli.terminal.lacking import FETCH
from audiobatchd.cli.terminal.output import Say, width
from audiobatchd.cli.terminal.progress import ProgressLine
from audiobatchd.cli.terminal.text import as_json, clipped, padded, worded, write
from audiobatchd.config.checks import installed_analyzers
from audiobatchd.config.file import chosen_config
from audiobatchd.config.places import model_target, state_directory
from audiobatchd.control.client import ControlClient
from audiobatchd.errors import UnreachableError, UsageError
from audiobatchd.models import intake, manifest, store
from audiobatchd.models.download import check_base
from audiobatchd.models.intake import Intake, Source, Telling
from audiobatchd.models.manifest import BY_NAME, DEFAULT, LICENCE, LICENCE_ADDRESS, OFFICIAL, Model, with_needed
from audiobatchd.models.store import Files, State, Verdict
from audiobatchd.vocabulary.analyzer_sets import chosen
from audiobatchd.vocabulary.exits import ControlExit
from audiobatchd.vocabulary.names import printable, shown
from audiobatchd.vocabulary.suggestions import cannot_find

_KILO, _MEGA, _LARGE = 1000, 1000_000, 100_000_000
_HERE = "here"
_NARROWEST, _NARROWEST_NAME, _BESIDE_NAME = 40, 12, 41
"""Cells of the narrowest table and name, and of all beside a name in a line of the table."""
_CLASSIFIERS = "classifiers"
"""The analyzers that load published models."""
_CARRIED = "models"
"""Directory that models are carried in, in a command that tells how."""
_TAKEN_UP = "A running audiobatchd takes it up when it is started again: systemctl restart audiobatchd"


@dataclass(frozen=True)
class _Entry:
    """A model in the answers: known, found, or both."""

    name: str
    model: Model | None
    """The published model; None where it is the user's own."""
    files: Files | None
    """The files that were found; None where there are none."""
    verdict: Verdict | None
    """Result of examining them; None where there are none."""
    remarks: tuple[str, ...] = field(default=())
    """Sentences on what keeps it from use."""

    @property
    def wrong(self) -> bool:
        return self.verdict is not None and self.verdict.state is State.WRONG

    @property
    def state(self) -> str:
        return self.verdict.state.value if self.verdict else "not found"

    @property
    def word(self) -> str:
        """Its state for people: whether it can be loaded; `verify` tells how far it is vouched for."""
        return "damaged" if self.wrong else _HERE if self.verdict else "missing"

    @property
    def serves(self) -> str:
        """The analyzer that works with it."""
        if self.model is None:
            return "yours"
        return self.model.serves or "its heads"

    @property
    def size(self) -> int | None:
        """The graph's size in bytes: as it is here, else as it is published."""
        if self.files:
            return self.files.graph.stat().st_size
        return self.model.size if self.model else None


def list_models(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """List every known model and every other that is found, where it is, and how far it is vouched for."""
    directories, _, trusted = _places(arguments)
    wanted = _wanted(arguments)
    others = [name for name in store.names_in(directories) if name not in BY_NAME]
    entries = [_entry(name, directories, trusted) for name in [*dict.fromkeys((*wanted, *others, *BY_NAME))]]
    if arguments.json:
        places = [{"path": shown(str(each)), "trouble": store.hindrance(each) or None} for each in directories]
        told = {
            "directories": places,
            "models": [_in_json(entry) | {"wanted": entry.name in wanted} for entry in entries],
        }
        say(as_json(told))
        return 0
    for line in _table(entries, {*wanted}, width(sys.stdout, os.environ)):
        say(line)
    say("\nLooked for in, the first that has both files of a model serves it:")
    for each in directories:
        hindrance = store.hindrance(each)
        say(f"  {shown(str(each))}{f' ({hindrance})' if hindrance else ''}")
    return 0


def _table(entries: list[_Entry], wanted: Collection[str], room: int) -> Iterator[str]:
    """Lay out the models: those for analyzers that are on, then those that are here beside them, then the others."""
    columns = _Columns(max(len(entry.name) for entry in entries), max(_NARROWEST, room))
    first = [entry for entry in entries if entry.name in wanted]
    here = [entry for entry in entries if entry.files and entry not in first]
    others = [entry for entry in entries if entry not in first and entry not in here]
    titles = ("for the analyzers that are on", "beside these that are here", f"beside these, published under {LICENCE}")
    is_next = False
    for title, part in zip(titles, (first, here, others), strict=True):
        if part:
            yield from ("",) * is_next
            is_next = True
            yield clipped(f"Models {title}:", columns.room)
            yield columns.of("NAME", "SIZE", "STATE", "SERVES")
            for entry in part:
                yield columns.of(entry.name, _bytes(entry.size), entry.word, entry.serves)
                for remark in entry.remarks:
                    yield from (f"    {line}" for line in worded(remark, columns.room - 4))
            if part is first and any(entry.word != _HERE for entry in first):
                yield f"  fetch what is missing: {FETCH}"


class _Columns:
    """The table's columns: the name gives way where they are too many cells together."""

    def __init__(self, name: int, room: int) -> None:
        self.room = room
        self._name = min(name, max(_NARROWEST_NAME, room - _BESIDE_NAME))

    def of(self, *cells: str) -> str:
        name, size, state, serves = cells
        line = f"  {padded(name, self._name)}  {size:>7}  {state:7}  {serves}"
        return clipped(line.rstrip(), self.room)


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
            {"done": intook, **_in_json(_Entry(files.name, BY_NAME[files.name], files, verdict))}
            for intook, files, verdict in done
        ]
        say(as_json({"licence": LICENCE, "models": told}))
    if any(intook is Intake.FETCHED for intook, _, _ in done):
        _tell_of_what_follows(target, directories, tell)
    return 0


def add(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Copy a model from the user's files to where models are looked for."""
    graph: Path = arguments.file
    metadata: Path = arguments.metadata or graph.parent / f"{graph.name.removesuffix(store.GRAPH)}{store.METADATA}"
    directories, target, trusted = _places(arguments)
    files = intake.add(graph, metadata, target, trusted)
    verdict = store.examine(files, trusted)
    if arguments.json:
        say(as_json(_in_json(_Entry(files.name, BY_NAME.get(files.name), files, verdict))))
    else:
        say(f"{files.name}: added, {verdict.state}, in {shown(str(files.directory))}")
        say(f"  SHA-256 {verdict.digests[files.graph.name]}")
        _tell_of_what_follows(target, directories, say)
    return 1 if verdict.state is State.WRONG else 0


def verify(arguments: argparse.Namespace, _client: ControlClient, say: Say) -> int:
    """Hold every model that is found against the published digests and the pins. Exit code 1 where any is wrong."""
    directories, _, trusted = _places(arguments)
    entries = [_entry(name, directories, trusted) for name in store.names_in(directories)]
    if arguments.json:
        say(as_json({"models": [_in_json(entry) for entry in entries]}))
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
    part = f"{100 * size // total:3} % of {_bytes(total)}" if total else _bytes(size)
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


def _entry(name: str, directories: tuple[Path, ...], trusted: frozenset[str]) -> _Entry:
    files = store.find(name, directories)
    verdict = store.examine(files, trusted) if files else None
    model = BY_NAME.get(name)
    return _Entry(name, model, files, verdict, tuple(_remarks(name, model, files, verdict, directories)))


def _remarks(
    name: str, model: Model | None, files: Files | None, verdict: Verdict | None, directories: tuple[Path, ...]
) -> Iterator[str]:
    if verdict and verdict.trouble:
        yield verdict.trouble
    if files is None and (lone := store.lone(name, directories)):
        missing = store.METADATA if lone.suffix == store.GRAPH else store.GRAPH
        yield f"{shown(str(lone))} is of no use without {name}{missing} beside it"
    if files and model and model.needs and not store.find(model.needs, directories):
        yield f"needs {model.needs}, which is not found"


def _in_json(entry: _Entry) -> dict[str, object]:
    files, verdict, model = entry.files, entry.verdict, entry.model
    return {
        "name": entry.name,
        "known": model is not None,
        "what": model.what if model else None,
        "licence": model.licence if model else None,
        "serves": model.serves if model else None,
        "needs": model.needs if model else None,
        "size": entry.size,
        "directory": shown(str(files.directory)) if files else None,
        "state": entry.state,
        "sha256": verdict.digests.get(files.graph.name) if files and verdict else None,
        "remarks": list(entry.remarks),
    }


def _tell_of_what_follows(target: Path, directories: tuple[Path, ...], say: Say) -> None:
    if any(os.path.realpath(target) == os.path.realpath(each) for each in directories):
        say(_TAKEN_UP)
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


def _bytes(size: int | None) -> str:
    """A size in its largest unit; "?" where it is not known."""
    if size is None:
        return "?"
    if size < _KILO:
        return f"{size} B"
    if size < _MEGA:
        return f"{size / _KILO:.0f} kB"
    return f"{size / _MEGA:.1f} MB" if size < _LARGE else f"{size / _MEGA:.0f} MB"
