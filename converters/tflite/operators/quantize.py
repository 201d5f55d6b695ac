"""QUANTIZE, DEQUANTIZE, DENSIFY."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator


@handles("QUANTIZE")
def quantize(op: Operator) -> None:
    """From real numbers, or from one quantization to another."""
    target = op.value(op.output())
    if target.quant is None:
        raise op.unsupported(f"its output '{target.name}' is {target.dtype} without a scale")
    source = op.value(op.input(0))
    if source.quant == target.quant and source.dtype == target.dtype:
        op.node("Identity", [source.name], [target.name])
    elif source.quant is not None:
        op.node("Requantize", [op.input(0)], [target.name], to=target.dtype.name)
    else:
        x = op.real_input(0)
        if op.value(x).dtype != np.float32:
            raise op.unsupported(f"its input '{x}' is {op.value(x).dtype}, not float")
        op.node("QuantizeLinear", [x, *op.importer.parameters(target.quant, target.dtype)], [target.name])


@handles("DEQUANTIZE")
def dequantize(op: Operator) -> None:
    """From a quantized tensor, or from float16."""
    source = op.value(op.input(0))
    if source.quant is None and source.dtype != np.float16:
        raise op.unsupported(f"its input '{source.name}' is {source.dtype} without a scale")
    target = op.value(op.output())
    if source.quant is None:
        op.node("Cast", [source.name], [target.name], to=target.dtype.name)
        return
    axis = {} if source.quant.axis is None else {"axis": source.quant.axis}
    op.node(
        "DequantizeLinear", [source.name, *op.importer.parameters(source.quant, source.dtype)], [target.name], **axis
    )


@handles("DENSIFY")
def densify(op: Operator) -> None:
    """Sparse constants are dense once they are read."""
    op.node("Identity", [op.input(0)], [op.output()])
