"""Conversion of TensorFlow graphs to ONNX: the numbers against TensorFlow's, and what is refused by name."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiobatch_analyzers.classifiers import model_files
from audiobatch_analyzers.engines import graphs
from audiobatch_analyzers.engines.conversion import convert
from audiobatch_analyzers.engines.frozen_graph import FrozenGraph, UnknownGraphError
from audiobatch_analyzers.engines.graphs import EMBEDDINGS, PREDICTIONS
from support import model_graphs as proto
from support.audio_files import Samples, music
from support.musicnn_graph import BANDS, FRAMES, node, write_musicnn

PLACEHOLDER = "model/Placeholder"
FIXED = {PLACEHOLDER: (FRAMES, BANDS)}


def sound() -> Samples:
    return np.resize(music(8.0, 16000, 0, 1)[:, 0], 20 * 16000)


@pytest.mark.parametrize("purpose", [PREDICTIONS, EMBEDDINGS])
def test_every_operation_of_musicnn_gives_what_tensorflow_does(tmp_path: Path, purpose: str) -> None:
    graph = write_musicnn(tmp_path, "mood", seed=1)
    files = model_files.find("mood", (tmp_path,))
    assert files is not None
    wanted = graphs.load(files, purpose, "tensorflow")(sound())
    rows = graphs.load(files, purpose, "onnxruntime")(sound())
    assert rows.shape == wanted.shape == (12, 2 if purpose == PREDICTIONS else 200)
    assert rows == pytest.approx(wanted, abs=5e-5)
    assert np.ptp(wanted, axis=0).max() > 0.1
    assert graph.read_bytes()


REPLACED: Mapping[str, tuple[bytes, str]] = {
    "an operation that is not known": (node("model/Sigmoid", "Elu", ["model/dense_1/BiasAdd"]), "of the kind Elu"),
    "a product of transposed matrices": (
        node("model/dense/MatMul", "MatMul", ["model/dropout", "model/dense/kernel"], transpose_b=proto._number(5, 1)),
        "its transpose_b is True",
    ),
    "channels that stand first": (
        node(
            "model/timbre/BiasAdd",
            "BiasAdd",
            ["model/timbre/Conv2D", "timbre/bias"],
            data_format=proto._bytes(2, b"NCHW"),
        ),
        "its data_format is b'NCHW'",
    ),
    "a normalization that learns": (
        node("model/first/FusedBatchNorm", "FusedBatchNorm", ["model/ExpandDims"] * 5, is_training=proto._number(5, 1)),
        "its epsilon are not told",
    ),
    "widths that are no constant": (
        node("model/Pad", "Pad", ["model/first/FusedBatchNorm", "model/first/FusedBatchNorm"]),
        "it takes what is no constant",
    ),
    "another slice than one element": (
        node("model/flatten/slice", "StridedSlice", ["model/flatten/Shape", *["model/flatten/stack_0"] * 3]),
        "its shrink_axis_mask is 0",
    ),
    "a constant of texts": (node("timbre/bias", "Const", value=proto._bytes(8, proto._number(1, 7))), "of the type 7"),
    "a constant without end": (
        node(
            "timbre/bias",
            "Const",
            value=proto._bytes(8, proto._number(1, 1) + proto._bytes(2, proto._sizes([1 << 40]))),
        ),
        "its shape is [1099511627776]",
    ),
    "a constant without numbers": (
        node("timbre/bias", "Const", value=proto._bytes(8, proto._number(1, 1) + proto._bytes(2, proto._sizes([4])))),
        "is no Const that is known here",
    ),
    "a circle": (node("model/ExpandDims", "Relu", ["model/Sigmoid"]), "depends on itself"),
    "an input that is not there": (node("model/Sigmoid", "Sigmoid", ["model/gone"]), "it has no node 'model/gone'"),
    "a second output": (node("model/Sigmoid", "Sigmoid", ["model/mean:1"]), "its output 'model/mean:1' is not known"),
    "no way from the input": (
        node("model/Sigmoid", "Sigmoid", ["timbre/bias"]),
        "does not depend on 'model/Placeholder'",
    ),
    "patches of another size": (
        proto._node(PLACEHOLDER, "Placeholder", dtype=proto._FLOAT, shape=proto._dimensions([-1, 96, 64])),
        "takes [-1, 96, 64], not rows of [187, 96]",
    ),
}


@pytest.mark.parametrize("wrong", REPLACED)
def test_what_is_not_known_is_refused_by_name(tmp_path: Path, wrong: str) -> None:
    replacement, reason = REPLACED[wrong]
    name = next(value for number, value in _fields(replacement) if number == 1).decode()
    graph = write_musicnn(tmp_path, "mood", replaced={name: replacement})
    with pytest.raises(UnknownGraphError) as caught:
        convert(FrozenGraph(graph.read_bytes()), FIXED, ["model/Sigmoid"])
    assert reason in str(caught.value)


def _fields(encoded: bytes) -> list[tuple[int, bytes]]:
    """The texts of a node, which stand first in it, by the numbers of their fields."""
    inner = encoded[2 if encoded[1] < 0x80 else 3 :]
    return [(inner[0] >> 3, inner[2 : 2 + inner[1]])]


@pytest.mark.parametrize("content", [b"", b"text", b"\x0a\xff", bytes(1000)])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(UnknownGraphError):
        convert(FrozenGraph(content), FIXED, ["model/Sigmoid"])


@given(changes=st.dictionaries(st.integers(0, 20_000), st.integers(0, 255), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_graph_is_refused_or_converted(tmp_path: Path, changes: dict[int, int]) -> None:
    if not (tmp_path / "mood.pb").exists():
        write_musicnn(tmp_path, "mood")
    content = bytearray((tmp_path / "mood.pb").read_bytes())
    for place, byte in changes.items():
        content[place] = byte
    with contextlib.suppress(UnknownGraphError):
        assert convert(FrozenGraph(bytes(content)), FIXED, ["model/Sigmoid"])
