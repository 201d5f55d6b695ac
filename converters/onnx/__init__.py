"""ONNX (.onnx) to Graph. Needs the package `onnx`, which the extra millijoule[onnx] installs."""

from ...runtime.errors import Error

try:
    import onnx as _onnx  # noqa: F401
except ImportError as problem:
    raise Error("an .onnx file is read by the package onnx: pip install 'millijoule[onnx]'") from problem
