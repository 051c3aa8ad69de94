"""The fast engine: ONNX Runtime, on graphs that are converted when they are opened.

It makes no code at run time, so that it works where memory may not be writable and executable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from audiobatch_analyzers.engines.contract import EFFNET, MUSICNN, ON_EMBEDDINGS, Engine, EngineMissingError, Run
from audiobatch_analyzers.engines.mel_patches import BANDS, Patches
from audiobatchd.plugin_api import absence

if TYPE_CHECKING:
    from audiobatch_analyzers.classifiers.model_files import ModelFiles
    from audiobatch_analyzers.engines.conversion import Shape
    from audiobatch_analyzers.engines.frozen_graph import FrozenGraph

_PATCHES: Mapping[str, Patches] = {MUSICNN: Patches(187, 93), EFFNET: Patches(128, 62)}
"""Algorithms on audio. VGGish is not among them: where there is silence its input is a noise that Essentia draws."""

# Read when the library is loaded. Since 1.29 it would tell its maker of every process and session, by a thread of its
# own, and keep an identifier of the machine in the user's cache.
_PRIVATE = {"ORT_DISABLE_TELEMETRY": "1"}

_LARGEST = 1 << 30
_ROWS_AT_A_TIME, _PATCHES_AT_A_TIME = 1024, 32
_ERRORS = 3  # of ONNX Runtime's levels of what it logs


def _open(files: ModelFiles, purpose: str, path: str) -> Run:
    node, width = files.input
    patches = _PATCHES.get(files.algorithm)
    if patches is None and files.algorithm != ON_EMBEDDINGS:
        message = f"ONNX Runtime does not serve {files.algorithm}"
        raise EngineMissingError(message)
    output = files.output(purpose)
    runtime = _Runtime()
    graph = runtime.read(_content(path))
    if patches is None:
        return partial(_on_rows, runtime.session(graph, {node: (width,)}, [output]))
    shape = (patches.frames, BANDS)
    if files.algorithm == EFFNET:
        patches = replace(patches, is_filled_up=files.batch != 1)
        if files.batch is not None:
            return partial(_in_batches, runtime.session(graph, {node: shape}, [output]), patches, files.batch)
    shared = runtime.shared_layers(graph, node, output)
    if shared is None:
        return partial(_one_by_one, runtime.session(graph, {node: shape}, [output]), patches)
    first = runtime.session(graph, {node: (None, BANDS)}, shared.nodes)
    given = first(np.zeros((1, *shape), np.float32))
    inputs = {node: shape} | {name: each.shape[1:] for name, each in zip(shared.nodes, given, strict=True)}
    return partial(_overlapping, _Layers(first, shared.reach), runtime.session(graph, inputs, [output]), patches)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        message = f"more than {_LARGEST:,} bytes"
        raise ValueError(message)
    return content


# How graphs are fed


def _on_rows(session: Session, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings of shape (patches, numbers), some at a time."""
    starts = range(0, len(rows), _ROWS_AT_A_TIME)
    return np.concatenate([session(rows[start : start + _ROWS_AT_A_TIME])[0] for start in starts])


def _one_by_one(session: Session, patches: Patches, samples: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The patches of audio, each by itself, which is fastest."""
    every = patches.of(samples, patches.count(len(samples)), _PATCHES_AT_A_TIME)
    return [session(patch[np.newaxis])[0][0] for some in every for patch in some]


def _in_batches(
    session: Session, patches: Patches, batch: int, samples: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """Rows by `batch` patches at a time, of which the last are silence, for a graph that takes no other number."""
    rows: list[NDArray[np.float32]] = []
    for some in patches.of(samples, patches.count(len(samples)), batch):
        filled = np.zeros((batch, *some.shape[1:]), np.float32)
        filled[: len(some)] = some
        rows += list(session(filled)[0][: len(some)])
    return rows


def _overlapping(
    layers: _Layers, session: Session, patches: Patches, samples: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """The patches of audio, each by itself but for the layers that are computed once for the frames of two patches."""
    rows: list[NDArray[np.float32]] = []
    before: list[NDArray[np.float32]] = []
    for some in patches.of(samples, patches.count(len(samples)), _PATCHES_AT_A_TIME):
        for patch in some:
            before = layers.of(patch, before, patches.hop)
            rows.append(session(patch[np.newaxis], *(each[np.newaxis] for each in before))[0][0])
    return rows


@dataclass(frozen=True)
class _Layers:
    """The layers that are alike for each frame, but for `reach` frames at either end of a patch."""

    session: Session
    reach: int

    def of(
        self, patch: NDArray[np.float32], before: Sequence[NDArray[np.float32]], hop: int
    ) -> list[NDArray[np.float32]]:
        """Values of shape (frames, ...) for a patch, by those of the patch `hop` frames before it, if there is one."""
        if not before:
            return [value[0] for value in self.session(patch[np.newaxis])]
        reach, frames = self.reach, len(patch)
        # Those of the patch before are good up to the reach before its end, ours from the reach behind our start.
        known = frames - hop - reach
        later = self.session(patch[np.newaxis, known - reach :])
        start = self.session(patch[np.newaxis, : 2 * reach])
        return [
            np.concatenate([begun[0, :reach], old[hop + reach : hop + known], new[0, reach:]])
            for begun, old, new in zip(start, before, later, strict=True)
        ]


# Sessions


class Session(Protocol):
    """A graph that is loaded: from an array for each of its inputs to one for each of its outputs."""

    def __call__(self, *given: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run it. Raises RuntimeError."""


class _Runtime:
    """The libraries, which are imported with this engine alone: 0.13 s and 12 MB. Raises EngineMissingError."""

    def __init__(self) -> None:
        os.environ.update(_PRIVATE)
        try:
            import onnxruntime  # noqa: PLC0415  # see above
            from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

            from audiobatch_analyzers.engines.conversion import convert  # noqa: PLC0415
            from audiobatch_analyzers.engines.frozen_graph import FrozenGraph  # noqa: PLC0415
            from audiobatch_analyzers.engines.overlap import shared_layers  # noqa: PLC0415
        except ImportError as error:
            absent = isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime"
            message = f"cannot import onnxruntime: {absence('onnxruntime') if absent else error}"
            raise EngineMissingError(message) from error
        self._library, self._convert = onnxruntime, convert
        self.read, self.shared_layers = FrozenGraph, shared_layers
        self._refusals = tuple(getattr(state, name) for name in _REFUSALS)

    def session(self, graph: FrozenGraph, inputs: Mapping[str, Shape], outputs: Sequence[str]) -> Session:
        """Load what gives these outputs of a graph. Raises UnknownGraphError, RuntimeError."""
        options = self._library.SessionOptions()
        # Without pools of threads there is nothing that could spin.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        model = self._convert(graph, inputs, outputs)
        loaded = self._called(self._library.InferenceSession, model, options, providers=["CPUExecutionProvider"])
        names = [each.name for each in loaded.get_inputs()]

        def run(*given: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            found: list[NDArray[np.float32]] = self._called(loaded.run, None, dict(zip(names, given, strict=True)))
            return found

        return run

    def _called(self, function: Callable[..., Any], *given: object, **options: object) -> Any:  # noqa: ANN401  # its own
        try:
            return function(*given, **options)
        except self._refusals as error:
            raise RuntimeError(str(error)) from error


_REFUSALS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
"""Exceptions of ONNX Runtime, which have no class in common."""

ENGINE = Engine("onnxruntime", "ONNX Runtime", _open)
