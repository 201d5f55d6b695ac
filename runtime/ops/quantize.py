"""QuantizeLinear, DequantizeLinear and Requantize: between real numbers and stored integers.

The first two take scale and zero point as inputs, as in ONNX; Requantize takes them from its tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..graph import Attribute, Quantization
from . import integer, quantized_node
from .checks import FLOATS, named_dtype, normalize_axis, require_kind
from .registry import Context, Inferred, Op, Tensor, register

QUANTIZED_DTYPES = ("int8", "uint8", "int16", "uint16", "int32")


def stated_quantization(
    scale: np.ndarray | None, zero_point: np.ndarray | None, attrs: Mapping[str, Attribute], rank: int | None
) -> Quantization | None:
    """What the constants of a QuantizeLinear or DequantizeLinear say of its integers, of this rank. None: nothing that
    a Quantization can hold, as there is a scale per block, one that is no finite number above 0, or none."""
    if scale is None or scale.ndim > 1 or not scale.size or attrs.get("block_size"):
        return None
    if zero_point is not None and zero_point.size != scale.size:
        return None
    scale = scale.reshape(-1).astype(np.float32)
    zeros = np.zeros(scale.size, np.int32) if zero_point is None else zero_point.reshape(-1).astype(np.int32)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return None
    if scale.size == 1:
        return Quantization(scale, zeros)
    axis = attrs.get("axis", 1)
    return None if rank is None or not -rank <= axis < rank else Quantization(scale, zeros, axis % rank)


def spread(parameter: np.ndarray, x: np.ndarray, axis: int, block_size: int) -> np.ndarray:
    """A scale or zero point shaped to broadcast against x: per tensor, per index along axis, or per block along it."""
    if parameter.size == 1:
        return parameter.reshape(())
    if block_size:
        blocks = np.repeat(parameter, min(block_size, x.shape[axis]), axis=axis)
        return np.take(blocks, range(x.shape[axis]), axis=axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    return parameter.reshape(shape)


def quantize_linear(
    x: np.ndarray,
    y_scale: np.ndarray,
    y_zero_point: np.ndarray | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: str = "",
    saturate: int = 1,
) -> np.ndarray:
    """round half even(x / y_scale) + y_zero_point, saturated; NaN gives the zero point. saturate concerns 8-bit floats.

    output_dtype: a dtype's NumPy name; without it y_zero_point's, without that uint8.
    """
    dtype = np.dtype(output_dtype or "uint8")
    if y_zero_point is not None and not output_dtype:
        dtype = y_zero_point.dtype
    wide = np.result_type(x.dtype, np.float32)
    scale = spread(y_scale, x, axis, block_size).astype(wide)
    zero_point = 0 if y_zero_point is None else spread(y_zero_point, x, axis, block_size).astype(np.float64)
    return integer.quantize_with(x.astype(wide, copy=False), scale, zero_point, dtype)


def dequantize_linear(
    x: np.ndarray,
    x_scale: np.ndarray,
    x_zero_point: np.ndarray | None = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: str = "",
) -> np.ndarray:
    """(x - x_zero_point) * x_scale in the scale's dtype or in output_dtype."""
    dtype = np.dtype(output_dtype) if output_dtype else x_scale.dtype
    scale = spread(x_scale, x, axis, block_size)
    if x_zero_point is None:
        steps = x.astype(np.result_type(dtype, np.float32))
    else:
        zero_point = spread(x_zero_point, x, axis, block_size)
        steps = (x.astype(np.int64) - zero_point).astype(np.result_type(dtype, np.float32))
    return (steps * scale.astype(steps.dtype)).astype(dtype)


def requantize(x: np.ndarray, *, to: str = "int8") -> np.ndarray:
    """The same real numbers; to: dtype of the output's integers."""
    return x


def _requantize_integers(ctx: Context, x: np.ndarray) -> np.ndarray:
    """`integer.rescale` from the input's quantization to the output's, both per tensor."""
    qx, target = ctx.input(0).quant, quantized_node.output_range(ctx)
    if qx is None or target is None or qx.scale.size > 1 or target[0].scale.size > 1:
        return NotImplemented
    return integer.rescale(x, qx, *target, ctx.outputs[0].dtype)


