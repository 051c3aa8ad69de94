"""Writes models in the form in which Essentia's are published, tiny ones: a graph `<name>.pb`, metadata `<name>.json`.

A graph is a frozen TensorFlow GraphDef, its bytes put together here: numpy is all that it takes. What the networks
compute means nothing; it depends on the audio, on the seed, and on nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["musicnn", "vggish", "effnet", "head", "tagger"]

BACKBONE = "msd-musicnn-1"
EFFNET_BACKBONE = "discogs-effnet-bs64-1"
DANCEABILITY = ("danceable", "not_danceable")
TONALITY = ("atonal", "tonal")
STYLES = tuple(f"{kind}---Style {each}" for kind in ("Folk, World, & Country", "Électronique") for each in range(15))
"""Labels as genre_discogs400 has them."""

Place = tuple[str | int, ...]
PLACES: tuple[Place, ...] = (
    ("classes",),
    ("schema",),
    ("schema", "inputs"),
    ("schema", "inputs", 0),
    ("schema", "inputs", 0, "name"),
    ("schema", "inputs", 0, "shape"),
    ("schema", "inputs", 0, "shape", 0),
    ("schema", "outputs"),
    ("schema", "outputs", 0),
    ("schema", "outputs", 0, "name"),
    ("schema", "outputs", 0, "output_purpose"),
    ("inference",),
    ("inference", "sample_rate"),
    ("inference", "algorithm"),
    ("inference", "embedding_model"),
)
"""Places of the metadata of every kind that are read: keys and indices, from the outside in."""


@dataclass(frozen=True)
class _Shape:
    """Shape of the published models of one kind."""

    algorithm: str
    patch: tuple[int, ...]
    """Shape of the patches that the algorithm hands over."""
    embedding: int
    """Numbers that the layer before the last gives: few, so that the files are small."""
    input: str = "model/Placeholder"
    activation: str = "Sigmoid"
    batch: int | None = None
    """Number of patches at a time, where the graph takes no other."""
    called: bool = False
    """Whether outputs are those of a call, as in graphs that were SavedModels before."""

    @property
    def outputs(self) -> tuple[str, str]:
        """The nodes of the predictions and of the embeddings."""
        if self.called:
            return "PartitionedCall:0", "PartitionedCall:1"
        return f"model/{self.activation}", "model/dense/BiasAdd"


_SHAPES: Mapping[Kind, _Shape] = {
    "musicnn": _Shape("TensorflowPredictMusiCNN", (187, 96), 200),
    "vggish": _Shape("TensorflowPredictVGGish", (96, 64), 16),
    "effnet": _Shape(
        "TensorflowPredictEffnetDiscogs", (128, 96), 24, "serving_default_melspectrogram", batch=64, called=True
    ),
    "head": _Shape("TensorflowPredict2D", (), 8, activation="Softmax"),
    "tagger": _Shape("TensorflowPredict2D", (), 8, "serving_default_model_Placeholder", called=True),
}


def write_model(
    directory: Path,
    name: str,
    kind: Kind,
    classes: Sequence[str] = ("first", "second"),
    *,
    seed: int = 0,
    width: int | None = None,
    backbone: str | None = BACKBONE,
    batch: int = 64,
    broken: float | None = None,
) -> Path:
    """Write the model `name`; the path of its graph.

    "musicnn" and "vggish" take audio, and give predictions and embeddings: whole classifiers and backbones alike.
    "effnet" does so in batches of `batch` patches and no others; 0: of any number. A "head" takes embeddings of `width`
    numbers, as many as a "musicnn" gives unless it is told; its metadata names the `backbone`, or none (None). A
    "tagger" is a head of labels that do not exclude each other, with nodes as those of genre_discogs400. All
    predictions of a `broken` one are that number.
    """
    directory.mkdir(parents=True, exist_ok=True)
    width = _SHAPES["musicnn"].embedding if width is None else width
    graph = directory / f"{name}.pb"
    graph.write_bytes(_graph(kind, len(classes), seed, width, batch, broken))
    told = metadata(name, kind, classes, width=width, backbone=backbone, batch=batch)
    graph.with_suffix(".json").write_text(json.dumps(told, indent=4))
    return graph


def write_default_models(directory: Path, *, seed: int = 0) -> Path:
    """Write what serves danceability and atonality by the family that comes first; gives `directory` back."""
    write_model(directory, BACKBONE, "musicnn", [f"tag {number}" for number in range(50)], seed=seed)
    write_model(directory, f"danceability-{BACKBONE}", "head", DANCEABILITY, seed=seed + 1)
    write_model(directory, f"tonal_atonal-{BACKBONE}", "head", TONALITY, seed=seed + 2)
    return directory


def write_effnet_head(
    directory: Path,
    head: str,
    *,
    classes: Sequence[str] = STYLES,
    width: int | None = None,
    broken: float | None = None,
) -> Path:
    """Write the backbone of the family discogs-effnet-1, and one `head` on it; the path of the head's graph."""
    write_model(directory, EFFNET_BACKBONE, "effnet", STYLES[:5])
    return write_model(
        directory,
        f"{head}-discogs-effnet-1",
        "tagger" if head == "genre_discogs400" else "head",
        classes,
        seed=len(head),
        width=width or embedding_width("effnet"),
        backbone=EFFNET_BACKBONE,
        broken=broken,
    )


