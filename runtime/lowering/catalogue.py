"""Imports every lowering, so that each registers itself."""

from . import conv

__all__ = ["conv"]
