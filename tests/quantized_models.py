"""Small float networks, as ONNX files, that quantizers have to cope with, and samples for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx_models import model_of, node

import millijoule as mj

SIZE, CLASSES = 8, 4
IMAGE = (1, 3, SIZE, SIZE)


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Kaiming's, so that activations keep their size."""
    return (rng.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)


def convolutional(seed: int = 0, spread: float = 1.0) -> tuple[list[onnx.NodeProto], dict[str, Any]]:
    """Convolution, depthwise convolution with Relu6, shortcut, mean, matrix product. spread: the ratio of the largest
    to the smallest channel of the depthwise layer's weights, which the layer behind it makes up for."""
    rng = np.random.default_rng(seed)
    ratio = (np.geomspace(1, spread, 8) / np.sqrt(spread)).astype(np.float32)
    constants = {
        "w1": weights(rng, 8, 3, 3, 3),
        "b1": rng.standard_normal(8).astype(np.float32) * 0.1,
        "w2": weights(rng, 8, 1, 3, 3) * ratio[:, None, None, None],
        "b2": rng.standard_normal(8).astype(np.float32) * 0.1 * ratio,
        "w3": weights(rng, 8, 8, 1, 1) / ratio[None, :, None, None],
        "w4": weights(rng, CLASSES, 8),
        "zero": np.float32(0),
        "six": np.float32(6),
    }
    nodes = [
        node("Conv", "x w1 b1", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("Conv", "r1 w2 b2", "c2", pads=[1, 1, 1, 1], group=8),
        node("Clip", "c2 zero six", "r2") if spread == 1 else node("Relu", "c2", "r2"),
        node("Conv", "r2 w3", "c3"),
        node("Add", "r1 c3", "sum"),
        node("GlobalAveragePool", "sum", "mean"),
        node("Flatten", "mean", "flat"),
        node("Gemm", "flat w4", "scores", transB=1),
    ]
    return nodes, constants


def save(
    path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Any], outputs: str = "scores", shape: Any = IMAGE
) -> Path:
    onnx.save(model_of(nodes, {"x": (shape, "float32")}, outputs, constants), path)
    return path


def images(count: int, seed: int = 1, shape: tuple[int, ...] = IMAGE[1:]) -> np.ndarray:
    """float32 (count, *shape): smooth patterns of different brightness, as noise alone means the same everywhere;
    within -2..2, as pixels are within limits."""
    rng = np.random.default_rng(seed)
    found = rng.standard_normal((count, *shape)).cumsum(-1) * 0.3 + rng.standard_normal((count, *[1] * len(shape)))
    return (2 * np.tanh(found)).astype(np.float32)


def run(model: Any, x: np.ndarray, name: str = "scores") -> np.ndarray:
    """The output for each sample, (samples, elements)."""
    with mj.load(model) as session:
        return np.concatenate([session.run({"x": each[None]})[name].reshape(1, -1) for each in x])


def sqnr(wanted: np.ndarray, found: np.ndarray) -> float:
    """In dB."""
    return float(10 * np.log10(np.square(wanted).sum() / np.square(wanted - found).sum()))
