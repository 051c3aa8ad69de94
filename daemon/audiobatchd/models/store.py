"""Models on this machine: where their files are, and whether they are what the manifest and the pins say.

The first directory that has both files of a model serves it, as it does for the analyzers.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from audiobatchd.errors import ModelError
from audiobatchd.models import graph_file, pins
from audiobatchd.models.manifest import BY_NAME
from audiobatchd.vocabulary.names import shown

GRAPH, METADATA, PINS = ".pb", ".json", ".sha256"
# What a name may look like: sha256sum, addresses and terminals take it as it is.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


class State(StrEnum):
    """State of the files of a model: how far they are vouched for."""

    OK = "ok"
    """The graph has the digest that the manifest gives."""
    PINNED = "pinned"
    """Files with the digests that they came with; the manifest gives none."""
    UNPINNED = "unpinned"
    """No digest is written down for it."""
    TRUSTED = "trusted"
    """Files with a digest that the configuration trusts, whatever the manifest and the pins say."""
    WRONG = "WRONG"
    """A file is not what it should be, or no model's at all."""


@dataclass(frozen=True)
class Files:
    """The files of the model `name` in a directory, whether they are there or not."""

    name: str
    directory: Path

    @property
    def graph(self) -> Path:
        """The TensorFlow graph."""
        return self.directory / f"{self.name}{GRAPH}"

    @property
    def metadata(self) -> Path:
        """The JSON that tells its inputs, outputs and classes."""
        return self.directory / f"{self.name}{METADATA}"

    @property
    def pins(self) -> Path:
        """The digests that they came with."""
        return self.directory / f"{self.name}{PINS}"

    @property
    def both(self) -> tuple[Path, Path]:
        """The metadata and the graph. What serves a model is its pair: the graph, which is large, comes last."""
        return self.metadata, self.graph


@dataclass(frozen=True)
class Verdict:
    """Result of an examination."""

    state: State
    trouble: str = ""
    """Cause where the state is WRONG."""
    digests: dict[str, str] = field(default_factory=dict)
    """Digests of the files as they are, by name."""


def is_name(name: str) -> bool:
    """Tell whether a model can have this name."""
    return _NAME.fullmatch(name) is not None


def find(name: str, directories: Iterable[Path]) -> Files | None:
    """The model's files in the first directory that has both; None where none has."""
    for directory in directories:
        files = Files(name, directory)
        if all(map(is_file, files.both)):
            return files
    return None


def lone(name: str, directories: Iterable[Path]) -> Path | None:
    """Find a file of the model that lies somewhere without the other one, and is of no use."""
    for directory in directories:
        for path in Files(name, directory).both:
            if is_file(path):
                return path
    return None


def names_in(directories: Iterable[Path]) -> list[str]:
    """The names of all models that are found, in order of their names."""
    directories = tuple(directories)
    names = {
        name.removesuffix(GRAPH)
        for directory in directories
        for name in _listed(directory)
        if name.endswith(GRAPH) and is_name(name.removesuffix(GRAPH))
    }
    return sorted(name for name in names if find(name, directories))


def hindrance(directory: Path) -> str:
    """Say why nothing can be found in a directory; empty where there is no reason."""
    try:
        os.scandir(directory).close()
    except OSError as error:
        return "not there" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror}"
    return ""


def published(files: Files) -> dict[str, str]:
    """The digests that the manifest gives, by file name: the graph's, or none."""
    model = BY_NAME.get(files.name)
    return {files.graph.name: model.sha256} if model and model.sha256 else {}


def expected(files: Files) -> dict[str, str]:
    """The digests that the files must have, by file name: the manifest's, else the pins'. Raises ModelError."""
    return pins.read(files.pins) | published(files)


def examine(files: Files, trusted: Collection[str] = ()) -> Verdict:
    """Hold the files against the manifest, the pins, and what a model's files must look like.

    `trusted` digests need be neither published nor pinned.
    """
    digests: dict[str, str] = {}
    try:
        for path in files.both:
            graph_file.check_of(path.name)(path)
            digests[path.name] = graph_file.sha256_of(path)
            _compare(files, path, digests[path.name], trusted)
        graph = digests[files.graph.name]
        if published(files).get(files.graph.name) == graph:
            return Verdict(State.OK, digests=digests)
        if graph in trusted:
            return Verdict(State.TRUSTED, digests=digests)
        pinned = pins.read(files.pins)
    except ModelError as error:
        return Verdict(State.WRONG, str(error), digests)
    return Verdict(State.PINNED if files.graph.name in pinned else State.UNPINNED, digests=digests)


def vouch(path: Path, digest: str, trusted: Collection[str] = ()) -> None:
    """Raise ModelError where `examine` would call a model wrong for its file at `path`, whose SHA-256 is `digest`."""
    graph_file.check_of(path.name)(path)
    try:
        _compare(Files(path.stem, path.parent), path, digest, trusted)
    except ModelError as error:
        message = f"{error}; fetch it again, or name the SHA-256 that it has in trusted_models"
        raise ModelError(message) from error


def is_file(path: Path) -> bool:
    """Tell whether there is a regular file, or a link to one, that this user can see."""
    try:
        return path.is_file()
    except OSError:
        return False


def _compare(files: Files, path: Path, found: str, trusted: Collection[str]) -> None:
    if found in trusted:
        return
    for side, digests in (("published", published(files)), ("pinned", pins.read(files.pins))):
        wanted = digests.get(path.name, found)
        if wanted != found:
            message = f"cannot trust {shown(str(path))}: its SHA-256 is {found} instead of the {side} {wanted}"
            raise ModelError(message)


def _listed(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
