"""Loaded graphs: audio or embeddings in, one row of numbers per patch out, by the engine that serves best.

A graph is tried once when it is loaded, so that one that is not what its metadata says is found before the first file,
and so that an engine serves only where it gives the numbers of the reference.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.engines import onnx_runtime, tensorflow
from audiobatch_analyzers.engines.contract import (
    EFFNET,
    EMBEDDINGS,
    MUSICNN,
    ON_EMBEDDINGS,
    PREDICTIONS,
    VGGISH,
    Engine,
    EngineMissingError,
    Run,
)
from audiobatchd.plugin_api import AnalyzerUnavailableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audiobatch_analyzers.classifiers.model_files import ModelFiles

__all__ = ["AUTO", "EMBEDDINGS", "ENGINES", "ON_EMBEDDINGS", "PREDICTIONS", "Graph", "load"]

_LOG = logging.getLogger(__name__)

AUTO = "auto"
_REFERENCE, _FAST = tensorflow.ENGINE, onnx_runtime.ENGINE
ENGINES: Mapping[str, Engine] = {each.name: each for each in (_REFERENCE, _FAST)}

_ALGORITHMS = (ON_EMBEDDINGS, MUSICNN, VGGISH, EFFNET)
_REFUSALS = (OSError, RuntimeError, TypeError, ValueError)
_TOLERANCE = 5e-5
"""Half a unit of the last decimal of a probability; embeddings may differ by as much of the largest one."""

_RATE = 16000
_TRIAL_FRAMES = 7 * _RATE  # a few patches of each algorithm, which overlap
_TRIAL_ROWS = 3


@dataclass(frozen=True)
class Graph:
    """Loaded graph, for one of its outputs."""

    files: ModelFiles
    purpose: str
    """Purpose of the output, as the metadata names it."""
    digest: str
    """SHA-256 of what is loaded."""
    engine: Engine
    """The engine that runs it: the numbers do not depend on it."""
    width: int
    """Numbers that it gives for a patch."""
    run: Run

    def __call__(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output, of shape (patches, numbers), for mono audio or for embeddings of shape (patches, numbers).

        No patches where the audio is shorter than one. Raises ValueError where the graph gives what is no number.
        """
        rows = _rows(self.files, self.run, given) if len(given) else np.empty((0, 0), np.float32)
        return rows if len(rows) else np.empty((0, self.width), np.float32)


def load(files: ModelFiles, purpose: str, engine: str = AUTO) -> Graph:
    """Load the graph and try it. Raises AnalyzerUnavailableError, with the file and the reason, where it is no use.

    `engine` is one of ENGINES, or "auto": ONNX Runtime where it is installed, knows the graph, and gives what
    TensorFlow gives in the trial; else TensorFlow. Where TensorFlow is not installed nothing is compared.
    """
    files.input, files.output(purpose)  # refused before anything is loaded
    if files.algorithm not in _ALGORITHMS:
        why = f"no algorithm for {files.algorithm or 'nothing'}"
        raise files.unusable(why)
    with files.opened() as (path, digest):
        tried = _Trial(files, purpose, path, digest)
        return tried.best() if engine == AUTO else tried.by(ENGINES[engine])[0]


@dataclass(frozen=True)
class _Trial:
    """A graph that is opened, to be loaded by several engines."""

    files: ModelFiles
    purpose: str
    path: str
    digest: str

    def best(self) -> Graph:
        """Load the graph by the fast engine where that is as good as the reference, else by the reference."""
        try:
            fast, found = self.by(_FAST)
        except AnalyzerUnavailableError as error:
            try:
                reference, _ = self.by(_REFERENCE)
            except EngineMissingError as missing:
                message = f"{error}; {missing}"
                raise AnalyzerUnavailableError(message) from error
            if not isinstance(error, EngineMissingError):
                _LOG.warning("%s is run by %s: %s", self.files.graph, _REFERENCE.title, error)
            return reference
        try:
            reference, wanted = self.by(_REFERENCE)
        except EngineMissingError:
            return fast
        if found.shape == wanted.shape and np.abs(found - wanted).max() <= _TOLERANCE * max(1.0, np.abs(wanted).max()):
            return fast
        _LOG.warning("%s is run by %s: %s gives other numbers", self.files.graph, _REFERENCE.title, _FAST.title)
        return reference

    def by(self, engine: Engine) -> tuple[Graph, NDArray[np.float32]]:
        """Load the graph by an engine; the rows that it gives for an input of ours."""
        files = self.files
        try:
            run = engine.open(files, self.purpose, self.path)
            # On embeddings of another width than its default Essentia reads the graph again, at the first that it gets.
            rows = _rows(files, run, _given(files))
        except _REFUSALS as error:
            raise files.unusable(_first_line(error)) from error
        width = rows.shape[1]
        if not width:
            raise files.unusable("it gives nothing")
        if self.purpose == PREDICTIONS and width != len(files.classes):
            why = f"it gives {width} numbers for {len(files.classes)} classes"
            raise files.unusable(why)
        return Graph(files, self.purpose, self.digest, engine, width, run), rows


def _given(files: ModelFiles) -> NDArray[np.float32]:
    """Make an input of the right shape for the trial, in which no two moments are alike."""
    random = np.random.default_rng(0)
    if files.algorithm == ON_EMBEDDINGS:
        _, width = files.input
        return random.uniform(-1.0, 1.0, (_TRIAL_ROWS, width)).astype(np.float32)
    # Noise that rises and falls.
    swell = np.sin(np.linspace(0.0, 5.0, _TRIAL_FRAMES)) ** 2
    return (0.1 * swell * random.standard_normal(_TRIAL_FRAMES)).astype(np.float32)


def _rows(files: ModelFiles, run: Run, given: NDArray[np.float32]) -> NDArray[np.float32]:
    # Essentia reads the columns of an array in Fortran's order as its rows.
    rows: NDArray[np.float32] = np.asarray(run(np.ascontiguousarray(given)), dtype=np.float32)
    if not rows.size:
        return np.empty((0, 0), np.float32)
    if not np.isfinite(rows).all():
        message = f"the model {files.name} gives numbers that are not finite"
        raise ValueError(message)
    # Essentia gives embeddings of several dimensions as (patches, 1, 1, numbers).
    return rows.reshape(len(rows), -1)


def _first_line(error: Any) -> str:  # noqa: ANN401  # whatever was raised
    return str(error).strip().partition("\n")[0] or type(error).__name__
