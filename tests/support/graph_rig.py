"""Small graphs that are loaded, what they are given, and the words in which they are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.engines.graphs import AUTO, PREDICTIONS, Graph
from audiobatchd.plugin_api import AnalyzerUnavailableError
from support.audio_files import Samples, music

RATE = 16000
"""Samples in a second, as the networks take them."""
NAME = "mood"


def load(graph: Path, purpose: str = PREDICTIONS, engine: str = AUTO) -> Graph:
    """Load a graph by its path, with the metadata beside it."""
    files = model_files.find(graph.stem, (graph.parent,))
    assert files is not None
    return graphs.load(files, purpose, engine)


def sound(frames: int, seed: int = 0) -> Samples:
    """Music, mono, at 16 kHz."""
    return np.resize(music(8.0, RATE, seed, 1)[:, 0], frames)


def embeddings(patches: int, width: int = 200) -> NDArray[np.float32]:
    """Embeddings of noise, of shape (patches, numbers)."""
    return np.asarray(np.random.default_rng(7).standard_normal((patches, width)), dtype=np.float32)


def refusal(graph: Path, purpose: str = PREDICTIONS, engine: str = AUTO) -> str:
    """The reason for which a graph is refused, in one line, without the path that it begins with."""
    with pytest.raises(AnalyzerUnavailableError) as caught:
        load(graph, purpose, engine)
    said = str(caught.value)
    assert said.startswith(f"cannot use the model {graph}: ")
    assert "\n" not in said
    return said.partition(": ")[2]
