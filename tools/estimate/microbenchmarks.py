"""Small networks that are timed step by step to learn what kinds of kernels cost on this computer."""

from __future__ import annotations

from collections.abc import Iterator

from ...runtime.model import Model
from .network import Element, Network

SHAPES = ((48, 8, 16), (24, 32, 32), (28, 96, 40), (14, 64, 64), (14, 192, 64), (7, 160, 320), (7, 64, 256))
"""(size of the image, channels in, channels out): what small networks are made of."""


def networks() -> Iterator[Model]:
    for element in ("f32", "i8"):
        for size, inputs, outputs in SHAPES:
            yield _block(element, size, inputs, outputs)
        yield _stem(element)
        yield _head(element)


def _block(element: Element, size: int, inputs: int, outputs: int) -> Model:
    """Pointwise, depthwise with either stride, and 3x3, with a sum and a pool; functions between them."""
    net = Network(element, 1, size, size, inputs)
    begin = net.conv(inputs)
    net.depthwise()
    net.conv(inputs, relu=False)
    net.add(begin)
    net.depthwise(5)
    if element == "f32":
        net.unary("Sigmoid")
    net.max_pool(3, 2)
    net.conv(outputs, 3)
    net.depthwise(3, 2)
    net.conv(outputs)
    return net.model()


def _stem(element: Element) -> Model:
    net = Network(element, 1, 96, 96, 3)
    net.conv(8, 3, 2)
    net.depthwise()
    net.conv(16)
    net.concat(net.conv(16, at=net.latest), net.conv(24, 3))
    return net.model()


def _head(element: Element) -> Model:
    net = Network(element, 1, 7, 7, 256)
    net.average()
    net.conv(128)
    net.conv(10, relu=False)
    net.unary("Softmax")
    return net.model()
