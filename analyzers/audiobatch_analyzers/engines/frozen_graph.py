"""Frozen TensorFlow graphs, read: their nodes, what these take, and their constants.

Owns no meaning of an operation but that of a constant. TensorFlow's graph.proto and tensor.proto define the form.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from audiobatch_analyzers.engines.messages import TENSORFLOW

Message = Any
"""A message of Protocol Buffers, of a class that is made at run time."""

_MOST_NUMBERS = 1 << 28
_CONSTANTS: Mapping[int, tuple[str, type[np.generic], str]] = {
    # TensorFlow's DataType: its numbers in bytes, as what they are handed on, and the field for few of them.
    1: ("<f4", np.float32, "float_val"),
    3: ("<i4", np.int64, "int_val"),
    9: ("<i8", np.int64, "int64_val"),
}


class UnknownGraphError(ValueError):
    """Raised for a graph that cannot be converted: it is none, or has something that is not known here."""


class FrozenGraph:
    """Nodes of a graph by their names. Raises UnknownGraphError where `content` is none."""

    def __init__(self, content: bytes) -> None:
        try:
            graph = TENSORFLOW["GraphDef"].FromString(content)
        except DecodeError as error:
            message = "it is no TensorFlow graph, or is damaged"
            raise UnknownGraphError(message) from error
        self.nodes: Mapping[str, Message] = {node.name: node for node in graph.node}

    def in_order(self, wanted: Sequence[str], known: Collection[str]) -> Iterator[Message]:
        """Give the `wanted` nodes and all that they depend on, each after the nodes whose outputs it takes.

        What `known` nodes depend on is left out. Raises UnknownGraphError for a node that is missing, and for a circle.
        """
        begun: set[str] = set()
        done: set[str] = set()
        stack = list(wanted)
        while stack:
            name = stack[-1]
            if name in done:
                stack.pop()
                continue
            if name not in self.nodes:
                message = f"it has no node {name!r:.100}"
                raise UnknownGraphError(message)
            takes = () if name in known else map(node_of, taken(self.nodes[name]))
            waiting = [each for each in takes if each not in done]
            if not waiting:
                done.add(stack.pop())
                yield self.nodes[name]
            elif name in begun:
                message = f"its node {name!r:.100} depends on itself"
                raise UnknownGraphError(message)
            else:
                begun.add(name)
                stack.extend(waiting)


def node_of(output: str) -> str:
    """The node of an output: `PartitionedCall` of `PartitionedCall:1`."""
    return output.partition(":")[0]


def taken(node: Message) -> list[str]:
    """The outputs that a node takes, without the nodes that it only waits for."""
    return [name for name in node.input if not name.startswith("^")]


def attribute(node: Message, key: str) -> Message:
    """An attribute's message; an empty one, which says 0 and no, where there is none."""
    for each in node.attr:
        if each.key == key:
            return each.value
    return TENSORFLOW["AttrValue"]()


def expect(node: Message, key: str, field: str, *allowed: bytes | int) -> bytes | int:
    """Return an attribute's value, which has to be one of `allowed`. Raises ValueError."""
    value: bytes | int = getattr(attribute(node, key), field)
    if value not in allowed:
        message = f"its {key} is {value!r:.100}"
        raise ValueError(message)
    return value


def constant(node: Message) -> NDArray[Any]:
    """The numbers of a constant, as float32 or int64. Raises ValueError for one of another type, or without end."""
    tensor = attribute(node, "value").tensor
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
        told = getattr(tensor, field)
        if not told:
            message = "it has no numbers"
            raise ValueError(message)
        # What is told of fewer numbers than there are is told by the last one.
        array = np.resize(np.array(told), shape) if len(told) == math.prod(shape) else np.full(shape, told[-1])
    return array.astype(kind)
