"""The messages in which TensorFlow and ONNX store graphs: as much of both as a conversion needs, by Protocol Buffers.

TensorFlow's are told by graph.proto, node_def.proto, attr_value.proto and tensor.proto, ONNX's by onnx.proto. They are
declared here, field by field, since the packages that bring them take 33 MB (onnx) and 600 MB (tensorflow). Fields that
are not declared are kept unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
}

# The number and the kind of each field; a star stands behind what is repeated.
_Declared = Mapping[str, Mapping[str, tuple[int, str]]]

_TENSORFLOW: _Declared = {
    "GraphDef": {"node": (1, "NodeDef*")},
    "NodeDef": {"name": (1, "string"), "op": (2, "string"), "input": (3, "string*"), "attr": (5, "Attribute*")},
    "Attribute": {"key": (1, "string"), "value": (2, "AttrValue")},
    "AttrValue": {
        "list": (1, "ListValue"),
        "s": (2, "bytes"),
        "i": (3, "int64"),
        "f": (4, "float"),
        "b": (5, "bool"),
        "shape": (7, "TensorShapeProto"),
        "tensor": (8, "TensorProto"),
    },
    "ListValue": {"i": (3, "int64*")},
    "TensorProto": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "TensorShapeProto"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "float*"),
        "int_val": (7, "int32*"),
        "int64_val": (10, "int64*"),
    },
    "TensorShapeProto": {"dim": (2, "Dim*")},
    "Dim": {"size": (1, "int64")},
}

_ONNX: _Declared = {
    "ModelProto": {"ir_version": (1, "int64"), "graph": (7, "GraphProto"), "opset_import": (8, "OperatorSetIdProto*")},
    "OperatorSetIdProto": {"domain": (1, "string"), "version": (2, "int64")},
    "GraphProto": {
        "node": (1, "NodeProto*"),
        "name": (2, "string"),
        "initializer": (5, "TensorProto*"),
        "input": (11, "ValueInfoProto*"),
        "output": (12, "ValueInfoProto*"),
    },
    "NodeProto": {
        "input": (1, "string*"),
        "output": (2, "string*"),
        "op_type": (4, "string"),
        "attribute": (5, "AttributeProto*"),
    },
    "AttributeProto": {
        "name": (1, "string"),
        "f": (2, "float"),
        "i": (3, "int64"),
        "s": (4, "bytes"),
        "ints": (8, "int64*"),
        "type": (20, "int32"),
    },
    "TensorProto": {"dims": (1, "int64*"), "data_type": (2, "int32"), "name": (8, "string"), "raw_data": (9, "bytes")},
    "ValueInfoProto": {"name": (1, "string"), "type": (2, "TypeProto")},
    "TypeProto": {"tensor_type": (1, "TensorType")},
    "TensorType": {"elem_type": (1, "int32"), "shape": (2, "TensorShapeProto")},
    "TensorShapeProto": {"dim": (1, "Dimension*")},
    "Dimension": {"dim_value": (1, "int64"), "dim_param": (2, "string")},
}


def _declare(package: str, messages: _Declared) -> Mapping[str, Any]:
    """Make the classes of `messages`, by name."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            plain = kind.removesuffix("*")
            told = message.field.add(name=field, number=number, type=_SCALARS.get(plain, _Field.TYPE_MESSAGE))
            told.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            if plain not in _SCALARS:
                told.type_name = f".{package}.{plain}"
    # A pool of its own: the packages tensorflow and onnx may declare theirs in the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    made = message_factory.GetMessageClassesForFiles([file.name], pool)
    return {name.rpartition(".")[2]: each for name, each in made.items()}


TENSORFLOW = _declare("audiobatch.tensorflow", _TENSORFLOW)
ONNX = _declare("audiobatch.onnx", _ONNX)
