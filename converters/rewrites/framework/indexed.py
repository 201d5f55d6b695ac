"""A graph with its producers and consumers kept up to date while rewrites change it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from ....runtime.evaluate.budget import Budget
from ....runtime.graph import Dim, Graph, Node, Quantization, Value, outer_reads
from .order import topological
from .symbols import Symbols

Shape = tuple[Dim, ...]

LONGEST_NAME = 1024
"""Characters that a new name may take from another, so that names made of names stay within what a file may hold."""


class IndexedGraph:
    """What rewrites see of a graph. Only the rewriter changes it (insert, discard, rename).

    budget: what is left for computing with constants. alike: see common_subexpressions.py.
    Values of enclosing graphs can be looked up (they are never renamed or removed from here).
    The order of `graph.nodes` is restored by `sort`, once, when all rewrites are done.
    """

    def __init__(self, graph: Graph, outer: IndexedGraph | None = None) -> None:
        self.graph = graph
        self.outer = outer
        self.symbols: Symbols = outer.symbols if outer else Symbols(graph)
        self.budget: Budget = outer.budget if outer else Budget(graph.constant_bytes())
        self.nodes: dict[int, Node] = {}
        self.alike: dict[tuple[Any, ...], Node] = {}
        self._position: dict[int, tuple[int, int]] = {}
        self._producer: dict[str, Node] = {}
        self._consumers: dict[str, dict[int, Node]] = {}
        self._sequence = 0
        self._outputs = frozenset(graph.outputs)
        self._captured: dict[str, int] = {}
        self._evened: set[tuple[int, str]] = set()
        self._named: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        for position, node in enumerate(graph.nodes):
            self.insert(node, position)

    def value(self, name: str) -> Value | None:
        value = self.graph.values.get(name)
        return value if value is not None or self.outer is None else self.outer.value(name)

    def constant(self, name: str) -> np.ndarray | None:
        """Data of a constant of this graph or one around it."""
        value = self.value(name)
        return None if value is None else value.data

    def scalar(self, name: str) -> float | None:
        """The one element of a constant of one element and any rank."""
        data = self.constant(name)
        return None if data is None or data.size != 1 else float(data.reshape(())[()])

    def shape(self, name: str) -> Shape | None:
        value = self.value(name)
        return None if value is None else value.shape

    def rank(self, name: str) -> int | None:
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def dtype(self, name: str) -> np.dtype | None:
        value = self.value(name)
        return None if value is None else value.dtype

    def quant(self, name: str) -> Quantization | None:
        value = self.value(name)
        return None if value is None else value.quant

    def is_float(self, name: str) -> bool:
        """Whether the value holds floating-point numbers (not quantized ones)."""
        dtype = self.dtype(name)
        return dtype is not None and dtype.kind == "f"

    def producer(self, name: str) -> Node | None:
        return self._producer.get(name)

    def producer_of(self, name: str, *ops: str) -> Node | None:
        """The node that produces name where it is one of these operators."""
        node = self._producer.get(name)
        return node if node is not None and node.op in ops else None

    def consumers(self, name: str, most: int | None = None) -> list[Node]:
        """Nodes that read the value, a node whose subgraph reads it included, each once. most: how many of them."""
        return list(islice(self._consumers.get(name, {}).values(), most))

    def pinned(self, name: str) -> bool:
        """Whether the value must keep existing under its name: a graph output, or read by a subgraph."""
        return name in self._outputs or name in self._captured

    def sole_consumer(self, name: str) -> Node | None:
        """The only node that reads the value, None where there is another or the value is pinned."""
        readers = self._consumers.get(name, {})
        return next(iter(readers.values())) if len(readers) == 1 and not self.pinned(name) else None

    def read_once(self, name: str) -> bool:
        """Whether one node at most reads the value; of a value from an enclosing graph, one node of this graph."""
        return len(self._consumers.get(name, ())) < 2

    def only_feeds(self, name: str, node: Node) -> bool:
        return self.sole_consumer(name) is node

    def alive(self, node: Node) -> bool:
        return self.nodes.get(id(node)) is node

    def position(self, node: Node) -> int:
        return self._position[id(node)][0]

    def unique(self, name: str, taken: Iterable[str] = ()) -> str:
        """name, or name with a number, so that neither this graph, one around it nor `taken` has it.

        A name that was numbered here before gets another number instead of a second one, and long names are cut.
        """
        base = self._named.get(name, name or "value")[:LONGEST_NAME]
        candidate = base
        while candidate in taken or candidate in self._producer or self.value(candidate) is not None:
            self._numbers[base] = self._numbers.get(base, 0) + 1
            candidate = f"{base}.{self._numbers[base]}"
        if candidate != base:
            self._named[candidate] = base
        return candidate

    def may_even(self, node: Node) -> bool:
        """Whether no node of this kind at this place of the original order has been given Transposes of its own."""
        return (self.position(node), node.op) not in self._evened

    def even(self, node: Node) -> None:
        """Remembers that the node, and what takes its place, may not be given Transposes of its own again."""
        self._evened.add((self.position(node), node.op))

    def insert(self, node: Node, position: int) -> None:
        """Adds a node; position says near which node of the original order it belongs."""
        self._sequence += 1
        self.nodes[id(node)] = node
        self._position[id(node)] = (position, self._sequence)
        for output in node.outputs:
            if output:
                self._producer[output] = node
        captured = outer_reads(node)
        for name in captured:
            self._captured[name] = self._captured.get(name, 0) + 1
        for name in dict.fromkeys((*node.inputs, *sorted(captured))):
            if name:
                self._consumers.setdefault(name, {})[id(node)] = node

    def discard(self, node: Node) -> None:
        for output in node.outputs:
            if self._producer.get(output) is node:
                del self._producer[output]
        captured = outer_reads(node)
        for name in captured:
            self._captured[name] -= 1
            if not self._captured[name]:
                del self._captured[name]
        for name in {*node.inputs, *captured}:
            self._consumers.get(name, {}).pop(id(node), None)
        del self.nodes[id(node)], self._position[id(node)]

    def redirect(self, old: str, new: str) -> list[Node]:
        """Makes every reader of old read new; subgraphs are left alone. The nodes changed."""
        readers = self._consumers.get(old, {})
        changed = [node for node in readers.values() if old in node.inputs]
        for node in changed:
            node.inputs[:] = [new if name == old else name for name in node.inputs]
            if old not in self._captured or old not in outer_reads(node):
                del readers[id(node)]
            self._consumers.setdefault(new, {})[id(node)] = node
        return changed

    def rename(self, old: str, new: str) -> list[Node]:
        """Renames a value that a node of this graph produces; new must be free. The nodes changed."""
        node = self._producer.pop(old)
        node.outputs[:] = [new if name == old else name for name in node.outputs]
        self._producer[new] = node
        value = self.graph.values.pop(old)
        value.name = new
        self.graph.values[new] = value
        return [node, *self.redirect(old, new)]

    def sort(self) -> None:
        """Writes the nodes back to the graph, each after its producers, else in the original order."""
        self.graph.nodes[:] = topological(self.nodes.values(), lambda node: self._position[id(node)])
