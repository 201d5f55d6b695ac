"""How images are prepared, where nobody says it and the graph itself tells: its first step quantizes a known range."""

from __future__ import annotations

import numpy as np

from ..runtime.file.metadata import Preprocessing
from ..runtime.graph import Graph, Node
from ..runtime.model import Model
from ..runtime.vision.preprocess import takes_image

RANGES = {
    (0.0, 1.0): Preprocessing(scale=1 / 255),
    (-1.0, 1.0): Preprocessing(mean=(127.5,), std=(127.5,)),
    (0.0, 255.0): Preprocessing(),
}
TOLERANCE = 0.01
"""Of the range: a zero point is a whole step of 255, and -1..1 has no such step in its middle."""


def from_quantizer(graph: Graph) -> Preprocessing | None:
    """For a graph with one image input of floats that are quantized to 8 bits before anything else: the range of the
    quantizer, where it is one that images are scaled to. None else."""
    images = [info for info in Model(graph).inputs.values() if takes_image(info) and info.dtype.kind == "f"]
    if len(images) != 1:
        return None
    consumers = graph.consumers()
    found = {_range(graph, node) for node in _readers(images[0].name, consumers)}
    limits = found.pop() if len(found) == 1 else None
    if limits is None:
        return None
    for (low, high), preprocessing in RANGES.items():
        slack = TOLERANCE * (high - low)
        if abs(limits[0] - low) <= slack and abs(limits[1] - high) <= slack:
            return preprocessing
    return None


def _readers(name: str, consumers: dict[str, list[Node]]) -> list[Node]:
    """Who reads a value, through changes of its layout."""
    found, names = list[Node](), [name]
    for name in names:
        for node in consumers.get(name, []):
            if node.op in ("Transpose", "Identity"):
                names.append(node.outputs[0])
            else:
                found.append(node)
    return found


def _range(graph: Graph, node: Node) -> tuple[float, float] | None:
    """The real numbers that a QuantizeLinear to 8 bits keeps apart."""
    if node.op != "QuantizeLinear":
        return None
    value = graph.values[node.outputs[0]]
    scale = graph.constant(node.inputs[1])
    zero_point = graph.constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else np.zeros((), np.int8)
    if scale is None or zero_point is None or scale.size != 1 or zero_point.size != 1 or value.dtype.itemsize != 1:
        return None
    limits = np.iinfo(value.dtype)
    step, zero = float(scale.reshape(())), int(zero_point.reshape(()))
    return step * (limits.min - zero), step * (limits.max - zero)
