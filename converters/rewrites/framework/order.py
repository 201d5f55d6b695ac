"""Topological order of nodes."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import Any

from ....runtime.errors import ModelError
from ....runtime.graph import Node, outer_reads


def topological(nodes: Iterable[Node], key: Callable[[Node], Any]) -> list[Node]:
    """The nodes, each after those whose outputs it (or its subgraphs) reads; among the free ones the smallest key
    comes first. Keys must be distinct. ModelError where the nodes form a cycle."""
    listed = list(nodes)
    producer = {name: index for index, node in enumerate(listed) for name in node.outputs if name}
    readers: list[list[int]] = [[] for _ in listed]
    missing = [0] * len(listed)
    for index, node in enumerate(listed):
        sources = {producer[name] for name in (*node.inputs, *outer_reads(node)) if name in producer}
        missing[index] = len(sources)
        for source in sources:
            readers[source].append(index)
    free = [(key(node), index) for index, node in enumerate(listed) if not missing[index]]
    heapq.heapify(free)
    ordered: list[Node] = []
    while free:
        _, index = heapq.heappop(free)
        ordered.append(listed[index])
        for reader in readers[index]:
            missing[reader] -= 1
            if not missing[reader]:
                heapq.heappush(free, (key(listed[reader]), reader))
    if len(ordered) != len(listed):
        stuck = next(node for index, node in enumerate(listed) if missing[index] > 0)
        raise ModelError(f"{stuck} depends on its own result")
    return ordered
