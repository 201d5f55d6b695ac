"""The ONNX graph while it is written: under which name each value of the graph is found, in either order of axes.

A quantized value is three tensors: the exact numbers, the integers that QuantizeLinear makes of them, and the real
numbers that DequantizeLinear makes of those, which is what other nodes read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ...runtime.engine.names import CHANNELS_LAST
from ...runtime.errors import ModelError
from ...runtime.graph import Graph, Quantization, Value
from ..onnx.layout import to_first, to_last
from ..rewrites.framework.permutation import permute_quant
from . import axes

QUANTIZED = ("int8", "uint8", "int16", "uint16")
"""What QuantizeLinear makes."""


class Writer:
    """outer: of the graph around a branch or a loop's body, whose tensors are read here as well."""

    def __init__(self, graph: Graph, outer: Writer | None = None) -> None:
        self.graph, self.outer = graph, outer
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._taken: set[str] = {*graph.inputs, *graph.outputs} if outer is None else outer._taken
        self._real: dict[tuple[str, bool], str] = {}
        self._integers: dict[str, str] = {}
        self._made_for: dict[str, Callable[[bool], str]] = {}
        self._parameter: dict[tuple[str, bytes], str] = {}
        for name in graph.inputs:
            self._input(name)

    def _input(self, name: str) -> None:
        quant = self.graph.values[name].quant
        if quant is None:
            self._real[name, False] = name
        else:
            self.set_integers(name, name)

    def rank(self, name: str) -> int | None:
        value = self._value(name)
        return None if value.shape is None else len(value.shape)

    def is_first(self, name: str) -> bool:
        """Whether the value is there with its channels second, and only so."""
        return bool(name) and self._known(name, True) is not None and self._known(name, False) is None

    def read(self, name: str, first: bool = False, rank: int | None = None) -> str:
        """The tensor of a value's numbers, of quantized integers the real ones. first: channels second. rank: the
        value's, where the reader knows it. ModelError where the value has to be transposed and its rank is unknown."""
        if not name:
            return ""
        found = self._known(name, first)
        if found is not None:
            return found
        if name in self._made_for:
            self._real[name, first] = self._made_for[name](first)
            return self._real[name, first]
        holder = self._holder(name)
        data = holder.graph.constant(name)
        if data is not None and holder is not self:
            return holder.read(name, first)
        if data is not None:
            made = self._constant_value(name, data, self.graph.values[name].quant, first)
        else:
            source, rank = self._known(name, not first), rank or self.rank(name)
            if source is None or rank is None:
                raise ModelError(f"the rank of '{name}' is not known")
            made = self.named(name, first)
            self.emit("Transpose", [source], [made], {"perm": to_first(rank) if first else to_last(rank)})
        self._real[name, first] = made
        return made

    def aligned(self, name: str, rank: int) -> str:
        """A value that broadcasts against channels-last ones of this rank, with its channels second."""
        data, size = self._holder(name).graph.constant(name), self.rank(name)
        if data is None or size == rank:
            return self.read(name, True) if size == rank else self.read(name)
        if data.ndim == 0:
            return self.read(name)
        quant = self._value(name).quant
        spread = data.reshape([1] * (rank - data.ndim) + list(data.shape))
        return self._constant_value(name, spread, quant, True)

    def integers(self, name: str) -> str:
        """The tensor of a quantized value's integers, in the graph's order of axes."""
        writer: Writer | None = self
        while writer is not None:
            if name in writer._integers:
                return writer._integers[name]
            writer = writer.outer
        value = self._value(name)
        assert value.quant is not None
        if value.data is not None:
            self._integers[name] = self.constant(name, value.data)
        else:
            self._integers[name] = self._quantize(name, self.read(name), value.quant)
        return self._integers[name]

    def set_real(self, name: str, first: bool, tensor: str) -> None:
        self._real[name, first] = tensor

    def set_made_for(self, name: str, make: Callable[[bool], str]) -> None:
        """Makes the value of a constant, when it is read: make(first) gives its tensor in either order of axes."""
        self._made_for[name] = make

    def set_integers(self, name: str, tensor: str) -> None:
        """Makes the value of a tensor of its integers."""
        value = self._value(name)
        assert value.quant is not None
        self._integers[name] = tensor
        self._real[name, False] = self._dequantize(name, tensor, value.quant, value.dtype, False)

    def define(self, name: str, first: bool, exact: str) -> None:
        """Makes the value of a tensor of its numbers, which are rounded here where the value is quantized."""
        value = self._value(name)
        if value.quant is None:
            self._real[name, first] = exact
            return
        quant = self._placed(value.quant, name) if first else value.quant
        integers = self._quantize(name, exact, quant, first)
        if not first:
            self._integers[name] = integers
        self._real[name, first] = self._dequantize(name, integers, quant, value.dtype, first)

    def named(self, name: str, first: bool) -> str:
        """A name for the value's tensor: the source's, where the graph keeps its tensor in another order."""
        public = self.graph.outputs if self.outer is None else []
        if not first and name in public and self._value(name).quant is None:
            return name
        parts = CHANNELS_LAST.fullmatch(name) if first else None
        return self.new(parts[1] if parts is not None else f"{name}.channels_first" if first else name)

    def new(self, name: str) -> str:
        """The name, or one like it that no tensor has."""
        found, count = name, 0
        while not found or found in self._taken:
            count += 1
            found = f"{name}.{count}"
        self._taken.add(found)
        return found

    def constant(self, name: str, array: np.ndarray) -> str:
        made = self.new(name)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), made))
        return made

    def emit(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], attrs: Mapping[str, Any] | None = None
    ) -> None:
        """attrs: as onnx's helper takes them."""
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        self.nodes.append(
            helper.make_node(op, given, list(outputs), name=self.new(f"{op}.{outputs[0]}"), **(attrs or {}))
        )

    def _quantize(self, name: str, exact: str, quant: Quantization, first: bool = False) -> str:
        value = self._value(name)
        if value.dtype.name not in QUANTIZED:
            raise ModelError(f"'{name}' is quantized to {value.dtype}, which ONNX's QuantizeLinear does not make")
        public = self.outer is None and name in self.graph.outputs and not first
        made = name if public and name not in self._integers.values() else self.new(f"{name}.{value.dtype}")
        self.emit("QuantizeLinear", [exact, *self._parameters(name, quant, value.dtype)], [made], _along(quant))
        return made

    def _dequantize(self, name: str, integers: str, quant: Quantization, dtype: np.dtype, first: bool) -> str:
        made = self.named(f"{name}.real" if name in self._taken else name, first)
        self.emit("DequantizeLinear", [integers, *self._parameters(name, quant, dtype)], [made], _along(quant))
        return made

    def _parameters(self, name: str, quant: Quantization, dtype: np.dtype) -> list[str]:
        """The zero point, too, where it is 0 throughout: onnxruntime's optimisations give weights without one a scalar
        beside scales for each channel, and then refuse that."""
        shape = () if quant.axis is None else quant.scale.shape
        return [
            self._shared(f"{name}.scale", quant.scale.reshape(shape)),
            self._shared(f"{name}.zero_point", quant.zero_point.astype(dtype).reshape(shape)),
        ]

    def _shared(self, name: str, array: np.ndarray) -> str:
        key = (f"{array.dtype}{array.shape}", array.tobytes())
        if key not in self._parameter:
            self._parameter[key] = self.constant(name, array)
        return self._parameter[key]

    def _constant_value(self, name: str, data: np.ndarray, quant: Quantization | None, first: bool) -> str:
        if first:
            data, quant = axes.moved(data), None if quant is None else self._placed(quant, name)
        if quant is None:
            return self.constant(name, data)
        return self._dequantize(name, self.constant(f"{name}.{data.dtype}", data), quant, data.dtype, False)

    def _placed(self, quant: Quantization, name: str) -> Quantization:
        rank = self.rank(name)
        return (None if rank is None else permute_quant(quant, tuple(to_first(rank)))) or quant

    def _known(self, name: str, first: bool) -> str | None:
        found = self._real.get((name, first))
        return found if found is not None or self.outer is None else self.outer._known(name, first)

    def _holder(self, name: str) -> Writer:
        return self if name in self.graph.values or self.outer is None else self.outer._holder(name)

    def _value(self, name: str) -> Value:
        return self._holder(name).graph.values[name]


def _along(quant: Quantization) -> dict[str, int]:
    return {} if quant.axis is None else {"axis": quant.axis}
