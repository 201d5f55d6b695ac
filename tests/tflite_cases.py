"""Shared by the tests of quantized arithmetic: one operator by LiteRT and by `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from millijoule.runtime.evaluate.reference import evaluate
from millijoule.runtime.graph import Node, Quantization
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.registry import Tensor


@dataclass(frozen=True)
class Quantized:
    """A tensor of the model. data None: an input of it. scale None: plain integers."""

    shape: tuple[int, ...]
    scale: float | Sequence[float] | np.ndarray | None
    zero_point: int = 0
    axis: int = 0
    data: np.ndarray | None = None
    dtype: type = np.int8

    @property
    def quant(self) -> Quantization:
        scale = np.atleast_1d(np.asarray(self.scale, np.float32))
        points = np.full(scale.shape, self.zero_point, np.int32)
        return Quantization(scale, points, self.axis if scale.size > 1 else None)


def run_litert(
    kind: str,
    inputs: Sequence[Quantized],
    output: Quantized,
    options: tuple[str, dict[str, Any]] | None,
    *feeds: np.ndarray,
) -> np.ndarray:
    """What LiteRT's default kernels make of a model of one operator; feeds: of the inputs without data."""
    pytest.importorskip("ai_edge_litert.interpreter")
    from tflite_builder import Model, Operator, Tensor, run_litert

    tensors = []
    for index, item in enumerate((*inputs, output)):
        scale = None if item.scale is None else np.atleast_1d(item.scale).tolist()
        dtype = np.dtype(item.dtype).name
        tensors.append(Tensor(f"t{index}", item.shape, dtype, item.data, scale, item.zero_point, item.axis))
    count = len(inputs)
    operator = Operator(kind, range(count), [count], options)
    fed = [index for index, item in enumerate(inputs) if item.data is None]
    return run_litert(Model(tensors, [operator], fed, [count]), feeds)[0]


def run_quantized(
    op: str, inputs: Sequence[Quantized | np.ndarray | None], output: Quantized, **attrs: Any
) -> np.ndarray:
    """One node by `evaluate`; an array among the inputs has no quantization."""
    tensors, arrays = [], []
    for index, item in enumerate(inputs):
        data = item.data if isinstance(item, Quantized) else item
        quant = item.quant if isinstance(item, Quantized) else None
        tensors.append(None if data is None else Tensor(f"x{index}", data.shape, data.dtype, quant, data))
        arrays.append(data)
    names = ["" if tensor is None else tensor.name for tensor in tensors]
    step = infer_node(Node(op, names, ["y"], attrs, "tested"), tensors)
    step.ctx.outputs[0].quant = output.quant
    (found,) = evaluate(step.op, step.ctx, arrays)
    assert (found.shape, found.dtype) == (step.ctx.outputs[0].shape, step.ctx.outputs[0].dtype)
    return found
