"""Imports every lowering, so that each registers itself."""

from . import conv, dense, movement, pool

__all__ = ["conv", "dense", "movement", "pool"]