def digests_in(directory: Path) -> list[str]:
    """The SHA-256 of every graph there, for a configuration to trust: they have the names of published ones."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.glob("*.pb"))]


def altered(graph: Path, alter: Callable[[dict[str, Any]], object]) -> Path:
    """Alter the metadata of a model; gives the path of its graph back."""
    path = graph.with_suffix(".json")
    content = json.loads(path.read_bytes())
    alter(content)
    path.write_text(json.dumps(content))
    return graph


def embedding_width(kind: Kind) -> int:
    """Count the numbers of the embeddings of `kind`."""
    return _SHAPES[kind].embedding


def metadata(
    name: str,
    kind: Kind,
    classes: Sequence[str],
    *,
    width: int = 200,
    backbone: str | None = BACKBONE,
    batch: int = 64,
) -> dict[str, Any]:
    """The metadata of such a model, with the keys that the published ones have."""
    shape = _SHAPES[kind]
    rows: str | int = "n" if kind == "tagger" or (shape.batch and not batch) else batch if shape.batch else 1
    fixed = [] if rows == 1 and not shape.batch else [rows]
    predictions, embeddings = shape.outputs
    inference: dict[str, Any] = {"sample_rate": 16000, "algorithm": shape.algorithm}
    if not shape.patch and backbone is not None:
        extractor = _SHAPES["effnet" if "effnet" in backbone else "vggish" if "vggish" in backbone else "musicnn"]
        inference["embedding_model"] = {
            "algorithm": extractor.algorithm,
            "model_name": backbone,
            "link": f"https://models.invalid/feature-extractors/{backbone}.pb",
        }
    return {
        "name": name,
        "type": "multi-class classifier",
        "link": f"https://models.invalid/{name}.pb",
        "version": "1",
        "description": "made for a test",
        "framework": "tensorflow",
        "framework_version": "2.4.0",
        "classes": list(classes),
        "model_types": ["frozen_model"],
        "schema": {
            "inputs": [{"name": shape.input, "type": "float", "shape": [*fixed, *(shape.patch or [width])]}],
            "outputs": [
                {
                    "name": predictions,
                    "type": "float",
                    "shape": [rows, len(classes)],
                    "op": shape.activation,
                    "output_purpose": "predictions",
                },
                {
                    "name": embeddings,
                    "type": "float",
                    "shape": [rows, shape.embedding],
                    "op": "fully connected",
                    "description": "penultimate layer",
                    "output_purpose": "embeddings" if shape.patch else "",
                },
            ],
        },
        "inference": inference,
    }


# The networks


def _graph(kind: Kind, classes: int, seed: int, width: int, batch: int, broken: float | None) -> bytes:
    """Two dense layers: over a head's input, else over the mean of a patch in time."""
    shape = _SHAPES[kind]
    random = np.random.default_rng(seed)
    columns = shape.patch[-1] if shape.patch else width
    fixed = -1 if shape.batch is None else batch or -1
    nodes = [_node(shape.input, "Placeholder", dtype=_FLOAT, shape=_dimensions([fixed, *(shape.patch or [width])]))]
    source = shape.input
    if shape.patch:
        # Fed values go past the placeholder's own shape; a reshape holds them to it.
        nodes += [_constant("model/shape", [fixed, *shape.patch]), _constant("model/axis", [1])]
        nodes += [_node("model/Reshape", "Reshape", [source, "model/shape"], T=_FLOAT, Tshape=_INT32)]
        nodes += [_node("model/Mean", "Mean", ["model/Reshape", "model/axis"], T=_FLOAT, Tidx=_INT32)]
        source = "model/Mean"
    nodes += _dense("model/dense", source, _weights(random, columns, shape.embedding), 0.0)
    weights = _weights(random, shape.embedding, classes)
    nodes += _dense("model/dense_1", "model/dense/BiasAdd", weights, 0.0 if broken is None else broken)
    predictions = f"model/{shape.activation}"
    nodes += [_node(predictions, shape.activation, ["model/dense_1/BiasAdd"], T=_FLOAT)]
    if shape.called:
        outputs = [predictions, "model/dense/BiasAdd"]
        nodes += [_node("PartitionedCall", "IdentityN", outputs, T=_FLOATS)]
    return b"".join(nodes) + _bytes(4, _number(1, _PRODUCER))


