"""Running Essentia's TensorFlow graphs: audio or embeddings in, one row of numbers per patch out.

A graph is tried once when it is loaded, so that one that is not what its metadata says is found before the first file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from audiobatch_analyzers.engines import essentia

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audiobatch_analyzers.classifiers.model_files import ModelFiles

PREDICTIONS, EMBEDDINGS = "predictions", "embeddings"
ON_EMBEDDINGS = "TensorflowPredict2D"

_EFFNET = "TensorflowPredictEffnetDiscogs"

ON_AUDIO: Mapping[str, int] = {
    # One patch at a time: with Essentia's own 64 a MusiCNN takes 1.4 times the CPU time and 600 MB more.
    "TensorflowPredictMusiCNN": 1,
    "TensorflowPredictVGGish": 1,
    # Its published graphs take as many as their metadata says, and no other number: most of them 64. Essentia fills the
    # last batch up with silence, and gives rows for the patches of the audio alone.
    _EFFNET: 64,
}
"""Algorithms that take audio, and how many patches of a mel spectrogram each hands the graph at a time."""

_RATE = 16000
_TRIAL_FRAMES = 4 * _RATE
_TRIAL_ROWS = 3


@dataclass(frozen=True)
class Graph:
    """Loaded graph, for one of its outputs."""

    files: ModelFiles
    purpose: str
    """Purpose of the output, as the metadata names it."""
    digest: str
    """SHA-256 of what is loaded."""
    width: int
    """Numbers that it gives for a patch."""
    run: Callable[[NDArray[np.float32]], object]

    def __call__(self, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output, of shape (patches, numbers), for mono audio or for embeddings of shape (patches, numbers).

        No patches where the audio is shorter than one. Raises ValueError where the graph gives what is no number.
        """
        rows = _rows(self.files, self.run, given) if len(given) else np.empty((0, 0), np.float32)
        return rows if len(rows) else np.empty((0, self.width), np.float32)


def load(files: ModelFiles, purpose: str) -> Graph:
    """Load the graph and try it. Raises AnalyzerUnavailableError, with the file and the reason, where it is no use."""
    options, trial = _options(files, purpose), _trial(files)
    algorithm = getattr(essentia.standard(), files.algorithm, None)
    if algorithm is None:
        why = f"the essentia that is installed has no {files.algorithm}"
        raise files.unusable(why)
    try:
        with files.opened() as (path, digest):
            run = algorithm(graphFilename=path, **options)
            # On embeddings of another width than its default Essentia reads the graph again, at the first that it gets.
            width = _rows(files, run, trial).shape[1]
    except (RuntimeError, ValueError, TypeError) as error:
        raise files.unusable(_first_line(error)) from error
    if not width:
        raise files.unusable("it gives nothing")
    if purpose == PREDICTIONS and width != len(files.classes):
        why = f"it gives {width} numbers for {len(files.classes)} classes"
        raise files.unusable(why)
    return Graph(files, purpose, digest, width, run)


def _options(files: ModelFiles, purpose: str) -> dict[str, object]:
    node, width = files.input
    options: dict[str, object] = {"input": node, "output": files.output(purpose)}
    if files.algorithm == ON_EMBEDDINGS:
        return options | {"dimensions": width}
    if files.algorithm not in ON_AUDIO:
        why = f"no algorithm for {files.algorithm or 'nothing'}"
        raise files.unusable(why)
    batch = files.batch if files.algorithm == _EFFNET else None
    return options | {"batchSize": batch or ON_AUDIO[files.algorithm]}


def _trial(files: ModelFiles) -> NDArray[np.float32]:
    """Make an input of the right shape: the first rows of a ramp, or a few seconds of a tone."""
    if files.algorithm == ON_EMBEDDINGS:
        _, width = files.input
        return np.linspace(0.0, 1.0, _TRIAL_ROWS * width, dtype=np.float32).reshape(_TRIAL_ROWS, width)
    time = np.arange(_TRIAL_FRAMES) / _RATE
    return np.asarray(0.1 * np.sin(2 * np.pi * 440.0 * time), dtype=np.float32)


def _rows(
    files: ModelFiles, run: Callable[[NDArray[np.float32]], object], given: NDArray[np.float32]
) -> NDArray[np.float32]:
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
