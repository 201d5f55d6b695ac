"""Imports every lowering, so that each registers itself."""

from . import (
    cast,
    conv,
    conv_transpose,
    dense,
    elementwise,
    movement,
    normalize,
    pool,
    quantize,
    reduce,
    resize,
    selection,
    softmax,
)

__all__ = [
    "cast",
    "conv",
    "conv_transpose",
    "dense",
    "elementwise",
    "movement",
    "normalize",
    "pool",
    "quantize",
    "reduce",
    "resize",
    "selection",
    "softmax",
]
