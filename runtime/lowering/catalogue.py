"""Imports every lowering, so that each registers itself."""

from . import conv, dense, movement

__all__ = ["conv", "dense", "movement"]
