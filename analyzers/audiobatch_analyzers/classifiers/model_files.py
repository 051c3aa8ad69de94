"""Essentia's published models on disk: a graph `<name>.pb` and the metadata beside it, `<name>.json`.

Owns finding them and understanding what the metadata says of inputs, outputs and classes. It loads no graph.

What the metadata says is checked before it reaches Essentia: a node without a name is a segmentation fault there, and a
dimension without sense takes all memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiobatchd.plugin_api import AnalyzerUnavailableError, CheckModel

_DEFAULT_RATE = 16000
_LOWEST_RATE, _HIGHEST_RATE = 8000, 192_000
_WIDEST = 1 << 16
_LARGEST_BATCH = 1 << 10
_LARGEST_METADATA = 16 << 20


def _accept(path: Path, digest: str) -> None:
    """Accept every file."""


@dataclass(frozen=True)
class ModelFiles:
    """Model: its graph, and what its metadata tells."""

    name: str
    graph: Path
    metadata: dict[str, Any]
    """JSON object as it was read."""
    check: CheckModel = field(default=_accept, compare=False)
    """`Settings.check_model`."""
    width: int | None = None
    """Last dimension of the input's shape, where that is known better than the metadata has it."""

    @property
    def algorithm(self) -> str:
        """Essentia's algorithm that runs it, as `TensorflowPredictMusiCNN`; "" where the metadata names none."""
        return _text(self._inference.get("algorithm"))

    @property
    def rate(self) -> int:
        """The sample rate in Hz of the audio that it takes."""
        match self._inference.get("sample_rate", _DEFAULT_RATE):
            case int() | float() as rate if _LOWEST_RATE <= rate <= _HIGHEST_RATE and rate == int(rate):
                return int(rate)
        raise self.unusable("its metadata names no sample rate that can be")

    @property
    def backbone(self) -> str:
        """The name of the model whose embeddings it takes; "" where it takes audio, or its metadata does not say."""
        embedding = self._inference.get("embedding_model")
        return _text(embedding.get("model_name")) if isinstance(embedding, dict) else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """Meanings of its predictions, in order."""
        classes = self.metadata.get("classes")
        if not isinstance(classes, list) or not classes or not all(map(_text, classes)):
            raise self.unusable("its metadata names no classes")
        return tuple(classes)

    @property
    def input(self) -> tuple[str, int]:
        """The node that takes the input, and the last dimension of its shape."""
        return self._name(self._input, "input"), self.width or self._shape[-1]

    @property
    def batch(self) -> int | None:
        """Number of patches that it takes at a time, where its metadata says so: it takes no other number."""
        match self._shape:
            case [batch, _, _] if _is_size(batch, _LARGEST_BATCH):
                return int(batch)
        return None

    def output(self, purpose: str) -> str:
        """The node that gives the output of this `purpose`: "predictions" or "embeddings"."""
        for node in self._nodes("outputs"):
            if node.get("output_purpose") == purpose:
                return self._name(node, "output")
        why = f"its metadata names no output for {purpose}"
        raise self.unusable(why)

    @contextmanager
    def opened(self) -> Iterator[tuple[str, str]]:
        """A path to the graph, for as long as the context lasts, and the graph's SHA-256.

        Both are of one file, even if another one takes its place meanwhile. Raises AnalyzerUnavailableError where it
        cannot be read, or is not what it should be.
        """
        try:
            file = self.graph.open("rb")
        except OSError as error:
            raise self.unusable(str(error.strerror)) from error
        with file:
            try:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise self.unusable(str(error.strerror)) from error
            self.check(self.graph, digest)
            yield f"/proc/self/fd/{file.fileno()}", f"sha256:{digest}"

    @property
    def _inference(self) -> dict[str, Any]:
        inference = self.metadata.get("inference", {})
        return inference if isinstance(inference, dict) else {}

    @property
    def _input(self) -> dict[str, Any]:
        return self._nodes("inputs")[0]

    @property
    def _shape(self) -> list[Any]:
        """Shape of the input. All dimensions but the last may be anything, such as a text."""
        shape = self._input.get("shape")
        if not isinstance(shape, list) or not shape or not _is_size(shape[-1], _WIDEST):
            raise self.unusable("its metadata names no shape of its input that can be")
        return shape

    def _name(self, node: dict[str, Any], which: str) -> str:
        name = _text(node.get("name"))
        if not name:
            why = f"its metadata does not name its {which}"
            raise self.unusable(why)
        return name

    def _nodes(self, which: str) -> list[dict[str, Any]]:
        schema = self.metadata.get("schema", {})
        nodes = schema.get(which) if isinstance(schema, dict) else None
        if not isinstance(nodes, list) or not nodes or not all(isinstance(node, dict) for node in nodes):
            why = f"its metadata has no {which}"
            raise self.unusable(why)
        return nodes

    def unusable(self, why: str) -> AnalyzerUnavailableError:
        """The error that names the model's graph, and why it is no use."""
        return AnalyzerUnavailableError(f"cannot use the model {self.graph}: {why}")


def find(name: str, directories: tuple[Path, ...], check: CheckModel = _accept) -> ModelFiles | None:
    """The model `name` in the first directory that has both of its files; None where none has.

    Raises AnalyzerUnavailableError, with the file, where it is none, its metadata cannot be understood, or `check`
    refuses that.
    """
    for directory in directories:
        graph, metadata = directory / f"{name}.pb", directory / f"{name}.json"
        if _is_there(graph) and _is_there(metadata):
            return ModelFiles(name, graph, _read(metadata, check), check)
    return None


def closed(directories: tuple[Path, ...]) -> tuple[Path, ...]:
    """List those of the directories in which this user may not look anything up."""
    return tuple(filter(_is_closed, directories))


def _is_closed(directory: Path) -> bool:
    try:
        os.stat(os.path.join(directory, "."))
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass
    return False


def _is_there(path: Path) -> bool:
    """Tell whether a regular file is there. Raises AnalyzerUnavailableError where something else is."""
    found = _stat(path)
    # A directory in place of a graph ends the process when TensorFlow opens it, and a FIFO blocks it for ever.
    if found is not None and not stat.S_ISREG(found.st_mode):
        message = f"cannot use the model {path}: it is no regular file"
        raise AnalyzerUnavailableError(message)
    return found is not None


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        # A name that is too long or holds a NUL, and a directory that this user may not enter, have no file either.
        return None


def _read(path: Path, check: CheckModel) -> dict[str, Any]:
    try:
        # It was a regular file; what it has become since must not be waited for.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            text = file.read(_LARGEST_METADATA + 1)
        if len(text) > _LARGEST_METADATA:
            message = f"more than {_LARGEST_METADATA:,} bytes"
            raise ValueError(message)
        check(path, hashlib.sha256(text).hexdigest())
        content = json.loads(text)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise AnalyzerUnavailableError(message) from error
    except (ValueError, RecursionError) as error:
        message = f"cannot understand {path}: {error}"
        raise AnalyzerUnavailableError(message) from error
    if not isinstance(content, dict):
        message = f"cannot understand {path}: it is no JSON object"
        raise AnalyzerUnavailableError(message)
    return content


def _text(value: object) -> str:
    """`value` where it is a text, else ""."""
    return value if isinstance(value, str) else ""


def _is_size(value: object, most: int) -> bool:
    return type(value) is int and 0 < value <= most
