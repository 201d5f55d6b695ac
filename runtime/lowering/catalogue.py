"""Imports every lowering, so that each registers itself."""

from . import conv, dense, elementwise, movement, pool, softmax

__all__ = ["conv", "dense", "elementwise", "movement", "pool", "softmax"]
