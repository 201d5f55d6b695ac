"""Imports every lowering, so that each registers itself."""

from . import cast, conv, dense, elementwise, movement, pool, quantize, reduce, resize, softmax

__all__ = ["cast", "conv", "dense", "elementwise", "movement", "pool", "quantize", "reduce", "resize", "softmax"]
