"""A model as an ONNX file: the way out, to whatever else runs ONNX.

`export` writes the file; `graph` goes through a graph's nodes, `nodes` says of each what ONNX calls it, `layouts` in
which order of axes it is computed, `activations` what a fused activation is by itself, `writer` keeps the tensors by
name, and `schemas` finds the operator set that has all of it.
"""

from .export import export

__all__ = ["export"]
