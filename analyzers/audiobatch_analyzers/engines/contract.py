"""The contract with an engine: a library that runs graphs.

An engine opens one graph for one of its outputs, and gives a call from what the graph's algorithm takes (mono audio at
the model's rate, or embeddings of shape (patches, numbers)) to a row of numbers for each patch. Every engine gives the
same rows, up to the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from audiobatchd.plugin_api import AnalyzerUnavailableError

if TYPE_CHECKING:
    from audiobatch_analyzers.classifiers.model_files import ModelFiles

PREDICTIONS, EMBEDDINGS = "predictions", "embeddings"
"""Purposes of outputs, as metadata names them."""

ON_EMBEDDINGS = "TensorflowPredict2D"
MUSICNN, VGGISH, EFFNET = (
    "TensorflowPredictMusiCNN",
    "TensorflowPredictVGGish",
    "TensorflowPredictEffnetDiscogs",
)
"""Algorithms as metadata names them: one on embeddings, the others on audio."""

Run = Callable[[NDArray[np.float32]], object]
"""Call of a graph: an array in C's order and of one row at least, or a list, of rows; empty where there is no patch.
Raises whatever the library raises."""


class EngineMissingError(AnalyzerUnavailableError):
    """Raised where an engine is not installed, or cannot run a model's algorithm whatever its graph."""


@dataclass(frozen=True)
class Engine:
    """Engine, by what the configuration calls it."""

    name: str
    title: str
    """Name for people."""
    open: Callable[[ModelFiles, str, str], Run]
    """Function that opens a graph: of a model, for the output of a purpose, from a path that may go after its trial.

    Raises EngineMissingError; AnalyzerUnavailableError for a graph that it cannot open; RuntimeError, ValueError or
    TypeError for one that the library refuses."""
