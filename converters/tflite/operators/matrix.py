"""MATRIX_DIAG, MATRIX_SET_DIAG."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator


@handles("MATRIX_DIAG")
def matrix_diag(op: Operator) -> None:
    """Each vector along the last axis becomes the diagonal of a square matrix."""
    x = op.input(0)
    columns = op.new("Unsqueeze", [x, op.int64s([-1], "columns")])
    rows = op.new("Unsqueeze", [x, op.int64s([-2], "rows")])
    value = op.value(x)
    zero = np.zeros((), value.dtype) if value.quant is None else value.quant.zero_point.astype(value.dtype).reshape(())
    blank = op.constant(zero, "blank", value.quant)
    square = op.new("Expand", [columns, _shape(op, rows)])
    op.node("Where", [_eye(op, square), square, blank], [op.output()])


@handles("MATRIX_SET_DIAG")
def matrix_set_diag(op: Operator) -> None:
    """Inputs: matrices, the diagonals that they get, as long as the shorter side."""
    x = op.input(0)
    shape = op.shape(0)
    if len(shape) < 2 or None in shape[-2:]:
        raise op.unsupported("its matrices' sizes are known only at run time")
    height, width = int(shape[-2] or 0), int(shape[-1] or 0)
    diagonal = op.input(1)
    if width > height:
        pads = [0] * (2 * (len(shape) - 1))
        pads[-1] = width - height
        diagonal = op.new("Pad", [diagonal, op.int64s(pads, "pads")], mode="constant")
    spread = op.new("Unsqueeze", [diagonal, op.int64s([-2], "rows")])
    on = op.constant(np.eye(height, width, dtype=np.bool_), "on_diagonal")
    op.node("Where", [on, spread, x], [op.output()])


def _shape(op: Operator, name: str) -> str:
    return op.new("Shape", [name], np.int64)


def _eye(op: Operator, square: str) -> str:
    """Where a matrix's diagonal is, as booleans."""
    sizes = op.new("Shape", [square], np.int64)
    op.graph.nodes[-1].attrs["start"] = -2
    ones = op.new("Expand", [op.int64s([1], "one"), sizes])
    return op.cast(op.new("EyeLike", [ones]), np.bool_)
