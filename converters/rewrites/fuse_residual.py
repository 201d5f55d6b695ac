"""The addition of a tensor of the same shape after a float convolution becomes its residual input."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.constants import is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import has_input, open_product
from .framework.rewriter import rewrite_of


@rewrite_of("Add")
def fuse_residual(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where both operands are convolutions the later one takes the other's result."""
    candidates = []
    for name, other in (node.inputs, node.inputs[::-1]):
        conv = open_product(graph, name, node)
        same = graph.shape(name) is not None and graph.shape(name) == graph.shape(other)
        if conv is not None and conv.op == "Conv" and same and name != other and not is_fixed(graph, other):
            candidates.append((graph.position(conv), conv, other))
    if not candidates:
        return None
    _, conv, other = max(candidates, key=lambda candidate: candidate[0])
    bias = conv.inputs[2] if has_input(conv, 2) else ""
    attrs = conv.attrs | {name: value for name, value in node.attrs.items() if name.startswith("activation")}
    patch = Patch(graph, [conv, node])
    patch.add.append(Node("Conv", [*conv.inputs[:2], bias, other], list(node.outputs), attrs, conv.name))
    return patch
