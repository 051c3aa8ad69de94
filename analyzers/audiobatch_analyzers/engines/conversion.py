"""Conversion of a frozen TensorFlow graph to an ONNX model, in memory: of the operations that published models use.

An operation that is not known here, or is used in another way, is refused by name. Nothing is computed: the engine that
loads the model folds what is constant.

TensorFlow's operations are defined by its array_ops.cc, math_ops.cc and nn_ops.cc, ONNX's by its Operators.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from audiobatch_analyzers.engines.messages import ONNX, TENSORFLOW

_IR_VERSION, _OPSET = 7, 13
_FLOAT, _INT64 = 1, 7  # ONNX's TensorProto.DataType
_OF_FLOAT, _OF_INT, _OF_TEXT, _OF_INTS = 1, 2, 3, 7  # its AttributeProto.AttributeType
_MOST_NUMBERS = 1 << 28
_CONSTANTS: Mapping[int, tuple[str, type[np.generic], str]] = {
    # TensorFlow's DataType: its numbers in bytes, as what they are handed on, and the field for few of them.
    1: ("<f4", np.float32, "float_val"),
    3: ("<i4", np.int64, "int_val"),
    9: ("<i8", np.int64, "int64_val"),
}
_INPUT = "input"

_Message = Any
"""A message of Protocol Buffers, of a class that is made at run time."""


class UnknownGraphError(ValueError):
    """Raised for a graph that cannot be converted: it is none, or has something that is not known here."""


def convert(content: bytes, placeholder: str, shape: Sequence[int], output: str) -> bytes:
    """Convert what `output`, such as `model/Sigmoid` or `PartitionedCall:1`, depends on.

    The model has one output, and one input in place of the node `placeholder`: float32, any number of rows of `shape`.
    Raises UnknownGraphError.
    """
    try:
        graph = TENSORFLOW["GraphDef"].FromString(content)
    except DecodeError as error:
        message = "it is no TensorFlow graph, or is damaged"
        raise UnknownGraphError(message) from error
    return _Conversion(graph, placeholder, shape).model(output)


class _Conversion:
    """The nodes of one graph, and what of it is converted."""

    def __init__(self, graph: _Message, placeholder: str, shape: Sequence[int]) -> None:
        self._nodes = {node.name: node for node in graph.node}
        self._placeholder, self._shape = placeholder, shape
        self._converted = ONNX["GraphProto"](name="converted")
        self._values: dict[str, str] = {}
        """By TensorFlow's names of outputs, `node` or `node:1`, those of ONNX."""
        self._constants: dict[str, NDArray[Any]] = {}
        """The constants, by the latter."""
        self._names = (f"v{number}" for number in itertools.count())

    def model(self, output: str) -> bytes:
        for name in self._in_order(_node_of(output)):
            self._add(self._nodes[name])
        if _INPUT not in self._values.values():
            message = f"{output!r:.100} does not depend on {self._placeholder!r:.100}"
            raise UnknownGraphError(message)
        self._declare(self._converted.input, _INPUT, self._shape)
        self._declare(self._converted.output, self._value(output), None)
        model = ONNX["ModelProto"](ir_version=_IR_VERSION, graph=self._converted)
        model.opset_import.add(version=_OPSET)
        encoded: bytes = model.SerializeToString()
        return encoded

    def _in_order(self, wanted: str) -> Iterator[str]:
        """The names of all nodes that `wanted` depends on, each behind those whose outputs it takes."""
        begun: set[str] = set()
        done: set[str] = set()
        stack = [wanted]
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            if name not in self._nodes:
                message = f"it has no node {name!r:.100}"
                raise UnknownGraphError(message)
            waiting = [each for each in map(_node_of, _taken(self._nodes[name])) if each not in done]
            if not waiting:
                done.add(stack.pop())
                yield name
            elif name in begun:
                message = f"its node {name!r:.100} depends on itself"
                raise UnknownGraphError(message)
            else:
                begun.add(name)
                stack.extend(waiting)

    def _add(self, node: _Message) -> None:
        if node.name == self._placeholder:
            _check_shape(node, self._shape)
            self._values[node.name] = _INPUT
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

    def taken(self, node: _Message) -> list[str]:
        """The values that a node takes."""
        return [self._value(each) for each in _taken(node)]

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
        """The same for an image whose channels stand last, as in TensorFlow, where ONNX wants them first."""
        first = self.emit("Transpose", image, perm=[0, 3, 1, 2])
        return self.emit("Transpose", self.emit(operation, first, *taken, **attributes), perm=[0, 2, 3, 1])

    @staticmethod
    def _declare(where: _Message, name: str, shape: Sequence[int] | None) -> None:
        tensor = where.add(name=name).type.tensor_type
        tensor.elem_type = _FLOAT
        if shape is not None:
            tensor.shape.dim.add(dim_param="rows")
            for size in shape:
                tensor.shape.dim.add(dim_value=size)


