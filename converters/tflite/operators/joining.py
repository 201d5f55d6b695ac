"""CONCATENATION, PACK, UNPACK, SPLIT, SPLIT_V."""

from __future__ import annotations

from ..handlers import handles
from ..operator import Operator


@handles("CONCATENATION")
def concatenation(op: Operator) -> None:
    inputs = [op.input(position) for position in range(op.input_count)]
    op.finish("Concat", inputs, axis=op.axis(op.option("Axis"), op.rank(0)))


@handles("PACK")
def pack(op: Operator) -> None:
    """Each input gets the new axis, along which they are joined."""
    axis = op.axis(op.option("Axis", 0), op.rank(0) + 1)
    axes = op.int64s([axis], "axes")
    parts = [op.new("Unsqueeze", [op.input(position), axes]) for position in range(op.input_count)]
    op.node("Concat", parts, [op.output()], axis=axis)


@handles("UNPACK")
def unpack(op: Operator) -> None:
    axis = op.axis(op.option("Axis", 0), op.rank(0))
    count = len(op.record.outputs)
    size = op.shape(0)[axis]
    if size is not None and size != count:
        raise op.error(f"unpacks {size} slices into {count} outputs")
    axes, source = op.int64s([axis], "axes"), op.value(op.input(0))
    parts = [op.temporary("slice", source.dtype, source.quant) for _ in range(count)]
    op.node("Split", [op.input(0)], parts, axis=axis, num_outputs=count)
    for position, part in enumerate(parts):
        op.node("Squeeze", [part, axes], [op.output(position)])


@handles("SPLIT")
def split(op: Operator) -> None:
    """Inputs: axis, data. Equal parts."""
    axis = op.axis(op.integer(0, "the axis"), op.rank(1))
    outputs = [op.output(position) for position in range(len(op.record.outputs))]
    size = op.shape(1)[axis]
    if size is not None and size % len(outputs):
        raise op.error(f"cannot split {size} elements into {len(outputs)} equal parts")
    op.node("Split", [op.input(1)], outputs, axis=axis, num_outputs=len(outputs))


@handles("SPLIT_V")
def split_v(op: Operator) -> None:
    """Inputs: data, sizes, axis. One size may be -1: what the others leave."""
    axis = op.axis(op.integer(2, "the axis"), op.rank(0))
    sizes, whole = op.integers(1, "the sizes"), op.shape(0)[axis]
    outputs = [op.output(position) for position in range(len(op.record.outputs))]
    if len(sizes) != len(outputs) or sum(size < 0 for size in sizes) > 1:
        raise op.error(f"sizes {sizes} do not fit {len(outputs)} outputs")
    if min(sizes, default=0) < 0:
        if whole is None:
            raise op.unsupported("one of its sizes depends on a dynamic dimension")
        left = whole - sum(size for size in sizes if size >= 0)
        sizes = [left if size < 0 else size for size in sizes]
    op.node("Split", [op.input(0), op.int64s(sizes, "sizes")], outputs, axis=axis)
