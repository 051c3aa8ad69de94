"""Conversion of a frozen TensorFlow graph to an ONNX model, in memory: of the operations that published models use.

An operation that is not known here, or is used in another way, is refused by name. Nothing is computed: the engine that
loads the model folds what is constant.

TensorFlow's operations are defined by its array_ops.cc, math_ops.cc and nn_ops.cc, ONNX's by its Operators.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audiobatch_analyzers.engines.frozen_graph import (
    FrozenGraph,
    Message,
    UnknownGraphError,
    attribute,
    constant,
    expect,
    node_of,
    taken,
)
from audiobatch_analyzers.engines.messages import ONNX

_IR_VERSION, _OPSET = 7, 13
_FLOAT, _INT64 = 1, 7  # ONNX's TensorProto.DataType
_OF_FLOAT, _OF_INT, _OF_TEXT, _OF_INTS = 1, 2, 3, 7  # its AttributeProto.AttributeType

Shape = Sequence[int | None]
"""Sizes of a row; None: any."""


def convert(graph: FrozenGraph, inputs: Mapping[str, Shape], outputs: Sequence[str]) -> bytes:
    """Convert what `outputs`, such as `model/Sigmoid` or `PartitionedCall:1`, depend on.

    The model has an input, float32 and of any number of rows of its shape, in place of each of the nodes `inputs`, in
    their order. Raises UnknownGraphError.
    """
    return _Conversion(graph, inputs).model(outputs)


class _Conversion:
    """Conversion of one graph, and the part that is done."""

    def __init__(self, graph: FrozenGraph, inputs: Mapping[str, Shape]) -> None:
        self._graph, self._inputs = graph, inputs
        self._converted = ONNX["GraphProto"](name="converted")
        self._values: dict[str, str] = {}
        """ONNX's names of outputs by those of TensorFlow, `node` or `node:1`."""
        self._constants: dict[str, NDArray[Any]] = {}
        """Constants, by ONNX's names."""
        self._names = (f"v{number}" for number in itertools.count())

    def model(self, outputs: Sequence[str]) -> bytes:
        for name, shape in self._inputs.items():
            self._values[name] = next(self._names)
            self._declare(self._converted.input, self._values[name], shape)
        found = set()
        for node in self._graph.in_order([*map(node_of, outputs)], self._inputs):
            found.add(node.name)
            self._add(node)
        if missing := self._inputs.keys() - found:
            message = f"{outputs[0]!r:.100} does not depend on {min(missing)!r:.100}"
            raise UnknownGraphError(message)
        for output in outputs:
            self._declare(self._converted.output, self._value(output), None)
        model = ONNX["ModelProto"](ir_version=_IR_VERSION, graph=self._converted)
        model.opset_import.add(version=_OPSET)
        encoded: bytes = model.SerializeToString()
        return encoded

    def _add(self, node: Message) -> None:
        if node.name in self._inputs:
            _check_shape(node, self._inputs[node.name])
        elif node.op in _ALIASES:
            for place, value in enumerate(self.taken(node)):
                self._values[f"{node.name}:{place}" if place else node.name] = value
        elif node.op in _OPERATIONS:
            try:
                self._values[node.name] = _OPERATIONS[node.op](self, node)
            except (LookupError, TypeError, ValueError) as error:
                message = f"its node {node.name!r:.100} is no {node.op:.100} that is known here: {error}"
                raise UnknownGraphError(message) from error
        else:
            message = f"its node {node.name!r:.100} is of the kind {node.op:.100}, which is not known here"
            raise UnknownGraphError(message)

    def _value(self, name: str) -> str:
        plain = name.removesuffix(":0")
        if plain not in self._values:
            message = f"its output {name!r:.100} is not known here"
            raise UnknownGraphError(message)
        return self._values[plain]

    def taken(self, node: Message) -> list[str]:
        """The values that a node takes."""
        return [self._value(each) for each in taken(node)]

    def constant(self, value: str) -> list[int]:
        """The integers of a value that has to be a constant."""
        if value not in self._constants:
            message = "it takes what is no constant"
            raise ValueError(message)
        return [int(each) for each in self._constants[value].ravel()]

    def store(self, array: NDArray[Any]) -> str:
        """Give the model a constant, of float32 or of int64."""
        name = next(self._names)
        kind = _FLOAT if array.dtype == np.float32 else _INT64
        raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        self._converted.initializer.add(name=name, dims=array.shape, data_type=kind, raw_data=raw)
        self._constants[name] = array
        return name

    def integers(self, *numbers: int) -> str:
        """Give the model a constant list of integers."""
        return self.store(np.array(numbers, np.int64))

    def emit(self, operation: str, *taken: str, **attributes: float | str | Sequence[int]) -> str:
        """Give the model a node; its output."""
        name = next(self._names)
        node = self._converted.node.add(op_type=operation, input=taken, output=[name])
        for key, value in attributes.items():
            match value:
                case int():
                    node.attribute.add(name=key, type=_OF_INT, i=value)
                case float():
                    node.attribute.add(name=key, type=_OF_FLOAT, f=value)
                case str():
                    node.attribute.add(name=key, type=_OF_TEXT, s=value.encode())
                case _:
                    node.attribute.add(name=key, type=_OF_INTS, ints=value)
        return name

    def on_channels(self, operation: str, image: str, *taken: str, **attributes: float | str | Sequence[int]) -> str:
        """Give the model a node for an image: its channels stand last, as in TensorFlow, and ONNX wants them first."""
        first = self.emit("Transpose", image, perm=[0, 3, 1, 2])
        return self.emit("Transpose", self.emit(operation, first, *taken, **attributes), perm=[0, 2, 3, 1])

    @staticmethod
    def _declare(where: Message, name: str, shape: Shape | None) -> None:
        tensor = where.add(name=name).type.tensor_type
        tensor.elem_type = _FLOAT
        if shape is not None:
            tensor.shape.dim.add(dim_param="rows")
            for number, size in enumerate(shape):
                tensor.shape.dim.add(**({"dim_param": f"any {number}"} if size is None else {"dim_value": size}))


