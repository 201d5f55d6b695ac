"""Trained models in, graphs out."""

from .convert import convert

__all__ = ["convert"]
