"""Graph, Node and Value: the one representation of a model between its source and its machine code.

Operators bear ONNX names and the meaning of ONNX's newest operator set. Spatial operators (Conv, ConvTranspose,
DeformConv, the pools, Resize, GridSample, RoiAlign, MaxRoiPool, InstanceNormalization, LRN, DepthToSpace, SpaceToDepth)
hold activations channels-last (N, spatial..., C); every other operator is layout-free.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

Dim = int | str
"""A size, or the name of a symbolic dimension whose size the first run fixes."""

Attribute = Any
"""int, float, str, bool, None, a list of those, a numpy array, or a Graph."""


class Quantization(msgspec.Struct, frozen=True, eq=False):
    """real = scale * (q - zero_point), per tensor (axis None, arrays of length 1) or per index along axis.

    scale: float32 array, finite and > 0. zero_point: int32 array of the same length.
    """

    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None

    @staticmethod
    def per_tensor(scale: float, zero_point: int) -> Quantization:
        """One scale and zero point for all elements."""
        return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int32))

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Quantization)
            and self.axis == other.axis
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )

    def __ne__(self, other: object) -> bool:  # which msgspec would answer by identity
        return not self == other

    def __str__(self) -> str:
        if self.axis is None:
            return f"scale {float(self.scale[0]):.6g}, zero point {int(self.zero_point[0])}"
        low, high = min(self.scale, default=0.0), max(self.scale, default=0.0)
        zeros = sorted({int(zero) for zero in self.zero_point})
        points = f"zero point {zeros[0]}" if len(zeros) == 1 else f"{self.zero_point.size} zero points"
        return f"scales {low:.6g} to {high:.6g}, {points}, along axis {self.axis}"

    def along(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """scale and zero_point shaped to broadcast against a tensor of this rank."""
        if self.axis is None:
            return self.scale.reshape(()), self.zero_point.reshape(())
        shape = [1] * rank
        shape[self.axis] = -1
        return self.scale.reshape(shape), self.zero_point.reshape(shape)


class Value(msgspec.Struct):
    """One tensor. shape None: of unknown rank until shapes are inferred. data: set for constants only."""

    name: str
    dtype: np.dtype
    shape: tuple[Dim, ...] | None = None
    quant: Quantization | None = None
    data: np.ndarray | None = None


class Node(msgspec.Struct):
    """One operation. An absent optional input is the empty string."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Attribute] = msgspec.field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        return f"{self.op} '{self.name or (self.outputs[0] if self.outputs else '')}'"


class Graph(msgspec.Struct):
    """Nodes in an order in which every value is produced before it is used (a subgraph may use outer values)."""

    values: dict[str, Value] = msgspec.field(default_factory=dict)
    nodes: list[Node] = msgspec.field(default_factory=list)
    inputs: list[str] = msgspec.field(default_factory=list)
    outputs: list[str] = msgspec.field(default_factory=list)
    name: str = ""

    def __repr__(self) -> str:
        return f"<Graph '{self.name}': {len(self.nodes)} nodes, {len(self.values)} values>"

    def add_value(self, value: Value) -> str:
        self.values[value.name] = value
        return value.name

    def add_constant(self, name: str, data: np.ndarray, quant: Quantization | None = None) -> str:
        """Adds data under name, made unique if it is taken, and returns the name used."""
        name = self.unique(name)
        self.values[name] = Value(name, data.dtype, data.shape, quant, data)
        return name

    def unique(self, name: str) -> str:
        if name and name not in self.values:
            return name
        # Where the first numbers are taken, as they mostly are, the first that is not; found in few steps.
        taken, free = 0, 1
        while f"{name}.{free}" in self.values:
            taken, free = free, 2 * free
        while free - taken > 1:
            middle = (taken + free) // 2
            taken, free = (middle, free) if f"{name}.{middle}" in self.values else (taken, middle)
        return f"{name}.{free}"

    def constant(self, name: str) -> np.ndarray | None:
        """The value's data where it is a constant of this graph, else None."""
        value = self.values.get(name)
        return None if value is None else value.data

    def constant_bytes(self) -> int:
        """Of all constants, those of subgraphs left out; an array that several values share counts once."""
        found = {id(value.data): value.data for value in self.values.values() if value.data is not None}
        return sum(data.nbytes for data in found.values())

    def producers(self) -> dict[str, Node]:
        return {out: node for node in self.nodes for out in node.outputs if out}

    def consumers(self) -> dict[str, list[Node]]:
        """Which nodes read each value, subgraphs' reads counted as their node's."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in {*node.inputs, *outer_reads(node)} - {""}:
                found.setdefault(name, []).append(node)
        return found


def subgraphs(node: Node) -> list[Graph]:
    found: list[Graph] = []
    for value in node.attrs.values():
        if isinstance(value, Graph):
            found.append(value)
        elif isinstance(value, list):
            found += [item for item in value if isinstance(item, Graph)]
    return found


def constant_arrays(graph: Graph) -> list[np.ndarray]:
    """The data of all constants, those of subgraphs too; an array that several values share once."""
    found = {id(value.data): value.data for value in graph.values.values() if value.data is not None}
    for node in graph.nodes:
        for inner in subgraphs(node):
            found.update((id(data), data) for data in constant_arrays(inner))
    return list(found.values())


def outer_reads(node: Node) -> set[str]:
    """Names that the node's subgraphs read from the graphs around them."""
    names: set[str] = set()
    if not node.attrs:
        return names
    for graph in subgraphs(node):
        used = {name for inner in graph.nodes for name in (*inner.inputs, *outer_reads(inner))}
        names |= (used | set(graph.outputs)) - set(graph.values) - {""}
    return names
