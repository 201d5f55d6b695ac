"""Shapes of a graph's values as far as they are known before the input's sizes are.

Where every input dimension is a number the operator's own `infer` answers. Else `shape_rules` does, which carries
symbolic dimensions along.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ....runtime.errors import ModelError
from ....runtime.graph import Node, Value
from ....runtime.ops.inference import infer_node
from ....runtime.ops.registry import Tensor
from .indexed import IndexedGraph, Shape
from .shape_rules import symbolic


def infer(graph: IndexedGraph, node: Node) -> bool:
    """Sets what can be known of the shapes of the node's outputs; whether that is more than was known before."""
    changed = False
    found = _infer(graph, node)
    for name, shape in zip(node.outputs, found, strict=False):
        value = graph.graph.values.get(name)
        if value is not None and shape is not None:
            merged = _merge(value, shape)
            changed |= merged != value.shape
            value.shape = merged
    return changed


def propagate(graph: IndexedGraph, nodes: Iterable[Node]) -> None:
    """Infers the nodes' output shapes, and those of their readers for as long as anything new comes out.

    ModelError where a node's attributes do not fit its inputs.
    """
    queue = deque(nodes)
    while queue:
        node = queue.popleft()
        try:
            news = infer(graph, node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ModelError(f"{node}: its inputs and attributes do not fit each other ({error})") from error
        if news:
            queue.extend(reader for name in node.outputs for reader in graph.consumers(name))


def _merge(value: Value, shape: Shape) -> Shape:
    """A number is kept over a symbol, and the newer symbol over the older."""
    if value.shape is None or len(value.shape) != len(shape):
        return shape
    return tuple(
        old if isinstance(new, str) and not isinstance(old, str) else new
        for old, new in zip(value.shape, shape, strict=True)
    )


def _infer(graph: IndexedGraph, node: Node) -> list[Shape | None]:
    tensors: list[Tensor | None] = []
    for name in node.inputs:
        value = graph.value(name) if name else None
        if value is None:
            if name:
                return []
            tensors.append(None)
            continue
        if value.shape is None or any(isinstance(dim, str) for dim in value.shape):
            return symbolic(graph, node)
        tensors.append(Tensor(name, value.shape, value.dtype, value.quant, value.data))  # type: ignore[arg-type]
    try:
        return [tensor.shape for tensor in infer_node(node, tensors).ctx.outputs]
    except ModelError:
        # The shape may depend on what is computed at load time. Whether the node is valid the planner finds out, with
        # everything known.
        return symbolic(graph, node)
