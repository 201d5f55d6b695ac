"""Builds networks without a source: layers one after another, in float32 or int8, with weights that are distributed as
those of trained ones, as some products are computed in other ways where weights are small."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...runtime.graph import Attribute, Graph, Node, Quantization, Value
from ...runtime.model import Model

Element = Literal["f32", "i8"]
QUANT = Quantization.per_tensor(0.05, 0)
POSITIVE = Quantization.per_tensor(0.05, -128)
"""Of what no number is negative in: then a Relu costs nothing, as in models that are quantized."""
_NORMAL = np.random.default_rng(0).normal(size=4093)
_SPREADS = 18, 45
"""Standard deviations of int8 weights: of layers with outliers, and of others."""


class Network:
    """Every method appends a layer to the value `at` (the latest by default) and returns the name of its result."""

    def __init__(self, element: Element, *shape: int) -> None:
        """shape: of the input "x", channels last."""
        self.element = element
        self.graph = Graph(inputs=["x"])
        self.channels: dict[str, int] = {}
        self.latest = self._value("x", shape[-1], tuple(shape))

    def model(self) -> Model:
        """The network, whose output is the latest value."""
        self.graph.outputs.append(self.latest)
        return Model(self.graph)

    def conv(
        self,
        channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        *,
        depthwise: bool = False,
        activation: str = "Relu",
        at: str = "",
    ) -> str:
        """activation: what the kernel computes of its results besides, "" for nothing; in int8 only "Relu"."""
        x = at or self.latest
        inputs = self.channels[x]
        group = inputs if depthwise else 1
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        names = self._weights(f"w{len(self.graph.nodes)}", (channels, height, width, inputs // group))
        attributes: dict[str, Attribute] = {
            "pads": [(height - 1) // 2, (width - 1) // 2, height // 2, width // 2],
            "strides": [stride, stride], "group": group,
        }  # fmt: skip
        if activation:
            attributes["activation"] = activation
        return self._node("Conv", [x, *names], channels, attributes, POSITIVE if activation else QUANT)

    def depthwise(self, kernel: int | tuple[int, int] = 3, stride: int = 1, activation: str = "Relu") -> str:
        return self.conv(self.channels[self.latest], kernel, stride, depthwise=True, activation=activation)

    def max_pool(self, kernel: int = 3, stride: int = 2) -> str:
        sizes: dict[str, Attribute] = {"kernel_shape": [kernel, kernel], "strides": [stride, stride]}
        return self._node("MaxPool", [self.latest], self.channels[self.latest], sizes)

    def average(self) -> str:
        return self._node("GlobalAveragePool", [self.latest], self.channels[self.latest], {})

    def add(self, other: str) -> str:
        return self._node("Add", [self.latest, other], self.channels[other], {"activation": "Relu"}, POSITIVE)

    def add_shortcut(self, begin: str, stride: int = 1) -> str:
        """Adds what the latest value was computed from, with that stride, through a projection where it has another
        shape."""
        end = self.latest
        if stride > 1 or self.channels[begin] != self.channels[end]:
            begin = self.conv(self.channels[end], 1, stride, activation="", at=begin)
        self.latest = end
        return self.add(begin)

    def concat(self, *names: str) -> str:
        return self._node("Concat", list(names), sum(self.channels[name] for name in names), {"axis": -1})

    def prelu(self) -> str:
        slopes = self.graph.add_constant("slopes", np.full(self.channels[self.latest], 0.25, np.float32))
        return self._node("PRelu", [self.latest, slopes], self.channels[self.latest], {})

    def unary(self, op: str) -> str:
        return self._node(op, [self.latest], self.channels[self.latest], {})

    def _node(
        self,
        op: str,
        inputs: list[str],
        channels: int,
        attributes: dict[str, Attribute],
        quant: Quantization | None = None,
    ) -> str:
        """quant: the first input's by default."""
        name = f"v{len(self.graph.nodes)}"
        self.graph.nodes.append(Node(op, inputs, [name], attributes))
        self.latest = self._value(name, channels, None, quant or self.graph.values[inputs[0]].quant)
        return self.latest

    def _value(
        self, name: str, channels: int, shape: tuple[int, ...] | None, quant: Quantization | None = QUANT
    ) -> str:
        self.channels[name] = channels
        if self.element == "f32":
            self.graph.add_value(Value(name, np.dtype(np.float32), shape))
        else:
            self.graph.add_value(Value(name, np.dtype(np.int8), shape, quant))
        return name

    def _weights(self, name: str, shape: tuple[int, ...]) -> list[str]:
        outputs = shape[0]
        if self.element == "f32":
            self.graph.add_constant(name, np.full(shape, 0.01, np.float32))
            self.graph.add_constant(name + "b", np.zeros(outputs, np.float32))
        else:
            scales, zeros = np.full(outputs, 0.01, np.float32), np.zeros(outputs, np.int32)
            spread = _SPREADS[(outputs // 8 + shape[-1] // 8 + len(self.graph.nodes) // 2) % 2]
            weights = np.resize(np.clip(np.rint(spread * _NORMAL), -127, 127).astype(np.int8), shape)
            self.graph.add_constant(name, weights, Quantization(scales, zeros, 0))
            bias = Quantization(scales * QUANT.scale, zeros, 0)
            self.graph.add_constant(name + "b", np.zeros(outputs, np.int32), bias)
        return [name, name + "b"]