def _weights(random: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    return np.asarray(random.standard_normal((rows, columns)) / np.sqrt(rows), dtype=np.float32)


def _dense(name: str, source: str, weights: NDArray[np.float32], bias: float) -> list[bytes]:
    return [
        _constant(f"{name}/kernel", weights),
        _constant(f"{name}/bias", np.full(weights.shape[1], bias, np.float32)),
        _node(f"{name}/MatMul", "MatMul", [source, f"{name}/kernel"], T=_FLOAT),
        _node(f"{name}/BiasAdd", "BiasAdd", [f"{name}/MatMul", f"{name}/bias"], T=_FLOAT),
    ]


# The encoding: protocol buffers, of tensorflow/core/framework's graph.proto, node_def.proto, attr_value.proto


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


# The values of a node's attributes: DT_FLOAT is 1, DT_INT32 is 3; a list of two DT_FLOAT.
_FLOAT, _INT32, _FLOATS = _number(6, 1), _number(6, 3), _bytes(1, _bytes(6, bytes([1, 1])))
_PRODUCER = 134


def _sizes(shape: Sequence[int]) -> bytes:
    return b"".join(_bytes(2, _number(1, size)) for size in shape)


def _dimensions(shape: Sequence[int]) -> bytes:
    return _bytes(7, _sizes(shape))


def _node(name: str, operation: str, inputs: Sequence[str] = (), **attributes: bytes) -> bytes:
    content = _bytes(1, name.encode()) + _bytes(2, operation.encode())
    content += b"".join(_bytes(3, each.encode()) for each in inputs)
    for key, value in attributes.items():
        content += _bytes(5, _bytes(1, key.encode()) + _bytes(2, value))
    return _bytes(1, content)


def _constant(name: str, values: NDArray[np.float32] | Sequence[int]) -> bytes:
    array = values if isinstance(values, np.ndarray) else np.array(values, np.int32)
    kind = 1 if array.dtype == np.float32 else 3
    tensor = _number(1, kind) + _bytes(2, _sizes(array.shape)) + _bytes(4, array.tobytes())
    return _node(name, "Const", dtype=_number(6, kind), value=_bytes(8, tensor))
