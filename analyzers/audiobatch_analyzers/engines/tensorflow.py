"""The reference engine: Essentia's algorithms, which run graphs by TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.engines.contract import (
    EFFNET,
    MUSICNN,
    ON_EMBEDDINGS,
    VGGISH,
    Engine,
    EngineMissingError,
    Run,
)
from audiobatchd.plugin_api import AnalyzerUnavailableError

if TYPE_CHECKING:
    from audiobatch_analyzers.classifiers.model_files import ModelFiles

_BATCHES: Mapping[str, int] = {
    # One patch at a time: with Essentia's own 64 a MusiCNN takes 1.4 times the CPU time and 600 MB more.
    MUSICNN: 1,
    VGGISH: 1,
    # Its published graphs take as many as their metadata says, and no other number: most of them 64. Essentia fills the
    # last batch up with silence, and gives rows for the patches of the audio alone.
    EFFNET: 64,
}
"""Number of patches of a mel spectrogram that each algorithm on audio hands the graph at a time."""


def _open(files: ModelFiles, purpose: str, path: str) -> Run:
    options = _options(files, purpose)
    try:
        library = essentia.standard()
    except AnalyzerUnavailableError as error:
        raise EngineMissingError(str(error)) from error
    algorithm = getattr(library, files.algorithm, None)
    if algorithm is None:
        why = f"the essentia that is installed has no {files.algorithm}"
        raise EngineMissingError(str(files.unusable(why)))
    run: Run = algorithm(graphFilename=path, **options)
    return run


def _options(files: ModelFiles, purpose: str) -> dict[str, object]:
    node, width = files.input
    options: dict[str, object] = {"input": node, "output": files.output(purpose)}
    if files.algorithm == ON_EMBEDDINGS:
        return options | {"dimensions": width}
    batch = files.batch if files.algorithm == EFFNET else None
    return options | {"batchSize": batch or _BATCHES[files.algorithm]}


ENGINE = Engine("tensorflow", "TensorFlow", _open)
