"""The messages of graphs, against bytes put together by hand (Protocol Buffers, "Encoding")."""

from __future__ import annotations

from audiobatch_analyzers.engines.messages import ONNX, TENSORFLOW

# A node called "a" that does "Abs" on "b" and "c"; its numbers of fields are those of node_def.proto.
NODE = b"\x0a\x01a\x12\x03Abs\x1a\x01b\x1a\x01c"
# A dimension of 3 and one without a size, as in tensor_shape.proto; a size of -1 takes ten bytes.
SHAPE = b"\x12\x02\x08\x03\x12\x0b\x08" + b"\xff" * 9 + b"\x01"


def test_tensorflows_node_is_read_by_its_numbers() -> None:
    node = TENSORFLOW["GraphDef"].FromString(bytes([0x0A, len(NODE)]) + NODE).node[0]
    assert (node.name, node.op, list(node.input)) == ("a", "Abs", ["b", "c"])
    assert [each.size for each in TENSORFLOW["TensorShapeProto"].FromString(SHAPE).dim] == [3, -1]


def test_onnx_is_written_by_its_numbers() -> None:
    model = ONNX["ModelProto"](ir_version=8)
    model.opset_import.add(version=17)
    model.graph.node.add(input=["b"], output=["a"], op_type="Abs")
    node = b"\x0a\x01b\x12\x01a\x22\x03Abs"
    graph = bytes([0x0A, len(node)]) + node
    assert model.SerializeToString() == b"\x08\x08" + bytes([0x3A, len(graph)]) + graph + b"\x42\x02\x10\x11"


def test_fields_that_are_not_declared_are_kept() -> None:
    unknown = b"\xf2\x01\x03new"  # field 30
    assert TENSORFLOW["NodeDef"].FromString(NODE + unknown).SerializeToString() == NODE + unknown


def test_both_kinds_of_tensors_stand_side_by_side() -> None:
    assert TENSORFLOW["TensorProto"](dtype=1).SerializeToString() == b"\x08\x01"
    assert ONNX["TensorProto"](data_type=1).SerializeToString() == b"\x10\x01"
