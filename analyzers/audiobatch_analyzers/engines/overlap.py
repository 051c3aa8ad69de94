"""Layers of a graph that give the same for a frame in whichever patch it is: those that look a few frames far.

Patches overlap by half. What such a layer gives for a frame that lies far enough from both ends of a patch need not be
computed once for each patch: in the published MusiCNN graphs these layers take three quarters of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from audiobatch_analyzers.engines.frozen_graph import FrozenGraph, Message, attribute, constant, node_of, taken

_MOST_REACH = 4
"""Frames before and behind beyond which so much has to be computed twice that nothing is won."""

_FRAME_BY_FRAME = frozenset(
    {"BiasAdd", "FusedBatchNorm", "FusedBatchNormV3", "Identity", "Relu", "Sigmoid", "StopGradient"}
)
_TIME = 1  # the axis


@dataclass(frozen=True)
class _Local:
    """Value of which every frame is computed in the same way, from the frames around it."""

    reach: int = 0
    """Frames before and behind on which one depends, at most."""
    padding: int = 0
    """Frames of silence that stand before and behind it."""
    is_costly: bool = False
    """True where a convolution lies before it."""


@dataclass(frozen=True)
class Shared:
    """The last of these layers."""

    nodes: tuple[str, ...]
    reach: int
    """Frames at either end of a patch that have to be computed for each."""


def shared_layers(graph: FrozenGraph, placeholder: str, output: str) -> Shared | None:
    """Find the last layers that are alike for each frame; None where there are none that would take time.

    The placeholder takes patches of shape (frames, bands). Raises UnknownGraphError where the graph is none.
    """
    local: dict[str, _Local] = {}
    ends: dict[str, _Local] = {}
    for node in graph.in_order([node_of(output)], {placeholder}):
        found = _Local() if node.name == placeholder else _local(graph, node, local)
        if found is not None and found.reach + found.padding <= _MOST_REACH:
            local[node.name] = found
            continue
        for name in map(node_of, taken(node)):
            if name in local and local[name].is_costly and not local[name].padding:
                ends[name] = local[name]
    if not ends:
        return None
    return Shared(tuple(sorted(ends)), max(each.reach for each in ends.values()))


def _local(graph: FrozenGraph, node: Message, local: Mapping[str, _Local]) -> _Local | None:
    """Describe the output of a node; None where its frames are computed differently, or the node is not known."""
    names = [node_of(name) for name in taken(node)]
    if not names or names[0] not in local:
        return None
    try:
        if node.op == "ConcatV2":
            return _joined([local[name] for name in names[:-1]], _constant(graph, names[-1]))
        return _followed(node, local[names[0]], [_constant(graph, name) for name in names[1:]])
    except (LookupError, ValueError):
        return None


def _joined(given: Sequence[_Local], axis: NDArray[Any]) -> _Local | None:
    if axis.min() <= _TIME or any(each.padding for each in given):
        return None
    return _Local(max(each.reach for each in given), 0, any(each.is_costly for each in given))


def _followed(node: Message, given: _Local, constants: Sequence[NDArray[Any]]) -> _Local | None:
    """Describe the output of a node that takes the value `given` and constants."""
    match node.op:
        case op if op in _FRAME_BY_FRAME:
            return given
        case "ExpandDims" if constants[0].min() > _TIME:
            return given
        case "Squeeze" if min(attribute(node, "squeeze_dims").list.i) > _TIME:
            return given
        case "MaxPool" if _frames(node, "ksize") == _frames(node, "strides") == 1:
            return given
        case "Pad" if not given.padding:
            images, (before, behind), *_ = constants[0].tolist()
            return replace(given, padding=before) if images == [0, 0] and before == behind else None
        case "Conv2D" if _frames(node, "strides") == 1 and set(attribute(node, "dilations").list.i) <= {1}:
            frames = len(constants[0])
            if attribute(node, "padding").s == b"SAME":
                return None if given.padding else _Local(given.reach + frames // 2, 0, is_costly=True)
            # It gives as many frames as there were before silence was put around them.
            return _Local(given.reach + given.padding, 0, is_costly=True) if frames == 2 * given.padding + 1 else None
    return None


def _frames(node: Message, key: str) -> int:
    """The number of an attribute of images that is of time. Raises LookupError where there is none."""
    return int(attribute(node, key).list.i[_TIME])


def _constant(graph: FrozenGraph, name: str) -> NDArray[Any]:
    """A constant, read by whatever number of identities. Raises LookupError, ValueError."""
    node = graph.nodes[name]
    while node.op == "Identity":
        node = graph.nodes[node_of(node.input[0])]
    if node.op != "Const":
        message = f"{name} is no constant"
        raise ValueError(message)
    return constant(node)
