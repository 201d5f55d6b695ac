"""Conv, ConvTranspose, DepthToSpace and SpaceToDepth."""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial, to_last


@handles("Conv", "ConvTranspose")
def convolution(call: Call) -> None:
    w = call.input(1)
    rank = image_rank(call, call.input(0), w)
    y = convolve(call, call.op, call.input(0), w, call.optional(2), rank)
    finish_first(call, y, rank)


def image_rank(call: Call, x: str, w: str) -> int:
    """Rank of an image and of the weights that are slid over it."""
    for name in (w, x):
        shape = call.value(name).shape
        if shape is not None:
            return len(shape)
    raise Unsupported("neither the rank of its input nor that of its weights is known")


def convolve(call: Call, op: str, x: str, w: str, b: str, rank: int) -> str:
    """The convolution of x (N, C, *spatial) with the weights as ONNX has them; the result is channels-last."""
    attrs = known_attributes(call, op, skip=("kernel_shape", "auto_pad", "pads", "activation", "activation_params"))
    kernel = call.value(w).shape
    if "kernel_shape" in call.attrs and kernel is not None:
        wanted = call.integers("kernel_shape")
        if len(kernel) != rank or any(isinstance(k, int) and k != v for k, v in zip(kernel[2:], wanted, strict=False)):
            raise Unsupported(f"kernel_shape {wanted} does not fit weights of shape {list(kernel)}")
    if rank < 3:
        raise Unsupported(f"weights of rank {rank} have no spatial dimension")
    moved = call.builder.transpose(w, to_last(rank), call.name)
    return spatial(call, op, x, rank, [moved, b], {**attrs, **padding(call)})


def padding(call: Call) -> dict[str, Any]:
    """auto_pad where it is in force, else pads."""
    auto_pad = call.text("auto_pad", "NOTSET")
    if auto_pad not in ("NOTSET", ""):
        return {"auto_pad": auto_pad}
    return {"pads": call.integers("pads")} if "pads" in call.attrs else {}


@handles("DepthToSpace", "SpaceToDepth")
def blocks(call: Call) -> None:
    finish_first(call, spatial(call, call.op, call.input(0), 4, attrs=known_attributes(call, call.op)), 4)
