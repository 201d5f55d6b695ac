"""Names what spatial operators make after the source's tensor, so that results can be compared layer by layer."""

from __future__ import annotations

from msgspec.structs import replace

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import channels_last_name, perm_of, to_channels_first
from .framework.rewriter import rewrite_of


@rewrite_of("Transpose")
def name_channels_last(graph: IndexedGraph, node: Node) -> Patch | None:
    """x -> Transpose to channels-first -> y: x becomes "y.channels_last"."""
    perm, x = perm_of(graph, node), node.inputs[0]
    producer, name = graph.producer(x), channels_last_name(node.outputs[0])
    if perm is None or perm != to_channels_first(len(perm)) or producer is None or not graph.only_feeds(x, node):
        return None
    if x == name or name in graph.graph.values or len(producer.outputs) != 1 or producer.op == "Transpose":
        return None
    patch = Patch(graph, [producer, node])
    patch.values[name] = replace(patch.lookup(x), name=name)
    patch.add.append(Node(producer.op, list(producer.inputs), [name], dict(producer.attrs), producer.name))
    patch.add.append(Node("Transpose", [name], list(node.outputs), dict(node.attrs), node.name))
    return patch
