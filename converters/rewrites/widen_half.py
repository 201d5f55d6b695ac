"""Half-precision models compute in float32, for which there are kernels: a float16 between operators becomes float32.

ONNX Runtime does the same on CPUs. Results are no worse than with each operator's rounded; what would have become an
infinity between operators stays a number. Constants stay float16 and are cast when a model is loaded.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ...runtime.graph import Graph, Node, Value, subgraphs

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
OF_DTYPES: Final = frozenset({"Cast", "CastLike", "BitCast"})
"""What the dtype means to them is not how to compute."""


def widen_half(graph: Graph) -> bool:
    """Whether anything was changed, in place. Public inputs and outputs keep their dtype; a graph with subgraphs stays
    as it is."""
    half = {name for name, value in graph.values.items() if value.dtype == HALF and value.quant is None}
    if not any(_computes(node, half) for node in graph.nodes):
        return False
    if any(subgraphs(node) for node in graph.nodes):
        return False
    _Widening(graph, half).run()
    return True


def _computes(node: Node, half: set[str]) -> bool:
    named = any(isinstance(value, str) and value == HALF.name for value in node.attrs.values())
    return node.op not in OF_DTYPES and not named and not half.isdisjoint(node.inputs)


class _Widening:
    """half: names that are float16 at first. wide, narrow: names of the same values in float32 and in float16, as far
    as something computes or has asked for them."""

    def __init__(self, graph: Graph, half: set[str]) -> None:
        self.graph, self.half = graph, half
        self.wide: dict[str, str] = {}
        self.narrow = {name: name for name in half if name in graph.inputs or graph.constant(name) is not None}
        self.nodes: list[Node] = []

    def run(self) -> None:
        public = set(self.graph.outputs)
        for node in self.graph.nodes:
            computes = _computes(node, self.half)
            inputs = [self._input(name, computes) for name in node.inputs]
            outputs = [self._output(name, computes, name in public) for name in node.outputs]
            self.nodes.append(Node(node.op, inputs, outputs, node.attrs, node.name))
        for name in self.graph.outputs:
            if name in self.half and name not in self.narrow:
                self._cast(self.wide[name], name, HALF)
        self.graph.nodes[:] = self.nodes

    def _input(self, name: str, computes: bool) -> str:
        if name not in self.half:
            return name
        known, other = (self.wide, self.narrow) if computes else (self.narrow, self.wide)
        if name not in known:
            known[name] = self._value(name, SINGLE if computes else HALF)
            self._cast(other[name], known[name], SINGLE if computes else HALF)
        return known[name]

    def _output(self, name: str, computes: bool, public: bool) -> str:
        """A value keeps its name in the dtype in which it is computed, a public one in float16."""
        if name not in self.half:
            return name
        if not computes:
            self.narrow[name] = name
        elif public:
            self.wide[name] = self._value(name, SINGLE)
        else:
            self.graph.values[name].dtype = SINGLE
            self.wide[name] = name
        return (self.wide if computes else self.narrow)[name]

    def _value(self, name: str, dtype: np.dtype) -> str:
        other = self.graph.unique(f"{name}.{dtype.name}")
        return self.graph.add_value(Value(other, dtype, self.graph.values[name].shape))

    def _cast(self, source: str, target: str, dtype: np.dtype) -> None:
        self.nodes.append(Node("Cast", [source], [target], {"to": dtype.name}, target))
