"""Imports every lowering, so that each registers itself."""

from . import (
    cast,
    conditions,
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
    softmax,
)

__all__ = [
    "cast",
    "conditions",
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
    "softmax",
]
