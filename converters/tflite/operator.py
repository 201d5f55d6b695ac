"""One TFLite operator as its handler sees it: inputs, options, and the nodes it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...runtime.errors import ModelError
from ...runtime.graph import Attribute, Node, Quantization, Value
from ...runtime.ops.registry import find
from . import tensors
from .handlers import Unsupported
from .records import ModelRecord, OperatorRecord, OptionValue, TensorRecord
from .schema import ACTIVATIONS

if TYPE_CHECKING:
    from .importer import Importer

INT64_MAX = int(np.iinfo(np.int64).max)

_FUSED = {
    "NONE": None,
    "RELU": "Relu",
    "RELU_N1_TO_1": "ReluN1To1",
    "RELU6": "Relu6",
    "TANH": "Tanh",
    "SIGN_BIT": "SignBit",
}
_APART = ("Tanh", "SignBit")
"""Activations that LiteRT's own kernels leave out, though its schema and delegates know them: nodes of their own."""


class Operator:
    """Inputs and outputs are addressed by position. Values are addressed by their name in the graph."""

    def __init__(self, importer: Importer, record: OperatorRecord) -> None:
        self.importer = importer
        self.graph = importer.graph
        self.record = record
        self.kind = record.kind
        self.name = f"{record.kind.lower().replace(' ', '_')}_{record.index}"

    def unsupported(self, reason: str) -> Unsupported:
        return Unsupported(reason)

    def error(self, problem: str) -> ModelError:
        return self.importer.model.error(f"{self.kind} at position {self.record.index}: {problem}")

    # ---- what the operator says ----

    @property
    def input_count(self) -> int:
        return len(self.record.inputs)

    def present(self, position: int) -> bool:
        return position < len(self.record.inputs) and self.record.inputs[position] >= 0

    def tensor(self, position: int) -> TensorRecord:
        """The input's record; ModelError where it is missing."""
        if not self.present(position):
            raise self.error(f"input {position} is missing")
        return self.importer.model.tensors[self.record.inputs[position]]

    def result_tensor(self, position: int = 0) -> TensorRecord:
        if position >= len(self.record.outputs):
            raise self.error(f"output {position} is missing")
        return self.importer.model.tensors[self.record.outputs[position]]

    def option(self, name: str, default: OptionValue | None = None) -> Any:
        """A field of the options table; the default where there is no table, ModelError where there is no default."""
        value = self.record.options.get(name, default)
        if value is None:
            raise self.error(f"its options lack {name}")
        return value

    def subgraph(self, index: int) -> ModelRecord:
        """A subgraph of the file; ModelError where there is none."""
        subgraphs = self.importer.whole.subgraphs
        if not 0 <= index < len(subgraphs):
            raise self.error(f"there is no subgraph {index}")
        return subgraphs[index]

    def shape(self, position: int) -> tuple[int | None, ...]:
        return self.tensor(position).shape

    def rank(self, position: int) -> int:
        return len(self.tensor(position).shape)

    def axis(self, axis: int, rank: int) -> int:
        """axis counted from the front; ModelError where there is no such axis."""
        if not -rank <= axis < rank:
            raise self.error(f"axis {axis} is out of range for a tensor of rank {rank}")
        return axis % rank

    def data(self, position: int) -> np.ndarray | None:
        """The elements of a constant input."""
        return self.tensor(position).data

    def integers(self, position: int, what: str) -> list[int]:
        """A constant input of integers, flat; Unsupported where it is known only at run time."""
        data = self.data(position)
        if data is None:
            raise self.unsupported(f"{what} must be a constant")
        if data.dtype.kind not in "iu":
            raise self.error(f"{what} is {data.dtype}, not integers")
        return [int(item) for item in data.reshape(-1)]

    def integer(self, position: int, what: str) -> int:
        values = self.integers(position, what)
        if len(values) != 1:
            raise self.error(f"{what} must be one integer")
        return values[0]

    # ---- values ----

    def input(self, position: int, pairs: bool = False) -> str:
        """The Value of an input; quantized ones are int8. pairs: see Importer.use."""
        self.tensor(position)
        return self.importer.use(self.record.inputs[position], pairs)

    def optional(self, position: int) -> str:
        return self.input(position) if self.present(position) else ""

    def output(self, position: int = 0, pairs: bool = False) -> str:
        self.result_tensor(position)
        return self.importer.use(self.record.outputs[position], pairs)

    def value(self, name: str) -> Value:
        return self.graph.values[name]

    def quantized(self, position: int = 0) -> bool:
        return self.value(self.input(position)).quant is not None

    def constant(self, data: np.ndarray, hint: str, quant: Quantization | None = None) -> str:
        return self.graph.add_constant(f"{self.output(pairs=True)}/{hint}", data, quant)

    def int64s(self, values: Sequence[int], hint: str) -> str:
        """A constant list of integers."""
        return self.constant(np.array(values, np.int64).reshape(-1), hint)

    def int64_input(self, position: int, hint: str) -> str:
        """An integer input as an int64 list, constant where it is one."""
        if self.data(position) is not None:
            return self.int64s(self.integers(position, hint), hint)
        name = self.cast(self.input(position), np.int64)
        return name if self.rank(position) == 1 else self.new("Reshape", [name, self.int64s([-1], "flat")])

    # ---- nodes ----

    def node(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attrs: Attribute) -> None:
        self.graph.nodes.append(Node(op, list(inputs), list(outputs), dict(attrs), self.name))

    def temporary(self, hint: str, dtype: np.dtype, quant: Quantization | None = None) -> str:
        name = self.graph.unique(f"{self.output(pairs=True)}/{hint}")
        return self.graph.add_value(Value(name, np.dtype(dtype), None, quant))

    def new(self, op: str, inputs: Sequence[str], dtype: np.dtype | type | None = None, **attrs: Attribute) -> str:
        """A node with one new output, which has the first input's dtype and quantization unless a dtype is given."""
        first = self.value(inputs[0])
        if dtype is None:
            output = self.temporary(op.lower(), first.dtype, first.quant)
        else:
            output = self.temporary(op.lower(), np.dtype(dtype))
        self.node(op, inputs, [output], **attrs)
        return output

    def activation(self) -> str | None:
        """The fused activation's name in the graph, or "SignBit" for what `activate` makes of several nodes."""
        code = self.option("FusedActivationFunction", 0)
        name = ACTIVATIONS.get(code, f"function {code}")
        if name not in _FUSED:
            raise self.unsupported(f"fused activation {name} is not supported")
        return _FUSED[name]

    def finish(self, op: str, inputs: Sequence[str], **attrs: Attribute) -> None:
        """The node that computes output 0, with the fused activation: a node of its own if op fuses none."""
        activation, known = self.activation(), find(op)
        if activation is None:
            self.node(op, inputs, [self.output()], **attrs)
        elif known is not None and known.fuses_activation and activation not in _APART:
            self.node(op, inputs, [self.output()], **attrs, activation=activation)
        else:
            target = self.value(self.output())
            if target.quant is not None and activation in _APART:
                raise self.unsupported(f"fused {activation} of quantized numbers, whose range before it nothing says")
            raw = self.temporary(op.lower(), target.dtype, target.quant)
            self.node(op, inputs, [raw], **attrs)
            self.node("Identity", [self.activate(activation, raw)], [self.output()])

    def activate(self, activation: str, name: str) -> str:
        """The Value that the activation makes of another. SignBit: 1 where it is negative, else 0."""
        if activation != "SignBit":
            return self.new(activation, [name])
        dtype = self.value(name).dtype
        zero = self.importer.shared("zero", np.zeros((), dtype))
        return self.cast(self.new("Less", [name, zero], bool), dtype)

    # ---- what is kept ----

    def state(self, position: int) -> str:
        """The Value of an input that is a variable: what the run before left, or what was assigned since."""
        record = self.tensor(position)
        if not record.variable:
            raise self.unsupported(f"its state '{record.name}' is no variable")
        return self.importer.variables.read(self._state_key(position), record, self.importer)

    def keep(self, position: int, name: str) -> None:
        """The Value becomes that of an input that is a variable. Real numbers are quantized as it is."""
        value = self.value(self.state(position))
        if value.quant is not None and self.value(name).quant is None:
            name = self.importer.quantized(name, value, self.name)
        self.importer.variables.assign(self._state_key(position), name, self.importer)

    def _state_key(self, position: int) -> str:
        return f"/{self.importer.prefix}{self.importer.names[self.record.inputs[position]]}"

    # ---- meanings and dtypes ----

    def plain_input(self, position: int) -> str:
        """The integers that a quantized input is stored as in the file; other inputs as they are."""
        name, record = self.input(position), self.tensor(position)
        quant = self.value(name).quant
        if quant is None:
            return name
        if record.dtype == np.uint8:
            quant = tensors.quantization(self.importer.model, record)
            stored = self.temporary("uint8", np.dtype(np.uint8), quant)
            self.node("Requantize", [name], [stored], to="uint8")
            name = stored
        plain = self.temporary("integers", self.value(name).dtype)
        self.node("Reinterpret", [name], [plain])
        return plain

    def cast(self, name: str, dtype: np.dtype | type) -> str:
        """The value in another dtype, itself where it has that dtype already."""
        wanted = np.dtype(dtype)
        if self.value(name).dtype == wanted:
            return name
        return self.new("Cast", [name], wanted, to=wanted.name)

    def real(self, name: str) -> str:
        """float32 of a quantized or float16 value; others as they are."""
        return self.importer.real(name, self.name)

    def real_input(self, position: int) -> str:
        return self.real(self.input(position))

    def finish_real(self, name: str) -> None:
        """Stores a float32 value as output 0: activation, then quantization where the output is quantized."""
        activation = self.activation()
        if activation is not None:
            name = self.activate(activation, name)
        target = self.value(self.output())
        if target.quant is not None:
            parameters = self.importer.parameters(target.quant, target.dtype)
            self.node("QuantizeLinear", [name, *parameters], [target.name])
        elif target.dtype != self.value(name).dtype:
            self.node("Cast", [name], [target.name], to=target.dtype.name)
        else:
            self.node("Identity", [name], [target.name])
