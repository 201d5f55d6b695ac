"""The networks that published measurements are of, by the names that ncnn's benchmark gives them."""

from __future__ import annotations

from collections.abc import Callable

from ...runtime.model import Model
from .network import Element, Network


def mobilenet_v1(element: Element, size: int = 224, width: float = 1.0) -> Model:
    """Howard et al., "MobileNets" (2017), table 1."""
    net = Network(element, 1, size, size, 3)
    net.conv(_wide(32, width), 3, 2)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    for channels, stride in plan:
        net.depthwise(3, stride)
        net.conv(_wide(channels, width))
    net.average()
    net.conv(1000, activation="")
    return net.model()


def mobilenet_v2(element: Element, width: float = 1.0) -> Model:
    """Sandler et al., "MobileNetV2" (2018), table 2."""
    net = Network(element, 1, 224, 224, 3)
    channels = _wide(32, width)
    net.conv(channels, 3, 2)
    plan = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, plain, repeats, first in plan:
        for i in range(repeats):
            outputs, begin = _wide(plain, width), net.latest
            if expansion > 1:
                net.conv(expansion * channels)
            net.depthwise(3, first if i == 0 else 1)
            net.conv(outputs, activation="")
            if i > 0:
                net.add(begin)
            channels = outputs
    net.conv(max(1280, _wide(1280, width)))
    net.average()
    net.conv(1000, activation="")
    return net.model()


def squeezenet(element: Element) -> Model:
    """SqueezeNet 1.1: Iandola et al. (2016), as its authors changed it later."""
    net = Network(element, 1, 227, 227, 3)
    net.conv(64, 3, 2)
    net.max_pool()
    for narrow, wide, pooled in [
        (16, 64, False), (16, 64, True), (32, 128, False), (32, 128, True),
        (48, 192, False), (48, 192, False), (64, 256, False), (64, 256, False),
    ]:  # fmt: skip
        squeezed = net.conv(narrow)
        net.concat(net.conv(wide, at=squeezed), net.conv(wide, 3, at=squeezed))
        if pooled:
            net.max_pool()
    net.conv(1000)
    net.average()
    return net.model()


def resnet18(element: Element) -> Model:
    """He et al., "Deep Residual Learning" (2015), table 1."""
    net = _resnet_stem(element)
    for channels, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for i in range(2):
            begin, step = net.latest, stride if i == 0 else 1
            net.conv(channels, 3, step)
            net.conv(channels, 3, activation="")
            net.add_shortcut(begin, step)
    net.average()
    net.conv(1000, activation="")
    return net.model()


def resnet50(element: Element) -> Model:
    """As `resnet18`, with bottlenecks."""
    net = _resnet_stem(element)
    for channels, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for i in range(repeats):
            begin, step = net.latest, stride if i == 0 else 1
            net.conv(channels)
            net.conv(channels, 3, step)
            net.conv(4 * channels, activation="")
            net.add_shortcut(begin, step)
    net.average()
    net.conv(1000, activation="")
    return net.model()


def kws(element: Element) -> Model:
    """MLPerf Tiny's keyword spotting: a depthwise separable CNN on 49 x 10 coefficients."""
    net = Network(element, 1, 49, 10, 1)
    net.conv(64, (10, 4), 2)
    for _ in range(4):
        net.depthwise()
        net.conv(64)
    net.average()
    net.conv(12, activation="")
    return net.model()


def resnet8(element: Element) -> Model:
    """MLPerf Tiny's image classification."""
    net = Network(element, 1, 32, 32, 3)
    net.conv(16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        begin = net.latest
        net.conv(channels, 3, stride)
        net.conv(channels, 3, activation="")
        net.add_shortcut(begin, stride)
    net.average()
    net.conv(10, activation="")
    return net.model()


def anomaly(element: Element) -> Model:
    """MLPerf Tiny's anomaly detection: an autoencoder of fully connected layers."""
    net = Network(element, 1, 1, 1, 640)
    for channels in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.conv(channels)
    net.conv(640, activation="")
    return net.model()


def _resnet_stem(element: Element) -> Network:
    net = Network(element, 1, 224, 224, 3)
    net.conv(64, 7, 2)
    net.max_pool()
    return net


def _wide(channels: int, width: float) -> int:
    """A multiple of 8 near it, as the papers' own code rounds."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


NETWORKS: dict[str, Callable[[Element], Model]] = {
    "mobilenet": mobilenet_v1,
    "mobilenet_v1_025_128": lambda element: mobilenet_v1(element, 128, 0.25),
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v2_14": lambda element: mobilenet_v2(element, 1.4),
    "squeezenet": squeezenet,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "kws": kws,
    "resnet8": resnet8,
    "vww": lambda element: mobilenet_v1(element, 96, 0.25),
    "anomaly": anomaly,
}
