"""What an activation is as ONNX nodes, fused or by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...runtime.errors import ModelError
from ...runtime.ops.activation import AFFINE, CLAMPS
from .writer import Writer

_PLAIN = ("Relu", "HardSwish", "Sigmoid", "Tanh", "Softplus")


def _clip(writer: Writer, x: str, y: str, low: float, high: float, dtype: np.dtype) -> None:
    limits = [
        writer.constant(f"{y}.{what}", np.array(limit, dtype)) if np.isfinite(limit) else ""
        for what, limit in (("min", low), ("max", high))
    ]
    writer.emit("Clip", [x, *limits], [y])


def _silu(writer: Writer, x: str, y: str, alpha: float, dtype: np.dtype) -> None:
    scaled = x
    if alpha != 1:
        scaled = writer.new(f"{y}.scaled")
        writer.emit("Mul", [x, writer.constant(f"{y}.alpha", np.array(alpha, dtype))], [scaled])
    gate = writer.new(f"{y}.gate")
    writer.emit("Sigmoid", [scaled], [gate])
    writer.emit("Mul", [x, gate], [y])


def _affine(writer: Writer, name: str | None, x: str, y: str, scale: float, offset: float, dtype: np.dtype) -> None:
    source = x
    if name is not None:
        source = writer.new(f"{y}.activated")
        activate(writer, name, (), x, source, dtype)
    scaled = writer.new(f"{y}.scaled")
    writer.emit("Mul", [source, writer.constant(f"{y}.scale", np.array(scale, dtype))], [scaled])
    writer.emit("Add", [scaled, writer.constant(f"{y}.offset", np.array(offset, dtype))], [y])


def activate(writer: Writer, name: str, params: Sequence[float], x: str, y: str, dtype: np.dtype) -> None:
    """Nodes that make y of x. name, params: as runtime/ops/activation.py has them, and SiLU's alpha."""
    makers: dict[str, Callable[[], None]] = {
        "LeakyRelu": lambda: writer.emit("LeakyRelu", [x], [y], {"alpha": float((*params, 0.01)[0])}),
        "HardSigmoid": lambda: writer.emit(
            "HardSigmoid", [x], [y], dict(zip(("alpha", "beta"), map(float, params or (0.2, 0.5)), strict=True))
        ),
        "Gelu": lambda: writer.emit("Gelu", [x], [y], {"approximate": "tanh" if any(params) else "none"}),
        "SiLU": lambda: _silu(writer, x, y, (*params, 1.0)[0], dtype),
    }
    if name in _PLAIN:
        writer.emit(name, [x], [y])
    elif name in CLAMPS:
        _clip(writer, x, y, *CLAMPS[name](*params), dtype)
    elif name in AFFINE:
        scale, offset = params
        _affine(writer, AFFINE[name], x, y, scale, offset, dtype)
    elif name in makers:
        makers[name]()
    else:
        raise ModelError(f"the fused activation {name} has no form in ONNX")
