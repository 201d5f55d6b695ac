"""Small graphs of convolutions and matrix products, quantized or float32, for the kernels' tests on every CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.model import Model

RTOL, ATOL = 1e-5, 1e-5
"""Of float32 results, which are about 1: the products are summed in another order than NumPy's."""
SPREAD = 74.0
"""Standard deviation of uniformly distributed int8."""

SAME: dict[str, Any] = {"auto_pad": "SAME_UPPER"}
PADS: dict[str, Any] = {"pads": [1, 1, 1, 1]}

Build = Callable[[], "Net"]


class Net:
    """A graph that grows by one product at a time, and its feeds. Quantized outputs use most of their range."""

    def __init__(self, quantized: bool, seed: int = 0) -> None:
        self.quantized = quantized
        self.rng = np.random.default_rng(seed)
        self.graph = Graph()
        self.feeds: dict[str, np.ndarray] = {}
        self.channels: dict[str, int] = {}

    def feed(self, *shape: int, data: np.ndarray | None = None) -> str:
        if data is None:
            data = self._numbers(shape)
        quant = Quantization.per_tensor(0.02, int(self.rng.integers(-20, 20))) if self.quantized else None
        name = self.graph.add_value(Value(f"x{len(self.graph.inputs)}", data.dtype, data.shape, quant))
        self.graph.inputs.append(name)
        self.feeds[name], self.channels[name] = data, data.shape[-1]
        return name

    def conv(
        self,
        x: str,
        outputs: int,
        kernel: Sequence[int],
        *,
        group: int = 1,
        w: np.ndarray | None = None,
        w_zero: int = 0,
        w_spread: float = 0,
        bias: bool = True,
        residual: str = "",
        **attrs: Any,
    ) -> str:
        """The name of the result. w: int8 weights to take instead of random ones. w_zero: their zero point. w_spread:
        the standard deviation of int8 weights that are normally distributed, as those of trained models are."""
        shape = (outputs, *kernel, self.channels[x] // group)
        if w_spread:
            w = np.clip(np.rint(w_spread * self.rng.normal(size=shape)), -128, 127).astype(np.int8)
        inputs, quant = self._operands(x, shape, 0, int(np.prod(shape[1:])), w, w_zero, bias)
        return self._node(
            "Conv", [*inputs, residual] if residual else inputs, outputs, quant, {"group": group, **attrs}
        )

    def gemm(self, x: str, outputs: int, *, transposed: bool = True, bias: bool = True, **attrs: Any) -> str:
        inner = self.channels[x]
        shape = (outputs, inner) if transposed else (inner, outputs)
        inputs, quant = self._operands(x, shape, 0 if transposed else 1, inner, None, 0, bias)
        return self._node("Gemm", inputs, outputs, quant, {"transB": int(transposed), **attrs})

    def matmul(self, x: str, outputs: int, *, bias: bool = True, **attrs: Any) -> str:
        inputs, quant = self._operands(x, (self.channels[x], outputs), 1, self.channels[x], None, 0, bias)
        return self._node("MatMul", inputs, outputs, quant, attrs)

    def done(self, *outputs: str) -> Net:
        self.graph.outputs += outputs
        return self

    @property
    def model(self) -> Model:
        return Model(self.graph)

    def _numbers(self, shape: Sequence[int]) -> np.ndarray:
        if self.quantized:
            return self.rng.integers(-128, 128, shape).astype(np.int8)
        return self.rng.normal(size=shape).astype(np.float32)

    def _operands(
        self, x: str, shape: Sequence[int], axis: int, terms: int, w: np.ndarray | None, w_zero: int, bias: bool
    ) -> tuple[list[str], Quantization | None]:
        """x, weights and bias, and the quantization of the output. terms: products in one output."""
        at, channels = len(self.graph.nodes), shape[axis]
        data = self._numbers(shape) if w is None else w
        if not self.quantized:
            inputs = [x, self.graph.add_constant(f"w{at}", data / np.float32(np.sqrt(terms)))]
            offsets = self.rng.normal(size=channels).astype(np.float32)
            return [*inputs, self.graph.add_constant(f"b{at}", offsets)] if bias else inputs, None
        source = self.graph.values[x].quant
        assert source is not None
        scales = np.full(1, 0.002, np.float32) if w_zero else self.rng.uniform(0.001, 0.003, channels).astype("f4")
        quant = Quantization(scales, np.full(scales.size, w_zero, np.int32), None if w_zero else axis)
        inputs = [x, self.graph.add_constant(f"w{at}", data, quant)]
        if bias:
            offsets = self.rng.integers(-2000, 2000, channels).astype(np.int32)
            scale = source.scale * scales
            bias_quant = Quantization(scale, np.zeros(scale.size, np.int32), None if w_zero else 0)
            inputs.append(self.graph.add_constant(f"b{at}", offsets, bias_quant))
        spread = float(source.scale[0]) * 0.002 * SPREAD * SPREAD * np.sqrt(terms)
        return inputs, Quantization.per_tensor(spread / 50, int(self.rng.integers(-20, 20)))

    def _node(
        self, op: str, inputs: list[str], channels: int, quant: Quantization | None, attrs: Mapping[str, Any]
    ) -> str:
        name = f"y{len(self.graph.nodes)}"
        self.graph.add_value(Value(name, np.dtype(np.int8 if self.quantized else np.float32), None, quant))
        self.graph.nodes.append(Node(op, inputs, [name], dict(attrs), name))
        self.channels[name] = channels
        return name


def conv(x: Sequence[int], outputs: int, kernel: Sequence[int], quantized: bool = True, **options: Any) -> Build:
    """One convolution of an input of that shape; options: as of Net.conv."""

    def build() -> Net:
        net = Net(quantized)
        return net.done(net.conv(net.feed(*x), outputs, kernel, **options))

    return build


def depthwise(x: Sequence[int], kernel: Sequence[int], quantized: bool = True, times: int = 1, **options: Any) -> Build:
    return conv(x, x[-1] * times, kernel, quantized, group=x[-1], **options)


def gemm(rows: int, inner: int, outputs: int, quantized: bool = True, **options: Any) -> Build:
    def build() -> Net:
        net = Net(quantized)
        return net.done(net.gemm(net.feed(rows, inner), outputs, **options))

    return build


def matmul(shape: Sequence[int], outputs: int, quantized: bool = True, **options: Any) -> Build:
    def build() -> Net:
        net = Net(quantized)
        return net.done(net.matmul(net.feed(*shape), outputs, **options))

    return build


def extremes(value: int, weight: int) -> Build:
    """Every input and every weight at one end of its range."""

    def build() -> Net:
        net = Net(True)
        x = net.feed(data=np.full((1, 3, 5, 40), value, np.int8))
        first = net.conv(x, 19, (3, 3), pads=[1] * 4, w=np.full((19, 3, 3, 40), weight, np.int8))
        return net.done(
            first, net.conv(x, 40, (3, 3), pads=[1] * 4, group=40, w=np.full((40, 3, 3, 1), weight, np.int8))
        )

    return build


def ends(x: Sequence[int], outputs: int, kernel: Sequence[int], **options: Any) -> Build:
    """A convolution each of whose inputs and weights is at one or the other end of its range."""

    def build() -> Net:
        net = Net(True)
        w = net.rng.choice(np.array([-128, 127], np.int8), (outputs, *kernel, x[-1]))
        data = net.rng.choice(np.array([-128, 127], np.int8), x)
        return net.done(net.conv(net.feed(data=data), outputs, kernel, w=w, **options))

    return build


def pairs(weights: Sequence[int], value: int) -> Build:
    """A product of many such weights, two of which lie side by side, and inputs of one value."""

    def build() -> Net:
        net = Net(True)
        w = np.tile(np.array(weights, np.int8), (40, 1, 1, 24))
        return net.done(net.conv(net.feed(data=np.full((1, 3, 5, w.shape[-1]), value, np.int8)), 40, (1, 1), w=w))

    return build


def residual(shape: Sequence[int], kernel: Sequence[int], **attrs: Any) -> Build:
    """A float convolution that keeps its input's shape and adds another tensor before its activation."""

    def build() -> Net:
        net = Net(False)
        return net.done(net.conv(net.feed(*shape), shape[-1], kernel, residual=net.feed(*shape), **attrs))

    return build


def chain(quantized: bool, images: int, channels: int) -> Build:
    """Products that read each other's borders, of several sizes, and all of whose results are wanted."""

    def build() -> Net:
        net = Net(quantized)
        stem = net.conv(net.feed(images, 9, 10, 3), channels, (3, 3), strides=[2, 2], auto_pad="SAME_UPPER")
        deep = net.conv(stem, channels, (3, 3), group=channels, pads=[1, 1, 1, 1], activation="Relu")
        wide = net.conv(deep, 2 * channels, (1, 1), activation="Relu6")
        tall = net.conv(wide, channels, (5, 1), pads=[2, 0, 2, 0])
        return net.done(stem, tall, net.conv(tall, 6, (2, 3), pads=[0, 1, 1, 1]))

    return build


def random_conv(index: int, quantized: bool, depth: bool = False) -> Build:
    """The convolution number `index` of an endless list. depth: of depthwise ones."""

    def build() -> Net:
        net = Net(quantized, seed=index)
        rng = np.random.default_rng(1000 + index)
        rank = int(rng.choice([1, 2, 2, 2]))
        kernel = rng.integers(1, 6, rank)
        strides, dilations = rng.choice([1, 1, 2, 3], rank), rng.choice([1, 1, 1, 2], rank)
        reach = (kernel - 1) * dilations + 1
        sizes = [int(rng.integers(max(1, r - 1), r + 12)) for r in reach]
        channels = int(rng.choice([1, 2, 3, 4, 8, 15, 16, 24, 33, 40, 70]))
        group = channels if depth else int(rng.choice([g for g in range(1, 5) if channels % g == 0]))
        outputs = group * int(rng.integers(1, 3 if depth else 1 + 70 // group))
        options: dict[str, Any] = {"auto_pad": str(rng.choice(["SAME_UPPER", "SAME_LOWER"]))}
        if rng.random() < 0.6:
            options = {"pads": [int(rng.integers((r + 1) // 2, r + 1)) for r in (*reach, *reach)]}
        activation = rng.choice(["", "Relu", "Relu6", "Clip"])
        if activation:
            options |= {"activation": str(activation), "activation_params": [-0.5, 1.5] if activation == "Clip" else []}
        if quantized:
            options["w_zero"] = int(rng.choice([0, 0, 0, 5, -90]))
        x = net.feed(int(rng.integers(1, 4)), *sizes, channels)
        lists = {"strides": strides.tolist(), "dilations": dilations.tolist()}
        return net.done(net.conv(x, outputs, kernel.tolist(), group=group, bias=rng.random() < 0.8, **lists, **options))

    return build


def merged(nets: Mapping[str, Net]) -> tuple[Model, dict[str, np.ndarray]]:
    """One model that runs them all, and its feeds. Their names are preceded by the net's and a slash."""
    graph, feeds = Graph(), dict[str, np.ndarray]()
    for prefix, net in nets.items():
        rename = {name: f"{prefix}/{name}" for name in net.graph.values} | {"": ""}
        for value in net.graph.values.values():
            graph.add_value(Value(rename[value.name], value.dtype, value.shape, value.quant, value.data))
        for node in net.graph.nodes:
            inputs, outputs = [rename[n] for n in node.inputs], [rename[n] for n in node.outputs]
            graph.nodes.append(Node(node.op, inputs, outputs, node.attrs, rename[node.outputs[0]]))
        graph.inputs += [rename[n] for n in net.graph.inputs]
        graph.outputs += [rename[n] for n in net.graph.outputs]
        feeds |= {rename[n]: data for n, data in net.feeds.items()}
    return Model(graph), feeds


CONV_INTEGERS: dict[str, Build] = {
    "one output": conv((1, 1, 1, 1), 1, (1, 1)),
    "one pixel": conv((1, 1, 1, 70), 33, (1, 1)),
    "two pixels": conv((1, 1, 2, 9), 5, (1, 1)),
    "odd pixels and channels": conv((1, 5, 5, 17), 70, (1, 1), activation="Relu6"),
    "33 pixels": conv((1, 3, 11, 8), 12, (1, 1)),
    "few channels side by side": conv((1, 6, 8, 3), 2, (3, 3), **SAME),
    "first layer": conv((1, 11, 13, 3), 16, (3, 3), strides=[2, 2], activation="Relu", **SAME),
    "tall kernel": conv((2, 15, 6, 1), 20, (10, 4), strides=[2, 2], **SAME),
    "dilated": conv((1, 9, 9, 8), 16, (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    "strided pixels": conv((2, 7, 9, 16), 24, (1, 1), strides=[2, 3]),
    "one axis": conv((2, 19, 12), 24, (5,), strides=[2], pads=[2, 1]),
    "squares": conv((1, 9, 10, 32), 48, (3, 3), activation="Relu6", **PADS),
    "squares of odd counts": conv((2, 17, 15, 41), 70, (3, 3), **PADS),
    "squares without padding": conv((1, 18, 19, 64), 5, (3, 3), bias=False),
    "squares of weights with a zero point": conv((1, 12, 12, 64), 33, (3, 3), w_zero=-90, **PADS),
    "squares at the ends of their ranges": ends((1, 12, 12, 64), 48, (3, 3), **PADS),
    "short lines": conv((1, 9, 2, 20), 40, (3, 3), **PADS),
    "many weights": conv((1, 3, 7, 60), 250, (3, 3), strides=[1, 2], **PADS),
    "squares of many weights": conv((1, 3, 7, 60), 250, (3, 3), **PADS),
    "a column": conv((2, 19, 1, 12), 24, (5, 1), strides=[2, 1], pads=[2, 0, 1, 0]),
    "few weights of 9 bits": conv((1, 9, 7, 70), 90, (1, 1), w_spread=34, w_zero=-20),
    "few weights of 9 bits in squares": conv((1, 8, 7, 33), 40, (3, 3), w_spread=32, w_zero=-20, **PADS),
    "few weights of 9 bits in groups": conv((1, 6, 5, 64), 128, (3, 3), group=2, dilations=[2, 1], w_spread=31,
                                            w_zero=25, pads=[2, 1, 2, 1]),
    "small weights": conv((1, 5, 5, 17), 70, (1, 1), activation="Relu6", w_spread=25),
    "small weights by steps of 2": conv((2, 9, 10, 36), 40, (3, 3), strides=[2, 2], w_spread=30, **PADS),
    "small weights of spread taps": conv((1, 9, 9, 40), 24, (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3], w_spread=30),
    "small weights of short lines": conv((1, 9, 3, 20), 33, (2, 3), w_spread=22),
    "small weights of groups": conv((2, 6, 5, 128), 128, (3, 3), group=2, strides=[2, 1], w_spread=25, **PADS),
    "many small weights": conv((1, 3, 7, 300), 250, (1, 1), w_spread=28),
    "small weights of one pixel": conv((1, 1, 1, 256), 65, (1, 1), w_spread=30),
    "small weights of a first layer": conv((1, 11, 13, 3), 16, (3, 3), strides=[2, 2], w_spread=28, **SAME),
    "pairs of weights that fit": pairs([64, 64, -128, 0, 127, 1, -64, -64], 127),
    "pairs of weights of which some do not fit": pairs([64, 65, *[1, 2] * 11], 127),
    "pairs of negative weights of which some do not fit": pairs([-64, -65, 127, 2, *[-1, 2] * 10], 127),
    "groups": conv((1, 6, 5, 32), 64, (3, 3), group=4, pads=[1] * 4),
    "small groups": conv((1, 6, 5, 12), 18, (3, 3), group=6, pads=[1] * 4),
    "batch of whole images": conv((3, 4, 4, 64), 100, (1, 1)),
    "no bias": conv((1, 5, 6, 10), 20, (2, 2), bias=False),
    "weights with a zero point": conv((1, 5, 6, 10), 20, (3, 3), w_zero=-90, pads=[1] * 4),
    "weights of 9 bits": conv((1, 5, 6, 10), 20, (3, 3), w_zero=127),
    "largest accumulator": extremes(-128, -128),
    "least accumulator": extremes(127, -128),
    "borders": chain(True, 2, 24),
    "fully connected": gemm(1, 70, 10),
    "fully connected, wide": gemm(5, 33, 130, transposed=False, activation="Relu"),
    "product of three axes": matmul((2, 7, 24), 40),
}

CONV_FLOATS: dict[str, Build] = {
    "one output": conv((1, 1, 1, 1), 1, (1, 1), False),
    "odd pixels and channels": conv((1, 5, 5, 17), 70, (1, 1), False, activation="Relu6"),
    "33 pixels": conv((1, 3, 11, 8), 9, (1, 1), False),
    "first layer": conv((1, 11, 13, 3), 16, (3, 3), False, strides=[2, 2], activation="HardSwish", **SAME),
    "tall kernel": conv((2, 15, 6, 1), 20, (10, 4), False, strides=[2, 2], **SAME),
    "dilated": conv((1, 9, 9, 8), 16, (3, 3), False, dilations=[2, 3], pads=[2, 3, 2, 3]),
    "one axis": conv((2, 19, 12), 24, (5,), False, strides=[2], pads=[2, 1]),
    "squares": conv((1, 9, 10, 32), 48, (3, 3), False, activation="Relu6", **PADS),
    "squares of odd counts": conv((2, 7, 5, 40), 70, (3, 3), False, **PADS),
    "squares without padding": conv((1, 8, 9, 64), 33, (3, 3), False, bias=False),
    "squares with a residual": residual((2, 6, 7, 32), (3, 3), activation="LeakyRelu", activation_params=[0.1], **PADS),
    "one channel": conv((2, 7, 33, 8), 1, (3, 3), False, activation="Sigmoid", **PADS),
    "two channels": conv((1, 9, 20, 37), 2, (1, 1), False, bias=False),
    "one channel of spread taps": conv((1, 9, 40, 23), 1, (3, 3), False, dilations=[2, 2], strides=[1, 1], **PADS),
    "short lines": conv((2, 9, 2, 20), 40, (3, 3), False, activation="Relu", **PADS),
    "residual of short lines": residual((2, 7, 3, 20), (3, 3), activation="Relu", **PADS),
    "many weights": conv((1, 3, 7, 30), 150, (3, 3), False, **PADS),
    "a column": conv((2, 19, 1, 12), 24, (5, 1), False, strides=[2, 1], pads=[2, 0, 1, 0]),
    "a column of several": conv((1, 19, 4, 12), 24, (5, 4), False, activation="Relu"),
    "residual of a column": residual((2, 13, 1, 20), (3, 1), pads=[1, 0, 1, 0], activation="Relu"),
    "groups": conv((1, 6, 5, 32), 64, (3, 3), False, group=4, pads=[1] * 4),
    "residual": residual((2, 6, 7, 20), (3, 3), pads=[1] * 4, activation="Relu"),
    "residual of pixels": residual((2, 6, 7, 33), (1, 1), activation="LeakyRelu", activation_params=[0.1]),
    "borders": chain(False, 2, 24),
    "fully connected": gemm(1, 70, 10, False, activation="Sigmoid"),
    "scaled": gemm(5, 33, 40, False, alpha=0.5, beta=2.0),
    "product of three axes": matmul((2, 7, 24), 40, False, bias=False),
}

DEPTHWISE_INTEGERS: dict[str, Build] = {
    "one output": depthwise((1, 3, 3, 2), (3, 3)),
    "3x3": depthwise((1, 12, 11, 64), (3, 3), activation="Relu", **PADS),
    "3x3, odd channels": depthwise((2, 7, 6, 70), (3, 3), **PADS),
    "3x3, 8 channels": depthwise((1, 9, 16, 8), (3, 3), activation="Relu6", **PADS),
    "3x3, 3 channels": depthwise((1, 6, 5, 3), (3, 3), **PADS),
    "3x3 by steps of 2": depthwise((2, 13, 12, 24), (3, 3), strides=[2, 2], **SAME),
    "3x3 by other steps": depthwise((1, 11, 14, 16), (3, 3), strides=[1, 3], **PADS),
    "5x5": depthwise((1, 9, 14, 40), (5, 5), pads=[2] * 4),
    "5x5 by steps of 2": depthwise((1, 11, 10, 32), (5, 5), strides=[2, 2], **SAME),
    "wide": depthwise((1, 4, 20, 24), (1, 9), pads=[0, 4, 0, 4]),
    "tall": depthwise((1, 20, 4, 24), (7, 2), pads=[3, 0, 3, 1]),
    "whole image": depthwise((2, 4, 5, 33), (4, 5)),
    "dilated": depthwise((1, 12, 13, 20), (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    "one axis": depthwise((2, 30, 17), (5,), pads=[2, 2]),
    "two outputs per channel": depthwise((1, 6, 7, 12), (3, 3), times=2, **PADS),
    "weights with a zero point": depthwise((1, 6, 7, 20), (3, 3), w_zero=-90, bias=False, **PADS),
    "weights of 9 bits": depthwise((1, 6, 7, 20), (3, 3), w_zero=127, **PADS),
}

DEPTHWISE_FLOATS: dict[str, Build] = {
    "one output": depthwise((1, 3, 3, 2), (3, 3), False),
    "3x3": depthwise((1, 12, 11, 64), (3, 3), False, activation="Relu6", **PADS),
    "3x3, odd channels": depthwise((2, 7, 6, 70), (3, 3), False, **PADS),
    "3x3, 3 channels": depthwise((1, 6, 5, 3), (3, 3), False, **PADS),
    "3x3 by steps of 2": depthwise((2, 13, 12, 24), (3, 3), False, strides=[2, 2], activation="HardSwish", **SAME),
    "5x5": depthwise((1, 9, 14, 40), (5, 5), False, pads=[2] * 4),
    "tall": depthwise((1, 20, 4, 24), (7, 2), False, pads=[3, 0, 3, 1]),
    "whole image": depthwise((2, 4, 5, 33), (4, 5), False),
    "dilated": depthwise((1, 12, 13, 20), (3, 3), False, dilations=[2, 3], pads=[2, 3, 2, 3]),
    "one axis": depthwise((2, 30, 17), (5,), False, pads=[2, 2]),
    "two outputs per channel": depthwise((1, 6, 7, 12), (3, 3), False, times=2, **PADS),
}
