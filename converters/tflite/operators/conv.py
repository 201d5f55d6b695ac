"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, CONV_3D, CONV_3D_TRANSPOSE and MediaPipe's Convolution2DTransposeBias."""

from __future__ import annotations

import struct

from ..handlers import handles
from ..operator import Operator
from ..schema import PADDINGS
from ..weights import bias, weights

_AUTO_PAD = {"SAME": "SAME_UPPER", "VALID": "VALID"}

AS_STORED = (0, 1, 2, 3)
TAPS_LAST = (3, 1, 2, 0)
"""(1, H, W, O) -> (O, H, W, 1) for depthwise weights, (O, H, W, C) -> (C, H, W, O) for transposed convolutions."""
FILTERS_FIRST = (4, 0, 1, 2, 3)
"""(D, H, W, C, O) -> (O, D, H, W, C), and for transposed convolutions (D, H, W, O, C) -> (C, D, H, W, O)."""


def auto_pad(op: Operator, code: int) -> str:
    name = PADDINGS.get(code, "")
    if name not in _AUTO_PAD:
        raise op.error(f"padding {code} is neither SAME nor VALID")
    return _AUTO_PAD[name]


def strides(op: Operator, sides: str = "HW") -> list[int]:
    return [op.option(f"Stride{side}") for side in sides]


def dilations(op: Operator, sides: str = "HW") -> list[int]:
    return [op.option(f"Dilation{side}Factor", 1) for side in sides]


@handles("CONV_2D")
def conv_2d(op: Operator) -> None:
    """Weights (O, H, W, C)."""
    _conv(op, weights(op, 1, op.input(0), AS_STORED, "weights"), op.shape(1)[-1], "HW")


@handles("CONV_3D")
def conv_3d(op: Operator) -> None:
    """Weights (D, H, W, C, O)."""
    _conv(op, weights(op, 1, op.input(0), FILTERS_FIRST, "odhwc"), op.shape(1)[-2], "DHW")


def _conv(op: Operator, w: str, per_group: int | None, sides: str) -> None:
    x = op.input(0)
    channels = op.shape(0)[-1] if op.rank(0) else None
    if channels is None or not per_group or channels % per_group:
        raise op.error(f"weights of shape {op.shape(1)} do not fit an input of shape {op.shape(0)}")
    op.finish(
        "Conv",
        [x, w, *_bias(op, 2, x, w)],
        strides=strides(op, sides),
        dilations=dilations(op, sides),
        group=channels // per_group,
        auto_pad=auto_pad(op, op.option("Padding")),
    )


@handles("DEPTHWISE_CONV_2D")
def depthwise_conv_2d(op: Operator) -> None:
    x = op.input(0)
    w = weights(op, 1, x, TAPS_LAST, "ohw1")
    channels, outputs = op.shape(0)[-1] if op.rank(0) else None, op.shape(1)[-1]
    if not channels or outputs is None or outputs % channels or op.shape(1)[0] != 1:
        raise op.error(f"weights of shape {op.shape(1)} do not fit an input of shape {op.shape(0)}")
    op.finish(
        "Conv",
        [x, w, *_bias(op, 2, x, w)],
        strides=strides(op),
        dilations=dilations(op),
        group=channels,
        auto_pad=auto_pad(op, op.option("Padding")),
    )


def _bias(op: Operator, position: int, x: str, w: str) -> list[str]:
    name = bias(op, position, x, w)
    return [name] if name else []


@handles("TRANSPOSE_CONV")
def transpose_conv(op: Operator) -> None:
    """Inputs: the output's shape, weights (O, H, W, C), data, and bias where there is one."""
    _transposed(op, 2, 1, 3, op.option("Padding"), strides(op))


@handles("CUSTOM Convolution2DTransposeBias")
def convolution_2d_transpose_bias(op: Operator) -> None:
    """MediaPipe's operator. Inputs: data, weights (O, H, W, C), bias. Its options are TransposeConv's as a C struct:
    padding, horizontal and vertical stride, each int32, where padding 1 is SAME and 2 is VALID."""
    if len(op.record.custom_options) < 12:
        raise op.error(f"its options take {len(op.record.custom_options)} bytes instead of 12")
    padding, stride_w, stride_h = struct.unpack_from("<3i", op.record.custom_options)
    _transposed(op, 0, 1, 2, padding - 1, [stride_h, stride_w])


def _transposed(op: Operator, data: int, kernel: int, addend: int, padding: int, steps: list[int]) -> None:
    x = op.input(data)
    w = weights(op, kernel, x, TAPS_LAST, "chwo")
    size = op.result_tensor().shape[1:-1]
    if op.kind == "TRANSPOSE_CONV" and op.data(0) is not None:
        size = tuple(op.integers(0, "the output's shape")[1:-1])
    if len(size) != 2 or None in size:
        raise op.unsupported("its output's height and width are known only at run time")
    op.finish(
        "ConvTranspose",
        [x, w, *_bias(op, addend, x, w)],
        strides=steps,
        output_shape=list(size),
        auto_pad=auto_pad(op, padding),
    )


@handles("CONV_3D_TRANSPOSE")
def conv_3d_transpose(op: Operator) -> None:
    """Inputs: the output's shape, weights (D, H, W, O, C), data, and bias where there is one."""
    x = op.input(2)
    w = weights(op, 1, x, FILTERS_FIRST, "cdhwo")
    op.finish(
        "ConvTranspose",
        [x, w, *_bias(op, 3, x, w)],
        strides=strides(op, "DHW"),
        dilations=dilations(op, "DHW"),
        output_shape=op.integers(0, "the output's shape")[1:-1],
        auto_pad=auto_pad(op, op.option("Padding")),
    )
