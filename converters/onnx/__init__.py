"""ONNX models -> Graph."""

from .convert import convert as convert
