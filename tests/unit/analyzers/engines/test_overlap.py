"""Layers that overlapping patches share: which are found, and that sharing changes no number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import graphs, overlap
from audiobatch_analyzers.engines.frozen_graph import FrozenGraph, UnknownGraphError
from audiobatch_analyzers.engines.overlap import Shared, shared_layers
from support import model_graphs as proto
from support.audio_files import Samples, music
from support.model_graphs import Kind, write_model
from support.musicnn_graph import node, sizes, write_musicnn

PLACEHOLDER = "model/Placeholder"
TIMBRE = Shared(("model/timbre/Squeeze",), 3)
NHWC = {"data_format": proto._bytes(2, b"NHWC")}


def found(graph: Path, output: str = "model/Sigmoid") -> Shared | None:
    return shared_layers(FrozenGraph(graph.read_bytes()), PLACEHOLDER, output)


def test_layers_that_look_a_few_frames_far_are_shared(tmp_path: Path) -> None:
    # Not those of the rhythm, which look 16 frames far.
    graph = write_musicnn(tmp_path, "mood")
    assert found(graph) == found(graph, "model/dense/BiasAdd") == TIMBRE


@pytest.mark.parametrize("kind", ["musicnn", "vggish"])
def test_a_graph_without_convolutions_shares_nothing(tmp_path: Path, kind: Kind) -> None:
    assert found(write_model(tmp_path, "mood", kind)) is None


def convolution(padding: str = "VALID", strides: int = 1, dilations: int = 1) -> bytes:
    return node(
        "model/timbre/Conv2D",
        "Conv2D",
        ["model/Pad", "timbre/kernel/read"],
        padding=proto._bytes(2, padding.encode()),
        strides=sizes(1, strides, 1, 1),
        dilations=sizes(1, dilations, 1, 1),
        **NHWC,
    )


def widths(before: int, behind: int, images: int = 0) -> bytes:
    return proto._constant("model/Pad/paddings", [[images, 0], [before, behind], [0, 0], [0, 0]])  # type: ignore[list-item]  # lists of lists are arrays, too


NOT_ALIKE: Mapping[str, tuple[str, bytes]] = {
    "a step of two frames": ("model/timbre/Conv2D", convolution(strides=2)),
    "every other frame": ("model/timbre/Conv2D", convolution(dilations=2)),
    "silence around silence": ("model/timbre/Conv2D", convolution("SAME")),
    "fewer frames than before": ("model/Pad/paddings", widths(2, 2)),
    "more frames than before": ("model/Pad/paddings", widths(4, 4)),
    "frames that move": ("model/Pad/paddings", widths(2, 4)),
    "further images": ("model/Pad/paddings", widths(3, 3, images=1)),
    "frames far off": ("model/Pad/paddings", widths(40, 40)),
    "the largest of some frames": (
        "model/timbre/MaxPool",
        node(
            "model/timbre/MaxPool",
            "MaxPool",
            ["model/timbre/FusedBatchNorm"],
            ksize=sizes(1, 2, 59, 1),
            strides=sizes(1, 1, 59, 1),
            padding=proto._bytes(2, b"SAME"),
            **NHWC,
        ),
    ),
    "a bias that is no constant": (
        "model/timbre/BiasAdd",
        node("model/timbre/BiasAdd", "BiasAdd", ["model/timbre/Conv2D", "model/timbre/Conv2D"], **NHWC),
    ),
    "a sum over time": (
        "model/timbre/Relu",
        node("model/timbre/Relu", "Cumsum", ["model/timbre/BiasAdd", "model/axis1"]),
    ),
    "axes that are not told": (
        "model/timbre/Squeeze",
        node("model/timbre/Squeeze", "Squeeze", ["model/timbre/MaxPool"]),
    ),
}


@pytest.mark.parametrize("why", NOT_ALIKE)
def test_layers_whose_frames_are_not_alike_are_not_shared(tmp_path: Path, why: str) -> None:
    name, replacement = NOT_ALIKE[why]
    shared = found(write_musicnn(tmp_path, "mood", replaced={name: replacement}))
    assert shared is None or "model/timbre/Squeeze" not in shared.nodes


def test_a_graph_that_lacks_a_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownGraphError, match="it has no node 'model/Softmax'"):
        found(write_musicnn(tmp_path, "mood"), "model/Softmax")


@pytest.mark.parametrize("patches", [1, 2, 3, 31, 32, 33, 70])
def test_sharing_changes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patches: int) -> None:
    write_musicnn(tmp_path, "mood", seed=2)
    files = model_files.find("mood", (tmp_path,))
    assert files is not None
    samples = sound(47361 + 93 * 256 * (patches - 1))
    shared = graphs.load(files, graphs.EMBEDDINGS, "onnxruntime")(samples)
    monkeypatch.setattr(overlap, "shared_layers", lambda *told: None)
    alone = graphs.load(files, graphs.EMBEDDINGS, "onnxruntime")(samples)
    assert shared.shape == alone.shape == (patches, 200)
    assert shared == pytest.approx(alone, abs=1e-5)


def sound(frames: int) -> Samples:
    """Music that changes from patch to patch."""
    return np.resize(music(31.0, 16000, 3, 1)[:, 0], frames)
