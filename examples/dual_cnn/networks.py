"""For each data set a large CNN and a pool of small ones that differ in kind, none above a quarter of its MACs.

Every network ends in ten scores, not normalised, and consists of what int8 runtimes have kernels for: convolutions,
batch norm (folded on export), ReLU, max and average pooling, additions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import nn

CLASSES = 10
TINY_PARAMETERS = 14_862
"""What "tiny" may have: the size of the network in Isong, Efficient Lightweight CNN Models (arXiv 2501.15547)."""


def conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Sequential:
    """A convolution that keeps the size (but for the stride), then batch norm."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Added(nn.Module):
    """body(x) + shortcut(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        added: torch.Tensor = self.body(x) + self.shortcut(x)
        return added


def head(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]


def plain(channels: int, stages: Sequence[Sequence[int]]) -> nn.Module:
    """VGG: 3x3 convolutions, one stage after another with 2x2 max pooling between them. stages: output channels of each
    convolution of each stage."""
    layers: list[nn.Module] = []
    for number, stage in enumerate(stages):
        layers += [nn.MaxPool2d(2)] if number else []
        for outputs in stage:
            layers += [conv(channels, outputs), nn.ReLU()]
            channels = outputs
    return nn.Sequential(*layers, *head(channels))


def block(channels: int) -> list[nn.Module]:
    """Two 3x3 convolutions and what they were given."""
    return [Added(nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))), nn.ReLU()]


def pooled(channels: int, widths: Sequence[int]) -> nn.Module:
    """ResNet-9's kind: a 3x3 convolution for each of four widths, with 2x2 max pooling before the third and around the
    fourth, and a residual block behind the third and behind the last pooling."""
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise([channels, *widths])):
        layers += [nn.MaxPool2d(2)] if number in (2, 3) else []
        layers += [conv(inputs, outputs), nn.ReLU()]
        layers += block(outputs) if number == 2 else []
    return nn.Sequential(*layers, nn.MaxPool2d(2), *block(widths[-1]), *head(widths[-1]))


def residual(channels: int, width: int, blocks: int) -> nn.Module:
    """ResNet of 6 * blocks + 2 layers in He et al.'s form for CIFAR-10; a 1x1 convolution where the shape changes."""
    layers: list[nn.Module] = [conv(channels, width), nn.ReLU()]
    inputs = width
    for stage in range(3):
        outputs = width << stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            body = nn.Sequential(conv(inputs, outputs, stride=stride), nn.ReLU(), conv(outputs, outputs))
            changes = stride != 1 or inputs != outputs
            layers += [Added(body, conv(inputs, outputs, 1, stride) if changes else None), nn.ReLU()]
            inputs = outputs
    return nn.Sequential(*layers, *head(inputs))


def mobile(channels: int, stem: int, blocks: Sequence[tuple[int, int, int]], last: int) -> nn.Module:
    """MobileNetV2: inverted residuals with linear bottlenecks. blocks: expansion, output channels, stride."""
    layers: list[nn.Module] = [conv(channels, stem), nn.ReLU()]
    inputs = stem
    for expansion, outputs, stride in blocks:
        middle = inputs * expansion
        widened = [conv(inputs, middle, 1), nn.ReLU()] if expansion > 1 else []
        depthwise = [conv(middle, middle, 3, stride, groups=middle), nn.ReLU()]
        body = nn.Sequential(*widened, *depthwise, conv(middle, outputs, 1))
        layers.append(Added(body) if stride == 1 and inputs == outputs else body)
        inputs = outputs
    return nn.Sequential(*layers, conv(inputs, last, 1), nn.ReLU(), *head(last))


def mixer(channels: int, width: int, depth: int) -> nn.Module:
    """ConvMixer: 2x2 patches, then at one resolution throughout depthwise 3x3 convolutions, dilated by 1, 2 and 3 in
    turn, that mix places, and 1x1 convolutions that mix channels."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    for block in range(depth):
        places = nn.Sequential(conv(width, width, groups=width, dilation=1 + block % 3), nn.ReLU())
        layers += [Added(places), conv(width, width, 1), nn.ReLU()]
    return nn.Sequential(*layers, *head(width))


def separable(channels: int, widths: Sequence[int], strides: Sequence[int]) -> nn.Module:
    """MobileNetV1: depthwise 3x3 and 1x1 in turn, with few parameters. strides: of each depthwise convolution."""
    layers: list[nn.Module] = [conv(channels, widths[0]), nn.ReLU()]
    for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
        layers += [conv(inputs, inputs, 3, stride, groups=inputs), nn.ReLU(), conv(inputs, outputs, 1), nn.ReLU()]
    return nn.Sequential(*layers, *head(widths[-1]))


NETWORKS: dict[str, dict[str, Callable[[], nn.Module]]] = {
    "fashion_mnist": {
        "large": partial(residual, 1, 32, 3),
        "plain": partial(plain, 1, [[16, 16], [32, 32], [64, 64]]),
        "residual": partial(residual, 1, 16, 2),
        "mobile": partial(mobile, 1, 16, [(1, 16, 1), (4, 24, 2), (4, 24, 1), (4, 40, 2), (4, 40, 1)], 128),
        "mixer": partial(mixer, 1, 64, 6),
        "tiny": partial(separable, 1, [20, 32, 48, 64, 64], [2, 1, 2, 1]),
        "broad": partial(plain, 1, [[16, 32], [64, 64], [96, 96]]),
    },
    "cifar10": {
        "large": partial(residual, 3, 32, 3),
        "plain": partial(plain, 3, [[16, 32], [64, 64], [128, 128]]),
        "residual": partial(residual, 3, 16, 2),
        "mobile": partial(
            mobile, 3, 16, [(1, 16, 1), (4, 24, 1), (4, 32, 2), (4, 32, 1), (4, 48, 2), (4, 48, 1), (4, 48, 1)], 192
        ),
        "mixer": partial(mixer, 3, 80, 8),
        "tiny": partial(separable, 3, [16, 32, 48, 64, 64], [2, 1, 2, 1]),
        "pooled": partial(pooled, 3, [16, 32, 64, 128]),
        "narrow": partial(pooled, 3, [16, 24, 48, 96]),
    },
}
"""Data set -> network -> what builds it, untrained. In the order of training: the others learn from "large"."""


def parameters(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def multiply_adds(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Of the convolutions and fully connected layers, for one image of `shape` (channels, rows, columns)."""
    counted: list[int] = []

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        counted.append(layer.weight[0].numel() * output.numel())

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        network.eval()(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return sum(counted)