def check_parameters(ctx: Context, x: Tensor) -> None:
    """ModelError where scale and zero point do not fit the tensor, or a constant scale is not finite."""
    scale, zero_point = ctx.input(1), ctx.optional(2)
    require_kind(ctx, scale, FLOATS)
    if zero_point is not None and zero_point.size != scale.size:
        raise ctx.error(f"zero point of shape {zero_point.shape} does not fit a scale of shape {scale.shape}")
    if scale.data is not None and not np.isfinite(scale.data).all():
        raise ctx.error(f"scale '{scale.name}' is not finite")
    if scale.size == 1 and len(scale.shape) <= 1:
        return
    axis, block = normalize_axis(ctx, ctx.attrs["axis"], len(x.shape)), ctx.attrs["block_size"]
    if block < 0:
        raise ctx.error(f"block_size {block} is negative")
    if block:
        wanted = tuple(-(-size // block) if i == axis else size for i, size in enumerate(x.shape))
    else:
        wanted = (x.shape[axis],)
    if scale.shape != wanted:
        raise ctx.error(f"scale of shape {scale.shape} does not fit '{x.name}' of shape {x.shape} along axis {axis}")


def infer_quantize(ctx: Context) -> list[Inferred]:
    x, zero_point = ctx.input(0), ctx.optional(2)
    require_kind(ctx, x, FLOATS)
    check_parameters(ctx, x)
    name = ctx.attrs["output_dtype"]
    dtype = named_dtype(ctx, name) if name else np.dtype(np.uint8) if zero_point is None else zero_point.dtype
    if dtype.name not in QUANTIZED_DTYPES:
        raise ctx.error(f"cannot quantize to {dtype}; it makes {', '.join(QUANTIZED_DTYPES)}")
    if zero_point is not None and zero_point.dtype != dtype:
        raise ctx.error(f"zero point '{zero_point.name}' is {zero_point.dtype}, but it quantizes to {dtype}")
    return [(x.shape, dtype)]


def infer_dequantize(ctx: Context) -> list[Inferred]:
    x, zero_point = ctx.input(0), ctx.optional(2)
    if x.dtype.name not in QUANTIZED_DTYPES:
        raise ctx.error(f"'{x.name}' is {x.dtype}; it takes {', '.join(QUANTIZED_DTYPES)}")
    if zero_point is not None and zero_point.dtype != x.dtype:
        raise ctx.error(f"zero point '{zero_point.name}' is {zero_point.dtype} but '{x.name}' is {x.dtype}")
    check_parameters(ctx, x)
    name = ctx.attrs["output_dtype"]
    dtype = named_dtype(ctx, name) if name else ctx.input(1).dtype
    if dtype.kind not in FLOATS:
        raise ctx.error(f"cannot dequantize to {dtype}; it makes floats")
    return [(x.shape, dtype)]


def infer_requantize(ctx: Context) -> list[Inferred]:
    x, dtype = ctx.input(0), named_dtype(ctx, ctx.attrs["to"])
    if x.quant is None:
        raise ctx.error(f"'{x.name}' has no quantization to change")
    if dtype.name not in QUANTIZED_DTYPES:
        raise ctx.error(f"cannot quantize to {dtype}; it makes {', '.join(QUANTIZED_DTYPES)}")
    return [(x.shape, dtype)]


def by_inputs(reference: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Scale and zero point are inputs, so the reference itself takes and gives stored integers."""

    def quantized(ctx: Context, *arrays: np.ndarray | None) -> np.ndarray:
        return reference(*arrays, **ctx.attrs)

    return quantized


register(Op("QuantizeLinear", quantize_linear, infer_quantize, quantized=by_inputs(quantize_linear), keeps_shape=True))
register(
    Op(
        "DequantizeLinear",
        dequantize_linear,
        infer_dequantize,
        quantized=by_inputs(dequantize_linear),
        keeps_shape=True,
        decompresses=True,
    )
)
register(Op("Requantize", requantize, infer_requantize, quantized=_requantize_integers, elementwise=True))