def _node_of(output: str) -> str:
    """The node of an output: `PartitionedCall` of `PartitionedCall:1`."""
    return output.partition(":")[0]


def _taken(node: _Message) -> list[str]:
    """The outputs that a node takes, without the nodes that it only waits for."""
    return [name for name in node.input if not name.startswith("^")]


def _check_shape(node: _Message, shape: Sequence[int]) -> None:
    sizes = [dim.size for each in node.attr if each.key == "shape" for dim in each.value.shape.dim]
    fits = len(sizes) == len(shape) + 1 and all(own in (-1, size) for own, size in zip(sizes[1:], shape, strict=True))
    if sizes and not fits:
        message = f"its input {node.name!r:.100} takes {sizes}, not rows of {list(shape)}"
        raise UnknownGraphError(message)


def _attribute(node: _Message, key: str) -> _Message:
    """An attribute's message; an empty one, which says 0 and no, where there is none."""
    for each in node.attr:
        if each.key == key:
            return each.value
    return TENSORFLOW["AttrValue"]()


def _expect(node: _Message, key: str, field: str, *allowed: bytes | int) -> bytes | int:
    """Return an attribute's value, which has to be one of `allowed`. Raises ValueError."""
    value: bytes | int = getattr(_attribute(node, key), field)
    if value not in allowed:
        message = f"its {key} is {value!r:.100}"
        raise ValueError(message)
    return value


# The operations


