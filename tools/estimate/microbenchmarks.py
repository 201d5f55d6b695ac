"""Small networks that are timed step by step to learn what kinds of kernels cost on this computer.

None of them is a model that anybody uses. Their shapes are spread over what convolutional networks have, from a product
of one row to weights that no cache holds, so that each cost of a kernel is seen apart from the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...runtime.graph import Graph, Node, Value
from ...runtime.model import Model
from .network import Element, Network

BLOCKS = (
    (48, 8, 16), (24, 32, 32), (28, 96, 40), (14, 64, 64), (14, 192, 64), (7, 160, 320), (7, 64, 256), (32, 12, 24),
    (64, 24, 24), (10, 48, 96), (12, 128, 128), (100, 16, 16), (52, 48, 96), (3, 256, 256),
)  # fmt: skip
"""(size of the image, channels in, channels out)"""
STEMS = ((96, 8), (128, 16), (224, 24))
"""(size of the image, channels of the first convolution)"""
HEADS = ((7, 256, 128, 10), (4, 960, 512, 1000), (5, 64, 32, 4), (4, 1024, 4096, 2000))
"""(size of the image, channels that are averaged, and of two fully connected layers)"""
PRODUCTS = ((64, 384, 1536), (256, 64, 192), (40, 120, 480), (2000, 257, 128))
"""(rows, and columns of what they are multiplied by)"""
VECTORS = ((1, 16), (40, 16), (192, 64), (1024, 512))
"""(inputs of fully connected layers, outputs)"""
SERIES = ((49, 16, 10), (100, 64, 3), (49, 8, 5), (1, 32, 15))
"""(points in time, channels, points that a convolution sees)"""
CELLS = (("LSTM", 1, 64, 128), ("LSTM", 24, 16, 32), ("LSTM", 6, 128, 64), ("GRU", 12, 24, 48), ("GRU", 1, 96, 160))
"""(operator, points in time, inputs, units)"""
CURVED = ((24, 32, 32), (14, 192, 64), (52, 48, 96))
"""As BLOCKS, for the activations that take longer than a comparison."""


def networks() -> Iterator[Model]:
    for element in ("f32", "i8"):
        for size, inputs, outputs in BLOCKS:
            yield _block(element, size, inputs, outputs)
        for size, channels in STEMS:
            yield _stem(element, size, channels)
        for size, inputs, middle, outputs in HEADS:
            yield _head(element, size, inputs, middle, outputs)
        for rows, inputs, outputs in PRODUCTS:
            yield _products(element, rows, inputs, outputs)
        for inputs, outputs in VECTORS:
            yield _vectors(element, inputs, outputs)
        for length, channels, kernel in SERIES:
            yield _series(element, length, channels, kernel)
        yield _sound(element)
        yield _deep(element, 14, 96, 5)
        yield _deep(element, 7, 192, 5)
        yield _deep(element, 7, 512, 3 if element == "f32" else 12)
        yield _square(element, 14, 256, 8 if element == "f32" else 16)
    for cell in CELLS:
        yield _recurrent(*cell)
    for activation in ("SiLU", "HardSwish"):
        for size, inputs, outputs in CURVED:
            yield _block("f32", size, inputs, outputs, activation)
        yield _stem("f32", 128, 16, activation)
        yield _products("f32", 256, 64, 192, activation)


def _recurrent(op: str, steps: int, inputs: int, units: int) -> Model:
    graph = Graph(inputs=["x"], outputs=["y"], nodes=[Node(op, ["x", "w", "r"], ["y"], {"hidden_size": units})])
    graph.add_value(Value("x", np.dtype(np.float32), (steps, 1, inputs)))
    graph.add_value(Value("y", np.dtype(np.float32)))
    for name, columns in (("w", inputs), ("r", units)):
        graph.add_constant(name, np.full((1, {"LSTM": 4, "GRU": 3}[op] * units, columns), 0.01, np.float32))
    return Model(graph)


def choice() -> Model:
    """One operator or another, by a number that is fed: what is run is known only then."""
    graph = Graph(inputs=["x", "number"], outputs=["y"])
    for name, dtype, shape in (("x", "f4", (1,)), ("number", "i4", ()), ("first", "?", ()), ("y", "f4", None)):
        graph.add_value(Value(name, np.dtype(dtype), shape))
    graph.add_constant("one", np.array(1, np.int32))
    branches = {}
    for branch, op in (("then_branch", "Relu"), ("else_branch", "Neg")):
        inner = Graph(outputs=["z"], nodes=[Node(op, ["x"], ["z"])], name=branch)
        inner.add_value(Value("z", np.dtype(np.float32)))
        branches[branch] = inner
    graph.nodes = [Node("Equal", ["number", "one"], ["first"]), Node("If", ["first"], ["y"], branches)]
    return Model(graph)


def _block(element: Element, size: int, inputs: int, outputs: int, activation: str = "Relu") -> Model:
    """Pointwise, depthwise with either stride, and 3x3, with a sum and a pool; functions between them."""
    net = Network(element, 1, size, size, inputs)
    begin = net.conv(inputs, activation=activation)
    net.depthwise(activation=activation)
    net.conv(inputs, activation="")
    net.add(begin)
    net.depthwise(5, activation=activation)
    if element == "f32":
        net.unary("Sigmoid")
        net.prelu()
    if size > 3:
        net.max_pool(3, 2)
    net.conv(outputs, 3, activation=activation)
    net.depthwise(3, 2, activation=activation)
    net.conv(outputs, activation=activation)
    return net.model()


def _stem(element: Element, size: int, channels: int, activation: str = "Relu") -> Model:
    net = Network(element, 1, size, size, 3)
    net.conv(channels, 3, 2, activation=activation)
    net.depthwise(activation=activation)
    net.conv(2 * channels)
    net.concat(net.conv(16, at=net.latest), net.conv(24, 3))
    net.conv(8)
    return net.model()


def _head(element: Element, size: int, inputs: int, middle: int, outputs: int) -> Model:
    net = Network(element, 1, size, size, inputs)
    net.average()
    net.conv(middle)
    net.conv(outputs, activation="")
    net.unary("Softmax")
    return net.model()


def _products(element: Element, rows: int, inputs: int, outputs: int, activation: str = "Relu") -> Model:
    net = Network(element, 1, 1, rows, inputs)
    net.conv(outputs, activation=activation)
    net.conv(inputs, activation="")
    net.unary("Softmax")
    return net.model()


def _vectors(element: Element, inputs: int, outputs: int) -> Model:
    net = Network(element, 1, 1, 1, inputs)
    net.conv(outputs)
    net.conv(outputs)
    net.conv(4, activation="")
    return net.model()


def _series(element: Element, length: int, channels: int, kernel: int) -> Model:
    net = Network(element, 1, length, 1, channels)
    net.conv(channels, (kernel, 1))
    net.conv(2 * channels, (kernel, 1))
    net.depthwise((kernel, 1))
    net.conv(channels)
    return net.model()


def _sound(element: Element) -> Model:
    """A spectrogram's first layers."""
    net = Network(element, 1, 49, 40, 1)
    net.conv(8, (10, 8), 2)
    net.conv(48, (10, 4), 2)
    return net.model()


def _deep(element: Element, size: int, channels: int, depth: int) -> Model:
    """Inverted residuals, each with weights of its own."""
    net = Network(element, 1, size, size, channels)
    for _ in range(depth):
        begin = net.latest
        net.conv(4 * channels)
        net.depthwise()
        net.conv(channels, activation="")
        net.add(begin)
    return net.model()


def _square(element: Element, size: int, channels: int, depth: int) -> Model:
    net = Network(element, 1, size, size, channels)
    for _ in range(depth):
        net.conv(channels, 3)
        net.conv(channels)
    return net.model()
