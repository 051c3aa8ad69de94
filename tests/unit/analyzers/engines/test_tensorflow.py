"""The reference engine: rows are Essentia's own, and an Essentia that lacks something is told of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from audiobatch_analyzers.engines import essentia
from audiobatch_analyzers.engines.graphs import EMBEDDINGS, PREDICTIONS
from support.graph_rig import NAME, RATE, embeddings, load, refusal, sound
from support.model_graphs import EFFNET_BACKBONE, Kind, embedding_width, write_model

NODES = {PREDICTIONS: "model/Sigmoid", EMBEDDINGS: "model/dense/BiasAdd"}


@pytest.mark.parametrize("purpose", [PREDICTIONS, EMBEDDINGS])
@pytest.mark.parametrize(
    ("kind", "algorithm"), [("musicnn", "TensorflowPredictMusiCNN"), ("vggish", "TensorflowPredictVGGish")]
)
def test_rows_are_what_essentia_gives_by_itself(tmp_path: Path, kind: Kind, algorithm: str, purpose: str) -> None:
    graph = write_model(tmp_path, NAME, kind, seed=1)
    samples = sound(20 * RATE)
    wanted = getattr(essentia.standard(), algorithm)(graphFilename=str(graph), output=NODES[purpose])(samples)
    rows = load(graph, purpose)(samples)
    assert rows.shape == (len(wanted), 2 if purpose == PREDICTIONS else embedding_width(kind))
    # Essentia's own batch of 64 patches, and ours of one.
    assert rows == pytest.approx(wanted, abs=1e-5)
    assert np.ptp(rows) > 0.02


def test_a_head_s_rows_are_what_essentia_gives_by_itself(tmp_path: Path) -> None:
    graph = write_model(tmp_path, NAME, "head", ["a", "b", "c"], seed=2)
    given = embeddings(70)
    run = essentia.standard().TensorflowPredict2D(graphFilename=str(graph), output="model/Softmax")
    rows = load(graph)(given)
    assert rows.shape == (70, 3)
    assert rows == pytest.approx(np.asarray(run(given)), abs=1e-6)


@pytest.mark.parametrize("purpose", [PREDICTIONS, EMBEDDINGS])
def test_graph_of_64_patches_or_1_gives_the_same_rows(tmp_path: Path, purpose: str) -> None:
    samples = sound(70 * RATE)
    many = load(write_model(tmp_path, EFFNET_BACKBONE, "effnet", seed=3), purpose)(samples)
    one = load(write_model(tmp_path, "discogs-effnet-bs1-1", "effnet", seed=3, batch=1), purpose)(samples)
    # 70 s are more than one batch.
    assert many.shape == (69, 2 if purpose == PREDICTIONS else embedding_width("effnet"))
    assert one == pytest.approx(many, abs=1e-5)


def test_an_essentia_without_tensorflow_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(essentia, "standard", lambda: SimpleNamespace(MonoLoader=None))
    told = refusal(write_model(tmp_path, NAME, "musicnn"), engine="tensorflow")
    assert told == "the essentia that is installed has no TensorflowPredictMusiCNN"
