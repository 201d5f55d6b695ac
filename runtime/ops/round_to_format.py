"""RoundToFormat: floats of a narrower format, held in a wider dtype: bfloat16, and floats of 8 and 4 bits.

Tensors of these formats are held as float32. So the only step that knows of a format is the one that rounds to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .elementwise import infer_floats
from .registry import Context, Inferred, Op, register


@dataclass(frozen=True, slots=True)
class Format:
    """exponent, mantissa: bits. most: the largest finite number. overflow: what a larger one becomes where it does not
    saturate. not_a_number: what NaN becomes. unsigned_zero: whether there is but one zero."""

    exponent: int
    mantissa: int
    bias: int
    most: float
    overflow: float
    not_a_number: float = np.nan
    unsigned_zero: bool = False
    saturates: bool = True

    def decode(self, bits: np.ndarray) -> np.ndarray:
        """float32 of stored bits, uint8 or uint16."""
        wide = bits.astype(np.int64)
        fraction = wide & ((1 << self.mantissa) - 1)
        exponent = (wide >> self.mantissa) & ((1 << self.exponent) - 1)
        scale = np.exp2(np.maximum(exponent, 1).astype(np.float64) - self.bias - self.mantissa)
        size = np.where(exponent > 0, fraction + (1 << self.mantissa), fraction) * scale
        negative = (wide >> (self.mantissa + self.exponent)) & 1 == 1
        value = np.where(negative, -size, size)
        if self.unsigned_zero:
            value = np.where(wide == 1 << (self.mantissa + self.exponent), np.nan, value)
        elif np.isinf(self.overflow):
            top = exponent == (1 << self.exponent) - 1
            value = np.where(top, np.where(fraction == 0, np.where(negative, -np.inf, np.inf), np.nan), value)
        else:
            value = np.where(size > self.most, np.nan, value)
        return value.astype(np.float32)


FORMATS = {
    "bfloat16": Format(8, 7, 127, 3.3895313892515355e38, np.inf, saturates=False),
    "float8e4m3fn": Format(4, 3, 7, 448.0, np.nan),
    "float8e4m3fnuz": Format(4, 3, 8, 240.0, np.nan, unsigned_zero=True),
    "float8e5m2": Format(5, 2, 15, 57344.0, np.inf),
    "float8e5m2fnuz": Format(5, 2, 16, 57344.0, np.nan, unsigned_zero=True),
    "float4e2m1": Format(2, 1, 1, 6.0, 6.0, not_a_number=0.0),
}
"""By ONNX's names."""


def infer(ctx: Context) -> list[Inferred]:
    if ctx.attrs["format"] not in FORMATS:
        raise ctx.error(f"format '{ctx.attrs['format']}' is none of {', '.join(FORMATS)}")
    return infer_floats(ctx)


def round_to_format(x: np.ndarray, *, format: str, saturate: int = 1) -> np.ndarray:
    """The nearest number of the format, of two the one whose last bit is 0. saturate: what is larger than the largest
    becomes that, infinity too."""
    form = FORMATS[format]
    wide = x.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        exponent = np.frexp(wide)[1] - 1
        quantum = np.exp2(np.maximum(exponent, 1 - form.bias).astype(np.float64) - form.mantissa)
        rounded = np.rint(wide / quantum) * quantum
    beyond = form.most if saturate and form.saturates else form.overflow
    rounded = np.where(np.abs(rounded) > form.most, np.copysign(beyond, wide), rounded)
    rounded = np.where(np.isnan(wide), form.not_a_number, rounded)
    if form.unsigned_zero:
        rounded = np.where(rounded == 0, 0.0, rounded)
    return rounded.astype(x.dtype)


register(Op("RoundToFormat", round_to_format, infer, elementwise=True))
