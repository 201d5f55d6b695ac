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
    if op.tensor(0).complex:
        shape = op.new("Concat", [shape, op.int64s([2], "pair")], axis=0)
    op.node("Reshape", [op.input(0, pairs=True), shape], [op.output(pairs=True)], allowzero=1)


@handles("SQUEEZE")
def squeeze(op: Operator) -> None:
    """Without axes, every dimension of size 1 goes."""
    axes = [op.axis(axis, op.rank(0)) for axis in op.option("SqueezeDims", [])]
    x = op.input(0, pairs=True)
    op.node("Squeeze", [x, op.int64s(axes, "axes")] if axes else [x], [op.output(pairs=True)])


@handles("EXPAND_DIMS")
def expand_dims(op: Operator) -> None:
    if op.tensor(0).complex:
        axes = [op.axis(axis, op.rank(0) + 1) for axis in op.integers(1, "the axis")]
        op.node("Unsqueeze", [op.input(0, pairs=True), op.int64s(axes, "axes")], [op.output(pairs=True)])
        return
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
    """Quantized tensors are cast as the integers they are stored as. Of complex numbers the real part is left."""
    target = op.value(op.output())
    if target.quant is not None:
        raise op.unsupported("a cast to a quantized tensor is not supported")
    if op.tensor(0).complex:
        real = op.constant(np.array(0, np.int64), "part")
        name = op.new("Gather", [op.input(0, pairs=True), real], axis=-1)
    else:
        name = op.plain_input(0)
    wanted = dtype_of(TENSOR_TYPES.get(op.option("OutDataType", -1), "")) or target.dtype
    if wanted != target.dtype:
        raise op.error(f"casts to {wanted}, but its output is {target.dtype}")
    op.node("Cast", [name], [op.output()], to=target.dtype.name)


@handles("BROADCAST_ARGS")
def broadcast_args(op: Operator) -> None:
    """The shape that two shapes broadcast to."""
    sizes = [op.shape(position)[0] if op.rank(position) == 1 else None for position in (0, 1)]
    if None in sizes:
        raise op.unsupported("how many dimensions its shapes have is known only at run time")
    one, rank = op.int64s([1], "one"), max(size or 0 for size in sizes)
    fill, padded = op.importer.shared("one", np.ones((), np.int64)), []
    for position, size in enumerate(sizes):
        pads = op.int64s([rank - (size or 0), 0], "pads")
        padded.append(op.new("Pad", [op.int64_input(position, "shape"), pads, fill]))
    a, b = padded
    wanted = op.new("Where", [op.new("Equal", [a, one], bool), b, a], np.int64)
    op.node("Cast", [wanted], [op.output()], to=op.value(op.output()).dtype.name)