def _const(to: _Conversion, node: _Message) -> str:
    tensor = _attribute(node, "value").tensor
    if tensor.dtype not in _CONSTANTS:
        message = f"its numbers are of the type {tensor.dtype}"
        raise ValueError(message)
    in_bytes, kind, field = _CONSTANTS[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if any(size < 0 for size in shape) or math.prod(shape) > _MOST_NUMBERS:
        message = f"its shape is {shape}"
        raise ValueError(message)
    if tensor.tensor_content:
        array = np.frombuffer(tensor.tensor_content, in_bytes).reshape(shape)
    else:
        # What is told of fewer numbers than there are is told by the last one.
        told = np.array(getattr(tensor, field))
        array = np.resize(told, shape) if len(told) == math.prod(shape) else np.full(shape, told[-1])
    return to.store(array.astype(kind))


def _same(operation: str) -> Callable[[_Conversion, Any], str]:
    """The operation is the same in ONNX, by this name."""
    return lambda to, node: to.emit(operation, *to.taken(node))


def _bias_add(to: _Conversion, node: _Message) -> str:
    _expect(node, "data_format", "s", b"NHWC", b"")
    return to.emit("Add", *to.taken(node))


def _mat_mul(to: _Conversion, node: _Message) -> str:
    _expect(node, "transpose_a", "b", False)
    _expect(node, "transpose_b", "b", False)
    return to.emit("MatMul", *to.taken(node))


def _conv2d(to: _Conversion, node: _Message) -> str:
    _expect(node, "data_format", "s", b"NHWC", b"")
    image, kernel = to.taken(node)
    options = {"strides": _inner(node, "strides")}
    if _attribute(node, "dilations").list.i:
        options["dilations"] = _inner(node, "dilations")
    first = to.emit("Transpose", kernel, perm=[3, 2, 0, 1])
    return to.on_channels("Conv", image, first, auto_pad=_padding(node), **options)


def _max_pool(to: _Conversion, node: _Message) -> str:
    _expect(node, "data_format", "s", b"NHWC", b"")
    (image,) = to.taken(node)
    options = {"strides": _inner(node, "strides"), "kernel_shape": _inner(node, "ksize")}
    return to.on_channels("MaxPool", image, auto_pad=_padding(node), **options)


def _padding(node: _Message) -> str:
    return "VALID" if _expect(node, "padding", "s", b"SAME", b"VALID") == b"VALID" else "SAME_UPPER"


def _inner(node: _Message, key: str) -> list[int]:
    """The two numbers of an attribute that are of rows and columns: those of images and channels have to be 1."""
    images, *inner, channels = _attribute(node, key).list.i
    if images != 1 or channels != 1:
        message = f"its {key} are not of rows and columns alone"
        raise ValueError(message)
    return list(map(int, inner))


def _batch_norm(to: _Conversion, node: _Message) -> str:
    _expect(node, "data_format", "s", b"NHWC", b"")
    if missing := {"epsilon", "is_training"} - {each.key for each in node.attr}:
        message = f"its {' and its '.join(sorted(missing))} are not told"  # where the defaults are of no use
        raise ValueError(message)
    _expect(node, "is_training", "b", False)
    return to.on_channels("BatchNormalization", *to.taken(node), epsilon=float(_attribute(node, "epsilon").f))


def _pad(to: _Conversion, node: _Message) -> str:
    value, widths = to.taken(node)
    around = to.constant(widths)
    return to.emit("Pad", value, to.integers(*around[::2], *around[1::2]))


def _squeeze(to: _Conversion, node: _Message) -> str:
    axes = _attribute(node, "squeeze_dims").list.i
    return to.emit("Squeeze", *to.taken(node), *([to.integers(*axes)] if axes else []))


def _expand_dims(to: _Conversion, node: _Message) -> str:
    value, axis = to.taken(node)
    return to.emit("Unsqueeze", value, to.integers(*to.constant(axis)))


def _concat(to: _Conversion, node: _Message) -> str:
    *values, axis = to.taken(node)
    return to.emit("Concat", *values, axis=to.constant(axis)[0])


def _reduced(operation: str) -> Callable[[_Conversion, Any], str]:
    def convert(to: _Conversion, node: _Message) -> str:
        value, axes = to.taken(node)
        keep = int(_attribute(node, "keep_dims").b)
        return to.emit(operation, value, axes=to.constant(axes), keepdims=keep)

    return convert


def _squared_difference(to: _Conversion, node: _Message) -> str:
    difference = to.emit("Sub", *to.taken(node))
    return to.emit("Mul", difference, difference)


def _rsqrt(to: _Conversion, node: _Message) -> str:
    return to.emit("Reciprocal", to.emit("Sqrt", *to.taken(node)))


def _softmax(to: _Conversion, node: _Message) -> str:
    return to.emit("Softmax", *to.taken(node), axis=-1)


def _transpose(to: _Conversion, node: _Message) -> str:
    value, order = to.taken(node)
    return to.emit("Transpose", value, perm=to.constant(order))


def _strided_slice(to: _Conversion, node: _Message) -> str:
    """One element of a list, as the batch's size is taken of a shape; no other slice."""
    value, begin, _, _ = to.taken(node)
    _expect(node, "shrink_axis_mask", "i", 1)
    for mask in ("begin_mask", "ellipsis_mask", "end_mask", "new_axis_mask"):
        _expect(node, mask, "i", 0)
    (place,) = to.constant(begin)
    return to.emit("Gather", value, to.store(np.array(place, np.int64)), axis=0)


def _pack(to: _Conversion, node: _Message) -> str:
    axis = _attribute(node, "axis").i
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