def _check_shape(node: Message, shape: Shape) -> None:
    sizes = [dim.size for dim in attribute(node, "shape").shape.dim]
    pairs = zip(sizes[1:], shape, strict=False)
    fits = len(sizes) == len(shape) + 1 and all(size is None or own in (-1, size) for own, size in pairs)
    if sizes and not fits:
        message = f"its input {node.name!r:.100} takes {sizes}, not rows of {list(shape)}"
        raise UnknownGraphError(message)


# The operations


def _const(to: _Conversion, node: Message) -> str:
    return to.store(constant(node))


def _same(operation: str) -> Callable[[_Conversion, Any], str]:
    """The operation is the same in ONNX, by this name."""
    return lambda to, node: to.emit(operation, *to.taken(node))


def _bias_add(to: _Conversion, node: Message) -> str:
    expect(node, "data_format", "s", b"NHWC", b"")
    return to.emit("Add", *to.taken(node))


def _mat_mul(to: _Conversion, node: Message) -> str:
    expect(node, "transpose_a", "b", False)
    expect(node, "transpose_b", "b", False)
    return to.emit("MatMul", *to.taken(node))


def _conv2d(to: _Conversion, node: Message) -> str:
    expect(node, "data_format", "s", b"NHWC", b"")
    image, kernel = to.taken(node)
    options = {"strides": _inner(node, "strides")}
    if attribute(node, "dilations").list.i:
        options["dilations"] = _inner(node, "dilations")
    first = to.emit("Transpose", kernel, perm=[3, 2, 0, 1])
    return to.on_channels("Conv", image, first, auto_pad=_padding(node), **options)


def _max_pool(to: _Conversion, node: Message) -> str:
    expect(node, "data_format", "s", b"NHWC", b"")
    (image,) = to.taken(node)
    options = {"strides": _inner(node, "strides"), "kernel_shape": _inner(node, "ksize")}
    return to.on_channels("MaxPool", image, auto_pad=_padding(node), **options)


def _padding(node: Message) -> str:
    return "VALID" if expect(node, "padding", "s", b"SAME", b"VALID") == b"VALID" else "SAME_UPPER"


