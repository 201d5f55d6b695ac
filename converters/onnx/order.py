"""Which nodes of an ONNX graph matter and in which order they can run."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

import onnx

from .job import Job
from .scope import describe


def reads(node: onnx.NodeProto) -> set[str]:
    """Names that the node needs: its inputs and what its subgraphs take from around them."""
    found = {name for name in node.input if name}
    for attr in node.attribute:
        for graph in (*([attr.g] if attr.HasField("g") else ()), *attr.graphs):
            found |= free_names(graph)
    return found


def free_names(graph: onnx.GraphProto) -> set[str]:
    """Names that a subgraph uses and does not define."""
    defined = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
    defined |= {sparse.values.name for sparse in graph.sparse_initializer}
    used = {info.name for info in graph.output}
    for node in graph.node:
        used |= reads(node)
        defined.update(node.output)
    return used - defined - {""}


def arrange(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], job: Job) -> list[onnx.NodeProto]:
    """The nodes that outputs depend on, each after those whose results it reads, else in the given order.

    ModelError: two nodes produce one value, or nodes wait for each other.
    """
    producer: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            if name and producer.setdefault(name, index) != index:
                raise job.error(
                    f"value '{name}' is produced twice, by {describe(nodes[producer[name]])} and {describe(node)}"
                )
    needs = _needed(nodes, outputs, producer)
    waiting = {index: len(before) for index, before in needs.items()}
    followers: dict[int, list[int]] = {}
    for index, before in needs.items():
        for earlier in before:
            followers.setdefault(earlier, []).append(index)
    ready = [index for index, count in waiting.items() if not count]
    heapify(ready)
    ordered = []
    while ready:
        index = heappop(ready)
        ordered.append(nodes[index])
        del waiting[index]
        for later in followers.get(index, ()):
            waiting[later] -= 1
            if not waiting[later]:
                heappush(ready, later)
    if waiting:
        stuck = ", ".join(describe(nodes[index]) for index in sorted(waiting)[:5])
        raise job.error(f"nodes depend on each other in a circle: {stuck}")
    return ordered


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], producer: dict[str, int]) -> dict[int, set[int]]:
    """Index of each node that outputs depend on -> indices of the nodes whose results it reads."""
    needs: dict[int, set[int]] = {}
    pending = [producer[name] for name in outputs if name in producer]
    while pending:
        index = pending.pop()
        if index not in needs:
            needs[index] = {producer[name] for name in reads(nodes[index]) if name in producer}
            pending.extend(needs[index])
    return needs
