"""Stored 8-bit integers as kernels see them: how a view's bytes are read, tables over all of them, reinterpretation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from ..kernels.quantized import lookup
from ..ops.registry import Tensor
from ..program.builder import Builder
from ..program.view import Border, View
from .row_layout import OperandRows

LOOKUP_WORK = 8
"""Multiply-adds that take as long as one byte, where there are no table instructions."""


def element(view: View) -> str:
    """How a kernel reads or writes the bytes: "u8" or "i8"."""
    return "u8" if view.flipped or view.dtype == np.uint8 else "i8"


def offset(view: View) -> int:
    """What is added to an integer q to get the byte in memory as `element` reads it."""
    return 128 if view.flipped else 0


def is_byte(tensor: Tensor) -> bool:
    return tensor.dtype in (np.int8, np.uint8)


def emit_table(b: Builder, x: View, y: View, function: Callable[[np.ndarray], np.ndarray]) -> None:
    """y = function(x), a NumPy function of the 256 integers that x's dtype holds."""
    memory = np.arange(256, dtype=np.uint8)
    integers = (memory ^ 0x80 if x.flipped else memory).view(x.dtype)
    table = function(integers).astype(y.dtype).view(np.uint8)
    place = b.constant(table ^ np.uint8(0x80) if y.flipped else table)
    OperandRows(b, [x], y).call(lookup, {}, LOOKUP_WORK, place)


def shifted_view(view: View) -> View:
    """The same bytes as the integers of the other signedness that are 128 more or less."""
    if view.dtype == np.uint8:
        return replace(view, dtype=np.dtype(np.int8), flipped=True, border=Border())
    if view.flipped:
        return replace(view, dtype=np.dtype(np.uint8), flipped=False, border=Border())
    raise ValueError("int8 in its own form is no uint8 plus or minus 128")
