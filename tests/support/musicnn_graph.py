"""Writes a model whose graph has the operations of the published MusiCNN graphs, in their order, with few channels.

Its bytes are put together by what `model_graphs` has for that.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support import model_graphs as proto
from support.model_graphs import metadata

FRAMES, BANDS, EMBEDDING = 187, 96, 200
_NHWC = proto._bytes(2, b"NHWC")
_NO = proto._number(5, 0)
_TYPES: Mapping[str, bytes] = {"T": proto._FLOAT}


def write_musicnn(directory: Path, name: str, *, seed: int = 0, replaced: Mapping[str, bytes] | None = None) -> Path:
    """Write the model `name` with its metadata; the path of its graph. Nodes in `replaced` stand for its own."""
    directory.mkdir(parents=True, exist_ok=True)
    graph = directory / f"{name}.pb"
    nodes = _Nodes(seed)
    nodes.network()
    nodes.named.update(replaced or {})
    # In no order: TensorFlow's graphs need have none.
    content = b"".join(nodes.named[each] for each in sorted(nodes.named))
    graph.write_bytes(content + proto._bytes(4, proto._number(1, proto._PRODUCER)))
    graph.with_suffix(".json").write_text(json.dumps(metadata(name, "musicnn", ["first", "second"])))
    return graph


def node(name: str, operation: str, inputs: Sequence[str] = (), **attributes: bytes) -> bytes:
    """The bytes of a node on float32."""
    return proto._node(name, operation, inputs, **_TYPES, **attributes)


class _Nodes:
    def __init__(self, seed: int) -> None:
        self.named: dict[str, bytes] = {}
        self._random = np.random.default_rng(seed)

    def network(self) -> None:
        """The layers: two kinds over time and bands, three over time, statistics of time, two dense ones."""
        self.named["model/Placeholder"] = proto._node(
            "model/Placeholder", "Placeholder", dtype=proto._FLOAT, shape=proto._dimensions([-1, FRAMES, BANDS])
        )
        image = self._add("model/ExpandDims", "ExpandDims", "model/Placeholder", self._integers("model/axis3", 3))
        image = self._normalized("first", image, 1, version="")
        padded = self._padded("model/Pad", image)
        timbre = self._layer("timbre", padded, (7, 38, 1, 4), "VALID", pool=59)
        rhythm = self._layer("rhythm", image, (32, 1, 1, 3), "SAME", pool=96)
        axis = self._integers("model/axis2", 2)
        front = self._add("model/concat", "ConcatV2", timbre, rhythm, axis, N=proto._number(3, 2))
        middle = self._add("model/ExpandDims_1", "ExpandDims", front, "model/axis3")
        first = self._layer("middle", self._padded("model/Pad_1", middle), (7, 7, 1, 5), "VALID")
        second = self._layer("deeper", self._padded("model/Pad_2", first), (7, 5, 1, 5), "VALID")
        both = self._add("model/Add", "Add", second, first)
        every = self._add("model/concat_1", "ConcatV2", first, both, axis, N=proto._number(3, 2))
        flat = self._flat(self._statistics(every, axis), 20)
        embedding = self._dense("model/dense", flat, 20, EMBEDDING)
        hidden = self._add("model/dense/Relu", "Relu", embedding)
        self._add("model/Sigmoid", "Sigmoid", self._dense("model/dense_1", hidden, EMBEDDING, 2))

    def _add(self, name: str, operation: str, *inputs: str, **attributes: bytes) -> str:
        self.named[name] = node(name, operation, inputs, **attributes)
        return name

    def _floats(self, name: str, values: NDArray[np.float32]) -> str:
        """A constant as training leaves it: read by an identity."""
        self.named[name] = proto._constant(name, values)
        return self._add(f"{name}/read", "Identity", name)

    def _integers(self, name: str, value: int) -> str:
        """A constant without dimensions, told by one number as the published graphs do."""
        tensor = proto._number(1, 3) + proto._bytes(2, b"") + proto._bytes(7, proto._varint(value))
        self.named[name] = proto._node(name, "Const", dtype=proto._INT32, value=proto._bytes(8, tensor))
        return name

    def _list(self, name: str, values: Sequence[object]) -> str:
        self.named[name] = proto._constant(name, values)  # type: ignore[arg-type]  # lists of lists are arrays, too
        return name

    def _some(self, *shape: int) -> NDArray[np.float32]:
        return np.asarray(self._random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1])), np.float32)

    def _normalized(self, name: str, value: str, channels: int, version: str = "V3") -> str:
        """Normalize by what was learnt, in one operation."""
        terms = [
            self._floats(f"{name}/gamma", self._some(channels) + 1),
            self._floats(f"{name}/beta", self._some(channels)),
            self._floats(f"{name}/moving_mean", self._some(channels)),
            self._floats(f"{name}/moving_variance", np.abs(self._some(channels)) + np.float32(0.5)),
        ]
        epsilon = proto._varint(4 << 3 | 5) + struct.pack("<f", 0.001)
        attributes = {"data_format": _NHWC, "is_training": _NO, "epsilon": epsilon}
        if version:
            attributes["U"] = proto._FLOAT
        return self._add(f"model/{name}/FusedBatchNorm", f"FusedBatchNorm{version}", value, *terms, **attributes)

    def _padded(self, name: str, value: str) -> str:
        """Three rows before and three behind."""
        widths = self._list(f"{name}/paddings", [[0, 0], [3, 3], [0, 0], [0, 0]])
        return self._add(name, "Pad", value, widths)

    def _layer(self, name: str, image: str, kernel: tuple[int, ...], padding: str, pool: int | None = None) -> str:
        """A convolution, rectified and normalized; then the largest over the bands, or its channels as bands."""
        options = {"data_format": _NHWC, "padding": proto._bytes(2, padding.encode())}
        weights = self._floats(f"{name}/kernel", self._some(*kernel))
        inner = self._add(
            f"model/{name}/Conv2D",
            "Conv2D",
            image,
            weights,
            strides=sizes(1, 1, 1, 1),
            dilations=sizes(1, 1, 1, 1),
            **options,
        )
        bias = self._floats(f"{name}/bias", self._some(kernel[-1]))
        inner = self._add(f"model/{name}/BiasAdd", "BiasAdd", inner, bias, data_format=_NHWC)
        inner = self._normalized(name, self._add(f"model/{name}/Relu", "Relu", inner), kernel[-1])
        if pool is None:
            order = self._list(f"model/{name}/perm", [0, 1, 3, 2])
            return self._add(f"model/{name}/transpose", "Transpose", inner, order)
        window = sizes(1, 1, pool, 1)
        options["padding"] = proto._bytes(2, b"VALID")
        inner = self._add(f"model/{name}/MaxPool", "MaxPool", inner, ksize=window, strides=window, **options)
        return self._add(f"model/{name}/Squeeze", "Squeeze", inner, squeeze_dims=sizes(2))

    def _statistics(self, value: str, axis: str) -> str:
        """The largest and the mean over time; the variance, of which nothing depends, is in the graph as well."""
        largest = self._add("model/Max", "Max", value, self._integers("model/axis1", 1), keep_dims=_NO)
        keep = {"keep_dims": proto._number(5, 1)}
        mean = self._add("model/mean", "Mean", value, self._list("model/axes", [1]), **keep)
        stopped = self._add("model/StopGradient", "StopGradient", mean)
        squares = self._add("model/SquaredDifference", "SquaredDifference", value, stopped)
        variance = self._add("model/variance", "Mean", squares, "model/axes", **keep)
        spread = self._add("model/spread", "Squeeze", variance, squeeze_dims=sizes(1))
        middle = self._add("model/middle", "Squeeze", mean, squeeze_dims=sizes(1))
        middle = self._add("model/AddV2", "AddV2", middle, spread)
        return self._add("model/concat_2", "ConcatV2", largest, middle, axis, N=proto._number(3, 2))

    def _flat(self, value: str, width: int) -> str:
        """Flatten, by the batch's size, and normalize by what was learnt, in small steps."""
        shape = proto._node("model/flatten/Shape", "Shape", [value], T=proto._FLOAT, out_type=proto._INT32)
        self.named["model/flatten/Shape"] = shape
        ends = [self._list(f"model/flatten/stack_{end}", [end]) for end in (0, 1)]
        self.named["model/flatten/slice"] = proto._node(
            "model/flatten/slice",
            "StridedSlice",
            ["model/flatten/Shape", *ends, ends[1]],
            T=proto._INT32,
            Index=proto._INT32,
            shrink_axis_mask=proto._number(3, 1),
        )
        rest = self._integers("model/flatten/rest", -1)
        self.named["model/flatten/Pack"] = proto._node(
            "model/flatten/Pack", "Pack", ["model/flatten/slice", rest], T=proto._INT32, N=proto._number(3, 2)
        )
        flat = self._add("model/flatten/Reshape", "Reshape", value, "model/flatten/Pack")
        variance = self._floats("last/moving_variance", np.abs(self._some(width)) + np.float32(0.5))
        small = self._floats("last/epsilon", np.array([0.001], np.float32))
        scale = self._add("last/Rsqrt", "Rsqrt", self._add("last/add", "Add", variance, small))
        scale = self._add("last/mul", "Mul", scale, self._floats("last/gamma", self._some(width) + 1))
        shift = self._add("last/mul_2", "Mul", self._floats("last/moving_mean", self._some(width)), scale)
        shift = self._add("last/sub", "Sub", self._floats("last/beta", self._some(width)), shift)
        scaled = self._add("last/mul_1", "Mul", flat, scale)
        return self._add("model/dropout", "Identity", self._add("last/add_1", "AddV2", scaled, shift))

    def _dense(self, name: str, value: str, rows: int, columns: int) -> str:
        product = self._add(
            f"{name}/MatMul", "MatMul", value, self._floats(f"{name}/kernel", self._some(rows, columns))
        )
        bias = self._floats(f"{name}/bias", self._some(columns))
        return self._add(f"{name}/BiasAdd", "BiasAdd", product, bias, data_format=_NHWC)


def sizes(*numbers: int) -> bytes:
    """The value of an attribute that is a list of integers."""
    return proto._bytes(1, proto._bytes(3, b"".join(map(proto._varint, numbers))))