def _inner(node: Message, key: str) -> list[int]:
    """The two numbers of an attribute that are of rows and columns: those of images and channels have to be 1."""
    images, *inner, channels = attribute(node, key).list.i
    if images != 1 or channels != 1:
        message = f"its {key} are not of rows and columns alone"
        raise ValueError(message)
    return list(map(int, inner))


def _batch_norm(to: _Conversion, node: Message) -> str:
    expect(node, "data_format", "s", b"NHWC", b"")
    if missing := {"epsilon", "is_training"} - {each.key for each in node.attr}:
        message = f"its {' and its '.join(sorted(missing))} are not told"  # where the defaults are of no use
        raise ValueError(message)
    expect(node, "is_training", "b", False)
    return to.on_channels("BatchNormalization", *to.taken(node), epsilon=float(attribute(node, "epsilon").f))


def _pad(to: _Conversion, node: Message) -> str:
    value, widths = to.taken(node)
    around = to.constant(widths)
    return to.emit("Pad", value, to.integers(*around[::2], *around[1::2]))


def _squeeze(to: _Conversion, node: Message) -> str:
    axes = attribute(node, "squeeze_dims").list.i
    return to.emit("Squeeze", *to.taken(node), *([to.integers(*axes)] if axes else []))


def _expand_dims(to: _Conversion, node: Message) -> str:
    value, axis = to.taken(node)
    return to.emit("Unsqueeze", value, to.integers(*to.constant(axis)))


def _concat(to: _Conversion, node: Message) -> str:
    *values, axis = to.taken(node)
    return to.emit("Concat", *values, axis=to.constant(axis)[0])


def _reduced(operation: str) -> Callable[[_Conversion, Any], str]:
    def convert(to: _Conversion, node: Message) -> str:
        value, axes = to.taken(node)
        keep = int(attribute(node, "keep_dims").b)
        return to.emit(operation, value, axes=to.constant(axes), keepdims=keep)

    return convert


def _squared_difference(to: _Conversion, node: Message) -> str:
    difference = to.emit("Sub", *to.taken(node))
    return to.emit("Mul", difference, difference)


def _rsqrt(to: _Conversion, node: Message) -> str:
    return to.emit("Reciprocal", to.emit("Sqrt", *to.taken(node)))


def _softmax(to: _Conversion, node: Message) -> str:
    return to.emit("Softmax", *to.taken(node), axis=-1)


def _transpose(to: _Conversion, node: Message) -> str:
    value, order = to.taken(node)
    return to.emit("Transpose", value, perm=to.constant(order))


def _strided_slice(to: _Conversion, node: Message) -> str:
    """One element of a list, as the batch's size is taken of a shape; no other slice."""
    value, begin, _, _ = to.taken(node)
    expect(node, "shrink_axis_mask", "i", 1)
    for mask in ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask"):
        expect(node, mask, "i", 0)
    (place,) = to.constant(begin)
    return to.emit("Gather", value, to.store(np.array(place, np.int64)), axis=0)


def _pack(to: _Conversion, node: Message) -> str:
    axis = attribute(node, "axis").i
    return to.emit("Concat", *(to.emit("Unsqueeze", each, to.integers(axis)) for each in to.taken(node)), axis=axis)


_ALIASES = frozenset({"Identity", "IdentityN", "StopGradient"})
_OPERATIONS: Mapping[str, Callable[[_Conversion, Any], str]] = {
    "Add": _same("Add"),
    "AddV2": _same("Add"),
    "BiasAdd": _bias_add,
    "ConcatV2": _concat,
    "Const": _const,
    "Conv2D": _conv2d,
    "ExpandDims": _expand_dims,
    "FusedBatchNorm": _batch_norm,
    "FusedBatchNormV3": _batch_norm,
    "MatMul": _mat_mul,
    "Max": _reduced("ReduceMax"),
    "MaxPool": _max_pool,
    "Mean": _reduced("ReduceMean"),
    "Mul": _same("Mul"),
    "Pack": _pack,
    "Pad": _pad,
    "Relu": _same("Relu"),
    "Reshape": _same("Reshape"),
    "Rsqrt": _rsqrt,
    "Shape": _same("Shape"),
    "Sigmoid": _same("Sigmoid"),
    "Softmax": _softmax,
    "SquaredDifference": _squared_difference,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sub": _same("Sub"),
    "Transpose": _transpose,
}
