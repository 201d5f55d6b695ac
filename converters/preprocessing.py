"""How images are prepared, where nobody says it and the graph itself tells: its first step quantizes a known range."""

from __future__ import annotations

import numpy as np

from ..runtime.file.metadata import Preprocessing
from ..runtime.graph import Graph, Node, Quantization
from ..runtime.model import Model
from ..runtime.vision.preprocess import takes_image
from ..runtime.vision.ranges import pixels_preprocessing


def from_quantizer(graph: Graph) -> Preprocessing | None:
    """For a graph with one image input of floats that are quantized to 8 bits before anything else: the range of the
    quantizer, where it is one that images are scaled to. None else."""
    images = [info for info in Model(graph).inputs.values() if takes_image(info) and info.dtype.kind == "f"]
    if len(images) != 1:
        return None
    found = [_prepared(graph, node) for node in _readers(images[0].name, graph.consumers())]
    return found[0] if found and all(each == found[0] for each in found) else None


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


def _prepared(graph: Graph, node: Node) -> Preprocessing | None:
    """How pixels become what a QuantizeLinear to 8 bits keeps apart."""
    if node.op != "QuantizeLinear":
        return None
    value = graph.values[node.outputs[0]]
    scale = graph.constant(node.inputs[1])
    zero_point = graph.constant(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else np.zeros((), np.int8)
    if scale is None or zero_point is None:
        return None
    return pixels_preprocessing(Quantization(scale, zero_point, None), value.dtype)
