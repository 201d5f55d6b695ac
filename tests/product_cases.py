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
        bias: bool = True,
        residual: str = "",
        **attrs: Any,
    ) -> str:
        """The name of the result. w: int8 weights to take instead of random ones. w_zero: their zero point."""
        shape = (outputs, *kernel, self.channels[x] // group)
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
