"""DEPTH_TO_SPACE, SPACE_TO_DEPTH, SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND."""

from __future__ import annotations

from ..handlers import handles
from ..operator import Operator


@handles("DEPTH_TO_SPACE")
def depth_to_space(op: Operator) -> None:
    op.node("DepthToSpace", [op.input(0)], [op.output()], blocksize=op.option("BlockSize"), mode="DCR")


@handles("SPACE_TO_DEPTH")
def space_to_depth(op: Operator) -> None:
    op.node("SpaceToDepth", [op.input(0)], [op.output()], blocksize=op.option("BlockSize"))


def _sizes(op: Operator) -> tuple[list[int], list[int], list[int], list[int]]:
    """Block size per spatial axis, what is padded or cropped before and after, and the input's sizes behind the
    batch. All but the batch must be known, as blocks cut dimensions in two."""
    blocks, borders = op.integers(1, "the block shape"), op.integers(2, "pads or crops")
    sizes = [size for size in op.shape(0)[1:] if size is not None]
    if len(sizes) != op.rank(0) - 1:
        raise op.unsupported("its spatial dimensions are known only at run time")
    if len(borders) != 2 * len(blocks) or len(blocks) >= op.rank(0) or min(blocks, default=1) < 1:
        raise op.error(f"blocks {blocks} with borders {borders} do not fit a tensor of rank {op.rank(0)}")
    if min(borders, default=0) < 0:
        raise op.error(f"borders {borders} must not be negative")
    return blocks, borders[::2], borders[1::2], sizes


@handles("SPACE_TO_BATCH_ND")
def space_to_batch(op: Operator) -> None:
    """Pads, then (N, H/b b, W/b b, ...) -> (b b N, H/b, W/b, ...)."""
    blocks, before, after, sizes = _sizes(op)
    count, x = len(blocks), op.input(0)
    still = [0] * (len(sizes) - count)
    if any(before) or any(after):
        x = op.new("Pad", [x, op.int64s([0, *before, *still, 0, *after, *still], "pads")], mode="constant")
    padded = [size + b + a for size, b, a in zip(sizes, before, after, strict=False)]
    if any(size % block for size, block in zip(padded, blocks, strict=True)):
        raise op.error(f"padded sizes {padded} are not multiples of the blocks {blocks}")
    outer = [size // block for size, block in zip(padded, blocks, strict=True)]
    cut = [n for pair in zip(outer, blocks, strict=True) for n in pair]
    x = op.new("Reshape", [x, op.int64s([-1, *cut, *sizes[count:]], "cut")])
    inner_axes, outer_axes = [2 + 2 * i for i in range(count)], [1 + 2 * i for i in range(count)]
    rest = list(range(1 + 2 * count, 1 + 2 * count + len(still)))
    x = op.new("Transpose", [x], perm=[*inner_axes, 0, *outer_axes, *rest])
    op.node("Reshape", [x, op.int64s([-1, *outer, *sizes[count:]], "shape")], [op.output()])


@handles("BATCH_TO_SPACE_ND")
def batch_to_space(op: Operator) -> None:
    """(b b N, H, W, ...) -> (N, H b, W b, ...), then crops."""
    blocks, before, after, sizes = _sizes(op)
    count = len(blocks)
    x = op.new("Reshape", [op.input(0), op.int64s([*blocks, -1, *sizes], "cut")])
    woven = [axis for i in range(count) for axis in (count + 1 + i, i)]
    rest = list(range(2 * count + 1, 2 * count + 1 + len(sizes) - count))
    x = op.new("Transpose", [x], perm=[count, *woven, *rest])
    whole = [size * block for size, block in zip(sizes, blocks, strict=False)]
    shape = op.int64s([-1, *whole, *sizes[count:]], "shape")
    if not any(before) and not any(after):
        op.node("Reshape", [x, shape], [op.output()])
        return
    x = op.new("Reshape", [x, shape])
    ends = op.int64s([size - crop for size, crop in zip(whole, after, strict=True)], "ends")
    axes = op.int64s(range(1, count + 1), "axes")
    op.node("Slice", [x, op.int64s(before, "starts"), ends, axes], [op.output()])
