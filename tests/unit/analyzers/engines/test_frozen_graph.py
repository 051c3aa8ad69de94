"""Frozen graphs as TensorFlow writes them: nodes in order, constants by both of their forms, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

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
from audiobatch_analyzers.engines.messages import TENSORFLOW

FLOAT, INT32, INT64, DOUBLE = 1, 3, 9, 2
"""Numbers of TensorFlow's DataType."""


def graph(**takes: list[str]) -> FrozenGraph:
    """A graph of these nodes, with what each takes."""
    made = TENSORFLOW["GraphDef"]()
    for name, given in takes.items():
        made.node.add(name=name, op="Identity", input=given)
    return FrozenGraph(made.SerializeToString())


def node(kind: int, *shape: int, **numbers: bytes | list[int]) -> Message:
    """A constant's node, with its numbers in one of the fields of a tensor."""
    made = TENSORFLOW["NodeDef"](name="constant", op="Const")
    tensor = made.attr.add(key="value").value.tensor
    tensor.dtype = kind
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    for field, value in numbers.items():
        if isinstance(value, bytes):
            setattr(tensor, field, value)
        else:
            getattr(tensor, field).extend(value)
    return made


def order(found: FrozenGraph, *wanted: str, known: tuple[str, ...] = ()) -> list[str]:
    return [each.name for each in found.in_order(wanted, known)]


def test_each_node_comes_once_and_after_what_it_takes() -> None:
    found = graph(a=[], b=["a", "^control"], c=["a:1", "b"], control=[], unused=["c"])
    for wanted in (["c"], ["c", "b"], ["b", "c", "a"]):
        assert order(found, *wanted) == ["a", "b", "c"]
    assert sorted(order(found, "c", known=("b",))) == ["a", "b", "c"]
    assert order(found, "c", known=("c",)) == ["c"]


@pytest.mark.parametrize(
    ("takes", "reason"),
    [({"a": ["b"]}, "it has no node 'b'"), ({"a": ["b"], "b": ["a"]}, "depends on itself"), ({"a": ["a"]}, "itself")],
)
def test_graph_without_an_order_is_refused(takes: dict[str, list[str]], reason: str) -> None:
    with pytest.raises(UnknownGraphError, match=reason):
        order(graph(**takes), "a")


def test_long_chain_of_nodes_is_no_recursion() -> None:
    chain = {f"n{number}": [f"n{number - 1}"] if number else [] for number in range(5000)}
    assert order(graph(**chain), "n4999")[::4999] == ["n0", "n4999"]


@pytest.mark.parametrize("content", [b"\x0a\xff", b"<html>404 Not Found</html>"])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    with pytest.raises(UnknownGraphError, match="it is no TensorFlow graph, or is damaged"):
        FrozenGraph(content)


def test_outputs_and_controls_are_told_apart() -> None:
    assert (node_of("call:1"), node_of("call")) == ("call", "call")
    assert taken(graph(a=["b:1", "^c", "d"]).nodes["a"]) == ["b:1", "d"]


@pytest.mark.parametrize(
    ("told", "values"),
    [
        (node(FLOAT, 2, 2, tensor_content=np.arange(4, dtype="<f4").tobytes()), [[0, 1], [2, 3]]),
        (node(FLOAT, 2, 2, float_val=[0, 1, 2, 3]), [[0, 1], [2, 3]]),
        (node(FLOAT, 3, float_val=[7]), [7, 7, 7]),
        (node(INT32, tensor_content=np.array(-5, "<i4").tobytes()), -5),
        (node(INT64, 2, int64_val=[-1, 1 << 40]), [-1, 1 << 40]),
    ],
    ids=["content", "numbers", "one for all", "a scalar", "64 bits"],
)
def test_constant_has_its_numbers_and_shape(told: Message, values: object) -> None:
    found = constant(told)
    np.testing.assert_array_equal(found, np.array(values))
    assert found.dtype in (np.float32, np.int64)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (node(DOUBLE, 1, tensor_content=bytes(8)), "its numbers are of the type 2"),
        (node(FLOAT, 1 << 20, 1 << 20, float_val=[0]), "its shape is"),
        (node(FLOAT, -1, float_val=[0]), "its shape is"),
        (node(FLOAT, 2), "it has no numbers"),
    ],
    ids=["type", "without end", "negative", "empty"],
)
def test_constant_that_is_none_is_refused(told: Message, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        constant(told)


def test_attribute_that_is_absent_says_no() -> None:
    made = TENSORFLOW["NodeDef"](name="n")
    made.attr.add(key="padding").value.s = b"SAME"
    assert expect(made, "padding", "s", b"SAME", b"VALID") == b"SAME"
    assert (attribute(made, "strides").i, expect(made, "transpose", "b", 0)) == (0, False)
    with pytest.raises(ValueError, match="its padding is b'SAME'"):
        expect(made, "padding", "s", b"VALID")
