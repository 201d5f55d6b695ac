"""TensorRecord -> Value: dtype, shape, quantization. Inside the graph quantized tensors are int8."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.graph import Dim, Quantization, Value
from .records import ModelRecord, TensorRecord

BATCH = "batch"
UINT8_SHIFT = 128
"""uint8 q becomes int8 q - 128, and so does its zero point."""


def quantized(record: TensorRecord) -> bool:
    """Whether the tensor stands for real numbers in 8 bits, or in 16 as activations of 16x8 models do."""
    return record.scale is not None and record.dtype in (np.int8, np.uint8, np.int16)


def problem(record: TensorRecord) -> str:
    """Why no Value can stand for this tensor; empty where one can."""
    if record.problem:
        return record.problem
    if record.dtype is None:
        return f"holds {record.type_name} elements"
    if record.data is not None or record.scale is None:
        return ""
    if quantized(record) and len(record.scale) > 1:
        return "is an activation with a scale per channel"
    return ""


def quantization(model: ModelRecord, record: TensorRecord, shift: int = 0) -> Quantization | None:
    """The quantization of such a tensor, its zero point moved down by shift; None where it has none.

    ModelError where the zero point lies outside the dtype, or there is not one scale per index of the axis.
    """
    if not quantized(record) or record.scale is None or record.zero_point is None or record.dtype is None:
        return None
    limits = np.iinfo(record.dtype)
    if (record.zero_point < limits.min).any() or (record.zero_point > limits.max).any():
        raise model.error(f"tensor '{record.name}' has a zero point outside {record.dtype}")
    axis = None
    if len(record.scale) > 1:
        axis = record.axis
        if record.shape[axis] != len(record.scale):
            raise model.error(f"tensor '{record.name}' of shape {record.shape} has {len(record.scale)} scales")
    return Quantization(record.scale, (record.zero_point - shift).astype(np.int32), axis)


def constant(model: ModelRecord, record: TensorRecord, data: np.ndarray, name: str) -> Value:
    """A constant Value of a tensor. data: quantized uint8 is shifted to int8."""
    if not quantized(record):
        return Value(name, data.dtype, data.shape, None, data)
    shift = UINT8_SHIFT if record.dtype == np.uint8 else 0
    return Value(name, data.dtype, data.shape, quantization(model, record, shift), data)


def batch_size(model: ModelRecord) -> int | None:
    """The stored size of the first dimension where that of every input is dynamic and they agree: it is the batch."""
    inputs = [model.tensors[index] for index in model.inputs]
    sizes = {record.sizes[0] if record.shape and record.shape[0] is None else None for record in inputs}
    return sizes.pop() if len(sizes) == 1 else None


def symbols(model: ModelRecord, record: TensorRecord, name: str) -> tuple[Dim, ...]:
    """The shape of an input or output with its dynamic dimensions by name: "batch", others after tensor and axis."""
    batch = batch_size(model)
    shape: list[Dim] = [f"{name}_{axis}" if size is None else size for axis, size in enumerate(record.shape)]
    # An output with another stored size is not one entry for each of the batch's.
    if record.shape and record.shape[0] is None and record.sizes[0] == batch:
        shape[0] = BATCH
    return tuple(shape)


def default_sizes(model: ModelRecord, names: Sequence[str]) -> dict[str, int]:
    """The stored size of every dynamic dimension of the inputs: what LiteRT allocates for at first. names: of all
    tensors."""
    found: dict[str, int] = {}
    for index in model.inputs:
        record = model.tensors[index]
        sized = zip(symbols(model, record, names[index]), record.sizes, strict=True)
        found |= {symbol: size for symbol, size in sized if isinstance(symbol, str) and size}
    return found


def variable(model: ModelRecord, record: TensorRecord, name: str, public: bool) -> Value:
    """An input, output or intermediate tensor. Public ones keep uint8 and name their dynamic dimensions; of the others
    a dynamic shape is left to be inferred. Complex numbers are pairs of real ones in a dimension more."""
    dtype = record.dtype if record.dtype is not None else np.dtype(np.float32)
    shift = 0 if public or dtype != np.uint8 or not quantized(record) else UINT8_SHIFT
    shape = symbols(model, record, name) if public or not record.dynamic else None
    if record.complex and shape is not None:
        shape = (*shape, 2)
    return Value(name, np.dtype(np.int8) if shift else dtype, shape, quantization(model, record, shift))
