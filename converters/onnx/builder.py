"""Grows one Graph: nodes checked against the operators that exist, values with dtypes, constants, permutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ...runtime.errors import ModelError
from ...runtime.graph import Attribute, Graph, Node, Value
from ...runtime.ops.attribute_types import check as check_attributes
from ...runtime.ops.registry import find
from ..rewrites.framework import shapes
from ..rewrites.framework.indexed import IndexedGraph
from . import dtypes
from .job import Job, Unsupported
from .types import Hint, unknown_sizes

Mark = tuple[int, int]


class Builder:
    """One graph and, for a subgraph, the builder of the graph around it, whose values it may read."""

    def __init__(self, job: Job, outer: Builder | None = None, name: str = "") -> None:
        self.job = job
        self.outer = outer
        self.graph = Graph(name=name)
        self.producers: dict[str, Node] = {}
        self._defined: list[str] = []
        self._permuted: dict[tuple[str, tuple[int, ...]], str] = {}

    def value(self, name: str) -> Value | None:
        """The value of that name in this graph or one around it."""
        found = self.graph.values.get(name)
        return found if found is not None or self.outer is None else self.outer.value(name)

    def constant(self, name: str) -> np.ndarray | None:
        value = self.value(name)
        return None if value is None else value.data

    def add_constant(self, hint: str, data: np.ndarray) -> str:
        """A new constant; hint becomes its name where that is free."""
        name = self.job.unique(hint)
        self.define(Value(name, data.dtype, data.shape, data=data))
        return name

    def define(self, value: Value) -> None:
        if value.name in self.graph.values:
            raise self.job.error(f"value '{value.name}' is defined twice")
        self.graph.add_value(value)
        self._defined.append(value.name)

    def emit(
        self,
        op: str,
        inputs: Sequence[str],
        outputs: Sequence[str],
        attrs: Mapping[str, Attribute],
        name: str,
        declared: Sequence[Hint] = (),
    ) -> None:
        """Appends a node and the values that it makes, whose dtypes and shapes are inferred. declared: what the model
        says of them, for where that fails. Unsupported: no such operator, or not in this form."""
        inputs, outputs = _trimmed(inputs), [item or self.job.unique(f"{name}.unused") for item in _trimmed(outputs)]
        node = Node(op, inputs, outputs, dict(attrs), name)
        self.check(node)
        known = [self.value(item) for item in inputs]
        found = dtypes.output_dtypes(op, [None if v is None else v.dtype for v in known], attrs, len(outputs))
        hints = [*declared, *[Hint()] * (len(outputs) - len(declared))]
        for output, dtype, hint in zip(outputs, found, hints, strict=False):
            dtype = dtype or hint.dtype
            if dtype is None:
                raise Unsupported(f"the element type of its result '{output}' is not known")
            self.define(Value(output, dtype))
            self.producers[output] = node
        self.graph.nodes.append(node)
        self._infer(node)
        for output, hint in zip(outputs, hints, strict=False):
            value = self.graph.values[output]
            if value.shape is None and hint.shape is not None:
                value.shape = unknown_sizes(output, len(hint.shape))

    def _infer(self, node: Node) -> None:
        """Shapes of the node's results, as far as they can be known before the inputs' sizes are."""
        self.index.insert(node, len(self.graph.nodes))
        try:
            shapes.infer(self.index, node)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise Unsupported(f"its attributes do not fit its inputs ({error})") from None

    @cached_property
    def index(self) -> IndexedGraph:
        """Made when the first node is, as its symbols must not be those of the graph's inputs."""
        return IndexedGraph(self.graph, self.outer.index if self.outer else None)

    def check(self, node: Node) -> None:
        """Unsupported where no operator takes a node of this form."""
        op = find(node.op)
        if op is None:
            raise Unsupported
        try:
            check_attributes(op, node, op.attributes(node))
        except ModelError as error:
            raise Unsupported(str(error).removeprefix(f"{node}: ")) from None

    def mark(self) -> Mark:
        """A point to go back to with rollback."""
        return len(self.graph.nodes), len(self._defined)

    def rollback(self, mark: Mark) -> None:
        """Forgets nodes and values added since mark."""
        nodes, values = mark
        for node in self.graph.nodes[nodes:]:
            self.index.discard(node)
        del self.graph.nodes[nodes:]
        for name in self._defined[values:]:
            del self.graph.values[name]
            self.producers.pop(name, None)
        del self._defined[values:]

    def transpose(self, x: str, perm: Sequence[int], node: str) -> str:
        """x with its axes permuted. Constants are permuted now, and so are those behind operators that only
        convert elements (DequantizeLinear, QuantizeLinear, Cast, Identity), so that weights keep their form."""
        key = (x, tuple(perm))
        if self._permuted.get(key) not in self.graph.values:
            self._permuted[key] = self._transpose(x, key[1], node)
        return self._permuted[key]

    def _transpose(self, x: str, perm: tuple[int, ...], node: str) -> str:
        value = self.value(x)
        if value is not None and value.data is not None:
            if value.data.ndim != len(perm):
                raise Unsupported(f"'{x}' has {value.data.ndim} dimensions, not {len(perm)}")
            return self.add_constant(f"{x}.channels_last", np.ascontiguousarray(value.data.transpose(perm)))
        output = self.job.unique(f"{x}.channels_last")
        chain = self._behind(x, perm, node)
        if chain is not None:
            op, inputs, attrs = chain
            self.emit(op, inputs, [output], attrs, node)
        else:
            self.emit("Transpose", [x], [output], {"perm": list(perm)}, node)
        return output

    def _behind(self, x: str, perm: tuple[int, ...], node: str) -> tuple[str, list[str], dict[str, Attribute]] | None:
        """The operator, inputs and attributes that make the permuted x out of a permuted constant."""
        producer = self.producers.get(x)
        if producer is None or not self._converts_constant(producer):
            return None
        inputs, attrs = list(producer.inputs), dict(producer.attrs)
        if producer.op in ("DequantizeLinear", "QuantizeLinear"):
            parameters = [self.value(item) for item in inputs[1:] if item]
            ranks = {None if v is None or v.shape is None else len(v.shape) for v in parameters}
            if ranks == {len(perm)}:
                inputs[1:] = [self.transpose(item, perm, node) if item else "" for item in inputs[1:]]
            elif not ranks <= {0, 1}:
                return None
            axis = attrs.get("axis", 1)
            if not -len(perm) <= axis < len(perm):
                if ranks != {0}:
                    return None
                axis = 0
            attrs["axis"] = perm.index(axis % len(perm))
        inputs[0] = self.transpose(inputs[0], perm, node)
        return producer.op, inputs, attrs

    def _converts_constant(self, producer: Node) -> bool:
        """Whether only element-converting operators stand between the producer's result and a constant."""
        while producer.op in ("DequantizeLinear", "QuantizeLinear", "Cast", "Identity"):
            if self.constant(producer.inputs[0]) is not None:
                return True
            before = self.producers.get(producer.inputs[0])
            if before is None:
                return False
            producer = before
        return False


def _trimmed(names: Sequence[str]) -> list[str]:
    """names without absent ones at the end."""
    kept = list(names)
    while kept and not kept[-1]:
        kept.pop()
    return kept
