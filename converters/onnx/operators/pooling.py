"""Pools: of windows and global ones, maxima, averages and norms."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np

from ....runtime.graph import Attribute
from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial, to_first
from .convolution import padding


@handles("MaxPool", "AveragePool")
def pool(call: Call) -> None:
    """Indices, MaxPool's second result, come from an operator of their own."""
    rank = len(call.integers("kernel_shape")) + 2
    if call.wants(1):
        order = {"storage_order": call.integer("storage_order", 0)}
        places = pooled(call, "MaxPoolIndices", call.input(0), order)
        call.builder.emit("Transpose", [places], call.outputs[1:2], {"perm": to_first(rank)}, call.name)
        del call.outputs[1:]
        if not call.wants(0):
            return
    finish_first(call, pooled(call, call.op, call.input(0)), rank)


def pooled(call: Call, op: str, x: str, more: Mapping[str, Attribute] | None = None) -> str:
    """The pool of x (N, C, *spatial), channels-last. more: attributes besides the node's."""
    rank = len(call.integers("kernel_shape")) + 2
    skip = ("auto_pad", "pads", "storage_order")
    return spatial(call, op, x, rank, attrs={**known_attributes(call, op, skip), **padding(call), **(more or {})})


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(call: Call) -> None:
    rank = call.known_rank()
    finish_first(call, spatial(call, call.op, call.input(0), rank), rank)


@handles("LpPool")
def lp_pool(call: Call) -> None:
    """The p-norm of each window: (average of |x|**p * size) ** (1/p), padding counted as zeros."""
    kernel, p = call.integers("kernel_shape"), call.integer("p", 2)
    if call.integer("ceil_mode", 0) or p < 1 or not prod(kernel):
        raise Unsupported(f"ceil_mode or p = {p} is not supported")
    dtype = call.dtype()
    powered = _power(call, call.make("Abs", [call.input(0)]), p, dtype)
    rank = len(kernel) + 2
    attrs = known_attributes(call, "AveragePool", ("auto_pad", "pads", "p", "ceil_mode")) | padding(call)
    average = spatial(call, "AveragePool", powered, rank, attrs={**attrs, "count_include_pad": 1})
    total = call.make("Mul", [average, call.add_constant(prod(kernel), "size", dtype)])
    finish_first(call, _power(call, total, 1 / p, dtype), rank)


@handles("GlobalLpPool")
def global_lp_pool(call: Call) -> None:
    p, rank = call.integer("p", 2), call.known_rank()
    if p not in (1, 2):
        raise Unsupported(f"p = {p} is not supported")
    axes = call.add_constant(np.arange(2, rank), "axes", np.int64)
    call.finish(f"ReduceL{p}", [call.input(0), axes], {"keepdims": 1})


def _power(call: Call, x: str, exponent: float, dtype: np.dtype) -> str:
    if exponent == 1:
        return x
    return call.make("Pow", [x, call.add_constant(exponent, "exponent", dtype)])
