"""The way of a model into a directory, whole: fetched from where it is published, or copied from the user's files.

No file gets its name before it was checked: both of them, where they are copied. The pins are written last.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from audiobatchd.errors import ModelError, UsageError
from audiobatchd.models import pins, store
from audiobatchd.models.download import Progress, Terms, Wanted, download
from audiobatchd.models.graph_file import check_graph, check_metadata, check_of, opened, sha256_of
from audiobatchd.models.manifest import OFFICIAL, Model
from audiobatchd.models.part import Part, arriving, make_directory
from audiobatchd.models.store import Files, State
from audiobatchd.vocabulary.names import shown

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Place from which models are fetched, and with how much patience."""

    base: str = OFFICIAL
    terms: Terms = field(default_factory=Terms)


@dataclass(frozen=True)
class Telling:
    """Functions to call while files come."""

    file: Callable[[str], None]
    """Called before each file with its address."""
    progress: Callable[[str, int, int | None], None]
    """Called with a file's name, the bytes that have come, and how many there will be."""
    waiting: Callable[[], None]
    """Called before another process is waited for that fetches the same file."""


class Intake(StrEnum):
    """Outcome for a model."""

    FETCHED = "fetched"
    THERE = "already there"


def fetch(
    model: Model,
    source: Source,
    directory: Path,
    searched: tuple[Path, ...],
    tell: Telling,
    trusted: Collection[str] = (),
) -> tuple[Intake, Files]:
    """Have the model in `directory`, unless one of the `searched` directories serves a right one.

    What is there and right, or has a `trusted` digest, is kept. Raises ModelError where it cannot be fetched, or where
    a wrong copy in another directory would be served instead of it.
    """
    there = store.find(model.name, searched)
    if there is not None:
        verdict = store.examine(there, trusted)
        if verdict.state is not State.WRONG:
            if there.directory == directory and verdict.state is not State.TRUSTED:
                # It may be a directory that is only read.
                with contextlib.suppress(ModelError):
                    _pin(there, verdict.digests)
            return Intake.THERE, there
        if there.directory != directory:
            message = f"{verdict.trouble}; it is found before what would be fetched: remove it"
            raise ModelError(message)
    make_directory(directory)
    files = Files(model.name, directory)
    for path in files.both:
        _fetch_file(path, f"{source.base.rstrip('/')}/{model.path}{path.suffix}", files, source.terms, tell)
    verdict = store.examine(files)
    if verdict.state is State.WRONG:
        raise ModelError(verdict.trouble)
    _pin(files, verdict.digests)
    return Intake.FETCHED, files


def add(graph: Path, metadata: Path, directory: Path, trusted: Collection[str] = ()) -> Files:
    """Copy a model of the user's into `directory`, and pin its digests; its name is the graph's.

    A `trusted` digest need not be the published one. Raises UsageError for a name that no model can have, ModelError
    for files that are none, or not what the manifest says of that name.
    """
    name = graph.name.removesuffix(store.GRAPH)
    if not graph.name.endswith(store.GRAPH) or not store.is_name(name):
        message = (
            f"cannot add {shown(str(graph))}: expected NAME.pb, with a NAME of letters, digits and the signs . _ + -"
        )
        raise UsageError(message)
    # Before a directory is made for it.
    check_graph(graph)
    check_metadata(metadata)
    make_directory(directory)
    files = Files(name, directory)
    published = {name: digest for name, digest in store.published(files).items() if sha256_of(graph) not in trusted}
    with _copied(metadata, files.metadata, published) as first, _copied(graph, files.graph, published) as second:
        digests = {part.target.name: sha256_of(part.path) for part in (first, second)}
        first.deliver()
        second.deliver()
    pins.write(files.pins, digests)
    return files


def _fetch_file(path: Path, address: str, files: Files, terms: Terms, tell: Telling) -> None:
    """Fetch one file, unless it is there as it must be."""
    digest = store.expected(files).get(path.name)
    check = check_of(path.name)
    with contextlib.suppress(ModelError):
        check(path)
        if digest in (None, sha256_of(path)):
            return
    tell.file(address)
    progress: Progress = lambda size, total: tell.progress(path.name, size, total)  # noqa: E731  # one line, used once
    download(Wanted(address, path, check, digest), terms, progress, tell.waiting)


@contextlib.contextmanager
def _copied(origin: Path, target: Path, published: dict[str, str]) -> Iterator[Part]:
    """A whole and right copy of `origin` that has only to be delivered; removed where it is not."""
    with opened(origin) as source, arriving(target, lambda: None) as part:
        if part is None:
            message = f"cannot write {shown(str(target))}: another process has just put it there"
            raise ModelError(message)
        try:
            part.begin(None)
            while data := source.read(_CHUNK):
                part.append(data)
            # Once more: what was checked before may have changed while it was copied.
            check_of(target.name)(part.path)
            found = sha256_of(part.path)
            if found != published.get(target.name, found):
                message = (
                    f"cannot add {shown(str(origin))}: its SHA-256 is {found} instead of the published "
                    f"{published[target.name]}"
                )
                raise ModelError(message)
            yield part
        finally:
            part.discard()


def _pin(files: Files, digests: dict[str, str]) -> None:
    if pins.read(files.pins) != digests:
        pins.write(files.pins, digests)
