"""The fast engine: ONNX Runtime, on graphs that are converted when they are opened.

It makes no code at run time, so that it works where memory may not be writable and executable.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from audiobatch_analyzers.engines.contract import EFFNET, MUSICNN, ON_EMBEDDINGS, Engine, EngineMissingError, Run
from audiobatch_analyzers.engines.mel_patches import BANDS, Patches

if TYPE_CHECKING:
    from audiobatch_analyzers.classifiers.model_files import ModelFiles

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
    shape = (width,) if patches is None else (patches.frames, BANDS)
    session = _Session(_content(path), node, shape, files.output(purpose))
    if patches is None:
        return session.on_rows
    batch = files.batch if files.algorithm == EFFNET else None
    return lambda samples: list(session.on_audio(samples, patches, batch))


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        message = f"more than {_LARGEST:,} bytes"
        raise ValueError(message)
    return content


class _Session:
    """Session of ONNX Runtime. Errors of the library are raised as RuntimeError."""

    def __init__(self, content: bytes, node: str, shape: tuple[int, ...], output: str) -> None:
        os.environ.update(_PRIVATE)
        try:
            # With this engine alone: the libraries take 0.13 s and 12 MB.
            import onnxruntime  # noqa: PLC0415  # see above
            from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

            from audiobatch_analyzers.engines.conversion import convert  # noqa: PLC0415
        except ImportError as error:
            message = f"cannot import onnxruntime: {error}"
            raise EngineMissingError(message) from error
        self._refusals = tuple(getattr(state, name) for name in _REFUSALS)
        options = onnxruntime.SessionOptions()
        # Without pools of threads there is nothing that could spin.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS
        model = convert(content, node, shape, output)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except self._refusals as error:
            raise RuntimeError(str(error)) from error

    def on_rows(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the graph on embeddings of shape (patches, numbers), some at a time."""
        starts = range(0, len(rows), _ROWS_AT_A_TIME)
        return np.concatenate([self._run(rows[start : start + _ROWS_AT_A_TIME]) for start in starts])

    def on_audio(
        self, samples: NDArray[np.float32], patches: Patches, batch: int | None
    ) -> Iterator[NDArray[np.float32]]:
        """Run the graph on the patches of the audio, one at a time, which is fastest, or `batch`: a row for each."""
        count = patches.count(len(samples), filled_up=batch is not None)
        for some in patches.of(samples, count, batch or _PATCHES_AT_A_TIME):
            if batch is None:
                for place in range(len(some)):
                    yield from self._run(some[place : place + 1])
            else:
                filled = np.zeros((batch, *some.shape[1:]), np.float32)
                filled[: len(some)] = some
                yield from self._run(filled)[: len(some)]

    def _run(self, given: NDArray[np.float32]) -> Any:  # noqa: ANN401  # an array of whatever the graph gives
        try:
            (rows,) = self._session.run(None, {self._session.get_inputs()[0].name: given})
        except self._refusals as error:
            raise RuntimeError(str(error)) from error
        return rows


_REFUSALS = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented", "RuntimeException")
"""Exceptions of ONNX Runtime, which have no class in common."""

ENGINE = Engine("onnxruntime", "ONNX Runtime", _open)
