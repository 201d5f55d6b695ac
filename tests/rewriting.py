"""Shared by the tests of rewrites: small graphs, rewritten by a few rewrites or by all, compared before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from millijoule.converters.rewrites.framework import shapes
from millijoule.converters.rewrites.framework.indexed import IndexedGraph
from millijoule.converters.rewrites.framework.rewriter import Rewrite, Rewriter
from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.registry import Tensor

SIZE = 2
"""What symbolic dimensions stand for when a graph is run."""


class Sketch:
    """A graph under construction: dtypes come from the operators' own inference."""

    def __init__(self) -> None:
        self.graph = Graph(name="sketch")
        self.tensors: dict[str, Tensor] = {}
        self.random = np.random.default_rng(0)

    def input(self, shape: Sequence[int | str], dtype: str = "float32", quant: Quantization | None = None) -> str:
        name = f"in{len(self.graph.inputs)}"
        self.graph.inputs.append(self.graph.add_value(Value(name, np.dtype(dtype), tuple(shape), quant)))
        return name

    def constant(self, data: Any, dtype: str | None = None, quant: Quantization | None = None) -> str:
        array = np.array(data, dtype or (np.int64 if isinstance(data, int) else None))
        return self.graph.add_constant("c", array.astype(np.float32) if array.dtype == np.float64 else array, quant)

    def ints(self, *numbers: int) -> str:
        return self.constant(np.array(numbers, np.int64))

    def weights(self, *shape: int) -> str:
        return self.constant(self.random.standard_normal(shape).astype(np.float32))

    def node(
        self,
        op: str,
        *inputs: str,
        outputs: int = 1,
        dtype: str | None = None,
        quant: Quantization | None = None,
        **attrs: Any,
    ) -> Any:
        """Adds a node; the name of its output, or a list of names. dtype: of outputs that cannot be inferred."""
        names = [f"n{len(self.graph.nodes)}" + ("" if outputs == 1 else f"_{index}") for index in range(outputs)]
        node = Node(op, list(inputs), names, attrs, names[0])
        if dtype is None:
            for tensor in infer_node(node, [self.tensor(name) if name else None for name in inputs]).ctx.outputs:
                tensor.quant = quant
                self.tensors[tensor.name] = tensor
        for name in names:
            self.graph.add_value(
                Value(name, self.tensors[name].dtype if dtype is None else np.dtype(dtype), None, quant)
            )
        self.graph.nodes.append(node)
        return names[0] if outputs == 1 else names

    def quantize(self, x: str, scale: float, zero_point: int, dtype: str = "int8") -> str:
        return self.node("QuantizeLinear", x, self.constant(np.float32(scale)), self.constant(zero_point, dtype))

    def dequantize(self, x: str, scale: float, zero_point: int) -> str:
        dtype = self.graph.values[x].dtype.name
        return self.node("DequantizeLinear", x, self.constant(np.float32(scale)), self.constant(zero_point, dtype))

    def output(self, *names: str) -> Graph:
        self.graph.outputs.extend(names)
        return self.graph

    def tensor(self, name: str) -> Tensor:
        if name not in self.tensors:
            value = self.graph.values[name]
            self.tensors[name] = Tensor(name, concrete(self.graph, name), value.dtype, value.quant, value.data)
        return self.tensors[name]


def concrete(graph: Graph, name: str) -> tuple[int, ...]:
    return tuple(SIZE if isinstance(dim, str) else dim for dim in graph.values[name].shape or ())


def feeds_of(graph: Graph, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    feeds = {}
    for name in graph.inputs:
        shape, dtype = concrete(graph, name), graph.values[name].dtype
        if dtype.kind == "f":
            feeds[name] = random.standard_normal(shape).astype(dtype)
        elif dtype.kind == "b":
            feeds[name] = random.random(shape) < 0.5
        else:
            limits = np.iinfo(dtype)
            feeds[name] = random.integers(max(limits.min, -200), min(limits.max, 200) + 1, shape).astype(dtype)
    return feeds


def apply(graph: Graph, *rewrites: Rewrite) -> Graph:
    """A copy of the graph after these rewrites, checked after each patch."""
    copy = deepcopy(graph)
    indexed = IndexedGraph(copy)
    shapes.propagate(indexed, copy.nodes)
    rewriter = Rewriter(indexed, debug=True)
    rewriter.run(rewrites)
    rewriter.remove_dead()
    indexed.sort()
    return copy


def apply_all(graph: Graph) -> Graph:
    copy = deepcopy(graph)
    rewrite(copy, debug=True)
    return copy


def ops(graph: Graph) -> dict[str, int]:
    """How many nodes of each operator there are."""
    return dict(Counter(node.op for node in graph.nodes))


def only(graph: Graph, op: str) -> Node:
    """The one node of this operator."""
    (node,) = [node for node in graph.nodes if node.op == op]
    return node


def assert_same(
    before: Graph,
    after: Graph,
    tolerance: float = 1e-5,
    step: float = 0,
    feeds: dict[str, np.ndarray] | None = None,
) -> None:
    """Both graphs have the same public names and give the same for two random inputs (or for these feeds).

    tolerance: of floats, relative to the largest magnitude. step: by how much outputs may differ beyond that, which is
    the scale of what was quantized before them (integers may differ by so many steps).
    """
    assert before.inputs == after.inputs and before.outputs == after.outputs
    for seed in range(2 if feeds is None else 1):
        fed = feeds_of(before, seed) if feeds is None else feeds
        wanted, found = reference.run(before, fed), reference.run(after, fed)
        for name in before.outputs:
            a, b = wanted[name], found[name]
            assert (a.shape, a.dtype) == (b.shape, b.dtype), name
            assert before.values[name].dtype == after.values[name].dtype
            if a.dtype.kind == "f":
                allowed = tolerance * max(np.abs(np.nan_to_num(a)).max(initial=0), 1e-30) + step
                np.testing.assert_allclose(b, a, rtol=0, atol=allowed)
            else:
                assert np.abs(a.astype(np.int64) - b.astype(np.int64)).max(initial=0) <= step, name
