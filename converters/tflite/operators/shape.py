"""What changes a tensor's shape, or tells it."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator
from ..schema import TENSOR_TYPES, dtype_of


@handles("RESHAPE")
def reshape(op: Operator) -> None:
    """The new shape is an input or, in old files, an option."""
    if op.present(1):
        shape = op.int64_input(1, "shape")
    else:
        wanted = op.option("NewShape")
        shape = op.int64s([] if wanted == [0] else wanted, "shape")
    op.node("Reshape", [op.input(0), shape], [op.output()], allowzero=1)


@handles("SQUEEZE")
def squeeze(op: Operator) -> None:
    """Without axes, every dimension of size 1 goes."""
    axes = op.option("SqueezeDims", [])
    op.node("Squeeze", [op.input(0), op.int64s(axes, "axes")] if axes else [op.input(0)], [op.output()])


@handles("EXPAND_DIMS")
def expand_dims(op: Operator) -> None:
    op.node("Unsqueeze", [op.input(0), op.int64_input(1, "axes")], [op.output()])


@handles("TRANSPOSE")
def transpose(op: Operator) -> None:
    op.node("Transpose", [op.input(0)], [op.output()], perm=op.integers(1, "the permutation"))


@handles("SHAPE")
def shape(op: Operator) -> None:
    """int64 in ONNX, any integer type here."""
    target = op.value(op.output())
    if target.dtype == np.int64:
        op.node("Shape", [op.input(0)], [target.name])
    else:
        op.node("Cast", [op.new("Shape", [op.input(0)], np.int64)], [target.name], to=target.dtype.name)


@handles("RANK")
def rank(op: Operator) -> None:
    dimensions = op.new("Size", [op.new("Shape", [op.input(0)], np.int64)], np.int64)
    op.node("Cast", [dimensions], [op.output()], to=op.value(op.output()).dtype.name)


@handles("BROADCAST_TO")
def broadcast_to(op: Operator) -> None:
    op.node("Expand", [op.input(0), op.int64_input(1, "shape")], [op.output()])


@handles("TILE")
def tile(op: Operator) -> None:
    op.node("Tile", [op.input(0), op.int64_input(1, "repeats")], [op.output()])


@handles("FILL")
def fill(op: Operator) -> None:
    """Inputs: shape, value."""
    op.node("Expand", [op.input(1), op.int64_input(0, "shape")], [op.output()])


@handles("ZEROS_LIKE")
def zeros_like(op: Operator) -> None:
    target = op.value(op.output())
    if target.quant is None:
        zero = op.importer.shared("zero", np.zeros((), target.dtype))
    else:
        zero = op.constant(target.quant.zero_point.astype(target.dtype), "zero", target.quant)
    op.node("Expand", [zero, op.new("Shape", [op.input(0)], np.int64)], [op.output()])


@handles("RANGE")
def range_(op: Operator) -> None:
    op.node("Range", [op.input(0), op.input(1), op.input(2)], [op.output()])


@handles("CAST")
def cast(op: Operator) -> None:
    """Quantized tensors are cast as the integers they are stored as."""
    target = op.value(op.output())
    if target.quant is not None:
        raise op.unsupported("a cast to a quantized tensor is not supported")
    name = op.plain_input(0)
    wanted = dtype_of(TENSOR_TYPES.get(op.option("OutDataType", -1), "")) or target.dtype
    if wanted != target.dtype:
        raise op.error(f"casts to {wanted}, but its output is {target.dtype}")
    op.node("Cast", [name], [op.output()], to=target.dtype.name)
