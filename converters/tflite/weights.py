"""Weights and biases of convolutions and matrix products, in the layout and dtype that the graph wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.graph import Quantization
from .importer import permuted
from .operator import Operator

INT32_MAX = int(np.iinfo(np.int32).max)


def weights(op: Operator, position: int, data: str, perm: Sequence[int], hint: str) -> str:
    """The weights at this input, their axes permuted, fit to multiply the Value `data`.

    Constants are permuted as they are stored, whatever their dtype; where `data` is float and they are not (float16,
    or int8 of a hybrid model), a node behind the constant makes them float32.
    """
    name = _permuted(op, position, perm, hint)
    value, other = op.value(name), op.value(data)
    if other.quant is None and value.dtype != other.dtype:
        name = op.real(name)
    elif other.quant is not None and value.quant is None:
        raise op.unsupported(f"its input is quantized but the weights '{name}' are {value.dtype} without a scale")
    return name


def _permuted(op: Operator, position: int, perm: Sequence[int], hint: str) -> str:
    record = op.tensor(position)
    if len(record.shape) != len(perm):
        raise op.error(f"weights '{record.name}' have {len(record.shape)} dimensions, not {len(perm)}")
    if record.data is not None:
        return op.importer.rearranged(record, perm, hint)
    stored = op.importer.dequantized_from(record.index)
    if stored is not None and stored.shape == record.shape:
        return op.real(op.importer.rearranged(stored, perm, hint))
    if list(perm) == list(range(len(perm))):
        return op.input(position)
    name = op.new("Transpose", [op.input(position)], perm=list(perm))
    op.value(name).quant = permuted(op.value(name).quant, perm)
    return name


def bias(op: Operator, position: int, data: str, weight: str) -> str:
    """The bias at this input, one number per output channel; the empty string where it is absent.

    For quantized operators it is int32 with the scale of the accumulator, also where the file has int64, as it does for
    16-bit data.
    """
    if not op.present(position):
        return ""
    name = op.input(position)
    value = op.value(name)
    if value.shape is not None and len(value.shape) != 1:
        name = op.new("Reshape", [name, op.int64s([-1], "flat")]) if value.data is None else _flat(op, name)
        value = op.value(name)
    x, w = op.value(data).quant, op.value(weight).quant
    if x is None:
        return name if value.dtype == op.value(data).dtype else op.real(name)
    if value.dtype == np.int64 and value.data is not None and (np.abs(value.data) <= INT32_MAX).all():
        name = op.constant(value.data.astype(np.int32), "bias")
        value = op.value(name)
    if w is None or value.dtype != np.int32:
        raise op.unsupported(f"its input is quantized but the bias '{name}' is {value.dtype} and not within int32")
    scale = (x.scale * w.scale).astype(np.float32)
    value.quant = Quantization(scale, np.zeros(len(scale), np.int32), 0 if len(scale) > 1 else None)
    return name


def _flat(op: Operator, name: str) -> str:
    data = op.graph.constant(name)
    return name if data is None else op.constant(data.reshape(-1), "bias")
