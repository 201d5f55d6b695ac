"""The example's network: depthwise-separable blocks, batch norm and ReLU, with residual additions."""

from __future__ import annotations

import torch
from torch import nn


def norm_relu(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


class SeparableBlock(nn.Module):
    """Depthwise 3x3, then pointwise; adds its input where the shapes allow it."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False), *norm_relu(channels)
        )
        self.pointwise = nn.Sequential(nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
        self.residual = stride == 1 and channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.pointwise(self.depthwise(x))
        return torch.relu(x + y if self.residual else y)


class FashionNet(nn.Module):
    """(N, 1, 28, 28) -> (N, 10) scores, not normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, 1, 1, bias=False), *norm_relu(32))
        self.blocks = nn.Sequential(
            SeparableBlock(32, 32, 1),
            SeparableBlock(32, 64, 2),
            SeparableBlock(64, 64, 1),
            SeparableBlock(64, 96, 2),
            SeparableBlock(96, 96, 1),
            SeparableBlock(96, 96, 1),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classify = nn.Linear(96, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.classify(self.pool(self.blocks(self.stem(x))).flatten(1))
        return scores
