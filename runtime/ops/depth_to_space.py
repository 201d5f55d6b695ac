"""DepthToSpace and its inverse SpaceToDepth, channels-last: blocks of pixels to channels and back.

mode orders the channels: "DCR" block row, block column, channel (as TFLite does); "CRD" channel, row, column.
"""

from __future__ import annotations

import numpy as np

from .registry import Context, Inferred, Op, register

MODES = ("DCR", "CRD")


def depth_to_space(x: np.ndarray, *, blocksize: int, mode: str = "DCR") -> np.ndarray:
    """(N, H, W, C * blocksize**2) -> (N, H * blocksize, W * blocksize, C)."""
    n, height, width, channels = x.shape
    depth = channels // blocksize**2
    if mode == "DCR":
        blocks = x.reshape(n, height, width, blocksize, blocksize, depth).transpose(0, 1, 3, 2, 4, 5)
    else:
        blocks = x.reshape(n, height, width, depth, blocksize, blocksize).transpose(0, 1, 4, 2, 5, 3)
    return blocks.reshape(n, height * blocksize, width * blocksize, depth)


def space_to_depth(x: np.ndarray, *, blocksize: int, mode: str = "DCR") -> np.ndarray:
    """(N, H * blocksize, W * blocksize, C) -> (N, H, W, C * blocksize**2); ONNX has only mode DCR."""
    n, height, width, channels = x.shape
    blocks = x.reshape(n, height // blocksize, blocksize, width // blocksize, blocksize, channels)
    order = (0, 1, 3, 2, 4, 5) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return blocks.transpose(order).reshape(n, height // blocksize, width // blocksize, channels * blocksize**2)


def check(ctx: Context) -> int:
    """The block size; ModelError on a bad rank, size or mode."""
    x, block = ctx.input(0), ctx.attrs["blocksize"]
    if len(x.shape) != 4:
        raise ctx.error(f"input of shape {x.shape} is not (N, H, W, C)")
    if block < 1:
        raise ctx.error(f"blocksize {block} must be at least 1")
    if ctx.attrs["mode"] not in MODES:
        raise ctx.error(f"mode '{ctx.attrs['mode']}' is neither DCR nor CRD")
    return block


def infer_depth_to_space(ctx: Context) -> list[Inferred]:
    block = check(ctx)
    n, height, width, channels = ctx.input(0).shape
    if channels % block**2:
        raise ctx.error(f"{channels} channels are not a multiple of {block}**2")
    return [((n, height * block, width * block, channels // block**2), ctx.input(0).dtype)]


def infer_space_to_depth(ctx: Context) -> list[Inferred]:
    block = check(ctx)
    n, height, width, channels = ctx.input(0).shape
    if height % block or width % block:
        raise ctx.error(f"{height} x {width} pixels are not a multiple of {block}")
    return [((n, height // block, width // block, channels * block**2), ctx.input(0).dtype)]


register(Op("DepthToSpace", depth_to_space, infer_depth_to_space, rearranges=True))
register(Op("SpaceToDepth", space_to_depth, infer_space_to_depth, rearranges=True))
