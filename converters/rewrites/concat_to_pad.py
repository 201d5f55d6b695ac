"""Concatenation of one tensor with constants of one value everywhere is Pad, which stores nothing."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("Concat")
def concat_to_pad(graph: IndexedGraph, node: Node) -> Patch | None:
    rank, result = graph.rank(node.outputs[0]), node.outputs[0]
    values = [_only_value(graph, name) for name in node.inputs]
    variable = [index for index, value in enumerate(values) if value is None]
    if rank is None or len(variable) != 1 or len(node.inputs) < 2 or not graph.is_float(result):
        return None
    if node.attrs.get("activation") is not None:
        return None
    place = variable[0]
    fills = {value for value in values if value is not None}
    shapes = [graph.shape(name) for name in node.inputs]
    if len(fills) != 1 or any(shape is None for shape in shapes):
        return None
    axis = node.attrs["axis"] % rank
    sizes = [shape[axis] for shape in shapes if shape is not None]
    more = [size for size in (*sizes[:place], *sizes[place + 1 :]) if isinstance(size, int)]
    if len(more) != len(sizes) - 1:
        return None
    pads = np.zeros((2, rank), np.int64)
    pads[0, axis], pads[1, axis] = sum(more[:place]), sum(more[place:])
    patch, value = Patch(graph, [node]), fills.pop()
    inputs = [node.inputs[place], patch.ints(f"{result}.pads", pads.reshape(-1).tolist())]
    if value:
        inputs.append(patch.constant(f"{result}.fill", np.array(value, graph.dtype(result))))
    patch.node("Pad", inputs, output=result)
    return patch


def _only_value(graph: IndexedGraph, name: str) -> float | None:
    """The value that all elements of a constant have, or of what is made of such a constant without computing."""
    node = graph.producer_of(name, "ConstantOfShape", "Transpose", "Reshape", "Expand")
    if node is not None and node.op == "ConstantOfShape":
        value = node.attrs.get("value")
        return 0.0 if value is None else float(np.asarray(value).reshape(())[()])
    if node is not None:
        return _only_value(graph, node.inputs[0])
    data = graph.constant(name)
    flat = None if data is None else data.reshape(-1)
    return float(flat[0]) if flat is not None and flat.size and (flat == flat[0]).all() else None
