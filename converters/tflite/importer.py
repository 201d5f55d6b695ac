"""The graph under construction: which Value stands for which tensor, and what several handlers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from ...runtime.graph import Graph, Node, Quantization, Value
from ..refusal import Refused
from . import tensors
from .handlers import Unsupported
from .names import LONGEST_INSIDE, value_names
from .records import ModelRecord, TensorRecord
from .variables import Variables

DEPTH = 16
"""Subgraphs within subgraphs, at most."""
CALLED, CALLED_OF_AN_OPERATOR = 20_000, 8
"""Operators and tensors of all subgraphs at all places that call them, and for each that the file spells out: a small
file may call a subgraph very often."""


class Importer:
    """names: the public Value of each tensor. `use` gives the one that operators read and write, which differs where
    a public tensor is uint8: it stays so, and a Requantize node connects it with an int8 Value. refused: what cannot be
    converted. resources: the variable that a tensor leads to."""

    def __init__(self, model: ModelRecord) -> None:
        self.model = self.whole = model
        self.prefix, self.depth = "", 0
        self.variables = Variables(model)
        self.refused: list[Refused] = []
        self.resources: dict[int, str] = {}
        self._count, self._calls = [0], [0]
        self._permuted: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, np.ndarray]] = {}
        self._shifted: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        written = sum(len(part.operators) + len(part.tensors) for part in (model, *model.subgraphs))
        self._most = CALLED + CALLED_OF_AN_OPERATOR * written
        self._begin(Graph(), {}, public={*model.inputs, *model.outputs})

    def _begin(self, graph: Graph, bound: Mapping[int, str], public: set[int]) -> None:
        """bound: the Values that stand for inputs of a subgraph."""
        self.graph = graph
        self.names = value_names(self.model, self.prefix, graph.values)
        self._inner: dict[int, str] = dict(bound)
        self._dequantized = self._dequantized_constants()
        self._rearranged: dict[tuple[int, tuple[int, ...]], str] = {}
        self._real: dict[str, str] = {}
        self._scalars: dict[tuple[float, str, str], str] = {}
        self._count[0] += len(self.model.operators) + len(self.model.tensors)
        if self.depth > DEPTH or (self.depth and self._count[0] > self._most):
            raise self.model.error("its subgraphs call each other too often")
        self._declare(public)

    def part(self, name: str, part: str = "") -> str:
        """What the names of the graph within an operator begin with."""
        found = f"{self.prefix}{name[-LONGEST_INSIDE:]}/{part}"
        if len(found) > LONGEST_INSIDE:
            self._calls[0] += 1
            found = f"{found[-LONGEST_INSIDE:]}#{self._calls[0]}/"
        return found

    def nested(
        self, model: ModelRecord, prefix: str, graph: Graph, bound: Mapping[int, str], variables: Variables
    ) -> Importer:
        """What imports a subgraph into a graph, which may be this one's. bound: the Values that are its inputs."""
        inner = copy(self)
        inner.model, inner.prefix, inner.depth, inner.variables = model, prefix, self.depth + 1, variables
        inner.resources = {}
        inner._begin(graph, bound, public=set())
        return inner

    def _dequantized_constants(self) -> dict[int, int]:
        """Output -> input of each DEQUANTIZE whose input is a constant."""
        found = {}
        for operator in self.model.operators:
            if operator.kind == "DEQUANTIZE" and len(operator.inputs) == len(operator.outputs) == 1:
                source = operator.inputs[0]
                if 0 <= source < len(self.model.tensors) and self.model.tensors[source].data is not None:
                    found[operator.outputs[0]] = source
        return found

    def _declare(self, public: set[int]) -> None:
        for record, name in zip(self.model.tensors, self.names, strict=True):
            if tensors.problem(record) or record.index in self._inner:
                continue
            if record.data is None:
                self.graph.add_value(tensors.variable(self.model, record, name, record.index in public))
            elif record.index not in public:
                self.graph.add_value(tensors.constant(self.model, record, self._held(record), name))
        for index in public:
            self._declare_public(index)

    def _declare_public(self, index: int) -> None:
        record, name = self.model.tensors[index], self.names[index]
        if record.complex:
            raise self.model.error(f"tensor '{record.name}', an input or output, holds complex numbers")
        if tensors.problem(record):
            raise self.model.error(f"tensor '{record.name}', an input or output, {tensors.problem(record)}")
        if record.data is not None:
            inner = self.graph.unique(f"{name}/constant")
            self.graph.add_value(tensors.constant(self.model, record, self._held(record), inner))
            self.graph.add_value(tensors.variable(self.model, record, name, public=True))
            self._inner[index] = inner
        elif record.dtype == np.uint8 and tensors.quantized(record):
            inner = self.graph.unique(f"{name}/int8")
            self.graph.add_value(tensors.variable(self.model, record, inner, public=False))
            self._inner[index] = inner

    def _held(self, record: TensorRecord) -> np.ndarray:
        """A constant's elements as the graph holds them, the same array for all tensors that share one."""
        data = record.data
        assert data is not None
        if data.dtype != np.uint8 or not tensors.quantized(record):
            return data
        if id(data) not in self._shifted:
            self._shifted[id(data)] = data, (data ^ np.uint8(tensors.UINT8_SHIFT)).view(np.int8)
        return self._shifted[id(data)][1]

    def record(self, index: int) -> TensorRecord:
        if not 0 <= index < len(self.model.tensors):
            raise self.model.error(f"there is no tensor {index}")
        return self.model.tensors[index]

    def use(self, index: int, pairs: bool = False) -> str:
        """The Value that stands for a tensor inside the graph; Unsupported where none can. pairs: whether complex
        numbers are taken, as pairs of real ones in the last dimension."""
        record = self.record(index)
        problem = tensors.problem(record)
        if record.variable:
            problem = "is a variable that keeps its value between runs"
        if record.complex and not pairs:
            problem = "holds complex numbers, which it does not take"
        if problem:
            raise Unsupported(f"tensor '{record.name}' {problem}")
        return self._inner.get(index, self.names[index])

    def enter(self) -> None:
        """Public inputs, before the first operator."""
        self.graph.inputs += [self.names[index] for index in dict.fromkeys(self.model.inputs)]
        for index in dict.fromkeys(self.model.inputs):
            if index in self._inner:
                self._append("Requantize", [self.names[index]], self._inner[index], to="int8")

    def leave(self) -> None:
        """Public outputs, after the last operator."""
        self.graph.outputs = [self.names[index] for index in dict.fromkeys(self.model.outputs)]
        for index in dict.fromkeys(self.model.outputs):
            if index in self._inner and index not in self.model.inputs:
                inner, name = self._inner[index], self.names[index]
                if tensors.quantized(self.model.tensors[index]):
                    self._append("Requantize", [inner], name, to=self.graph.values[name].dtype.name)
                else:
                    self._append("Identity", [inner], name)

    def _append(self, op: str, inputs: Sequence[str], output: str, name: str = "", **attrs: str | int) -> None:
        self.graph.nodes.append(Node(op, list(inputs), [output], dict(attrs), name))

    def dequantized_from(self, index: int) -> TensorRecord | None:
        """The constant that a DEQUANTIZE turns into this tensor."""
        source = self._dequantized.get(index)
        return None if source is None else self.model.tensors[source]

    def rearranged(self, record: TensorRecord, perm: Sequence[int], hint: str) -> str:
        """A constant with its axes permuted, its quantization with it. One Value per tensor and permutation."""
        key = (record.index, tuple(perm))
        if key in self._rearranged:
            return self._rearranged[key]
        value = self.graph.values[self.use(record.index)]
        if value.data is None:
            raise ValueError(f"tensor '{record.name}' is not a constant")
        if key[1] == tuple(range(value.data.ndim)):
            return value.name
        data = self._once(value.data, key[1])
        name = self.graph.add_constant(f"{self.names[record.index]}/{hint}", data, permuted(value.quant, perm))
        self._rearranged[key] = name
        return name

    def _once(self, data: np.ndarray, perm: tuple[int, ...]) -> np.ndarray:
        """The same array for all tensors that share one. The one that it is of is kept, and with it its identity."""
        key = id(data), perm
        if key not in self._permuted:
            self._permuted[key] = data, np.ascontiguousarray(data.transpose(perm))
        return self._permuted[key][1]

    def quantized(self, name: str, like: Value, node_name: str) -> str:
        """Real numbers as the integers that stand for them in `like`."""
        output = self.graph.unique(f"{name}/{like.dtype}")
        self.graph.add_value(Value(output, like.dtype, None, like.quant))
        assert like.quant is not None
        self._append("QuantizeLinear", [name, *self.parameters(like.quant, like.dtype)], output, node_name)
        return output

    def parameters(self, quant: Quantization, dtype: np.dtype) -> tuple[str, str]:
        """Constants that hold a quantization's scale and zero point, which has the dtype: scalars where it is per
        tensor."""
        per_tensor = quant.axis is None
        scale = quant.scale.reshape(()) if per_tensor else quant.scale
        zero_point = quant.zero_point.astype(dtype)
        zero_point = zero_point.reshape(()) if per_tensor else zero_point
        return self.shared("scale", scale), self.shared("zero_point", zero_point)

    def shared(self, hint: str, data: np.ndarray) -> str:
        if data.ndim:
            return self.graph.add_constant(self.prefix + hint, data)
        key = (data.item(), data.dtype.name, hint)
        if key not in self._scalars:
            self._scalars[key] = self.graph.add_constant(self.prefix + hint, data)
        return self._scalars[key]

    def real(self, name: str, node_name: str) -> str:
        """float32 of a quantized or float16 Value, one node for all who ask; other Values as they are."""
        value = self.graph.values[name]
        if value.quant is None and value.dtype != np.float16:
            return name
        if name not in self._real:
            output = self.graph.unique(f"{name}/float32")
            self.graph.add_value(Value(output, np.dtype(np.float32), value.shape))
            if value.quant is None:
                self._append("Cast", [name], output, node_name, to="float32")
            else:
                axis = {} if value.quant.axis is None else {"axis": value.quant.axis}
                self._append(
                    "DequantizeLinear", [name, *self.parameters(value.quant, value.dtype)], output, node_name, **axis
                )
            self._real[name] = output
        return self._real[name]


def permuted(quant: Quantization | None, perm: Sequence[int]) -> Quantization | None:
    if quant is None or quant.axis is None:
        return quant
    return Quantization(quant.scale, quant.zero_point, list(perm).index(quant.axis))
