"""QuantizeLinear, DequantizeLinear and what stands between and behind them, for random graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_float_nodes import image, window
from random_graph import COARSE, FINE, MICROSOFT, REACH, Declined, Known, RandomGraph, multiples
from random_integer_nodes import BYTES, byte_weights, is_byte

SCALES = (2.0**-3, 2.0**-4, 2.0**-5, 2.0**-6, 2.0**-7)
ODD_SCALES = (0.02, 0.1, 0.0371)
ROUNDED = ("Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Softmax", "GlobalAveragePool", "AveragePool", "ReduceMean")
"""Operators whose integer arithmetic may round otherwise."""


def parameters(graph: RandomGraph, dtype: np.dtype, odd: bool = False) -> tuple[Known, Known]:
    scale = graph.constant(graph.choice(ODD_SCALES if odd else SCALES), np.float32)
    centre = int(np.iinfo(dtype).min) + (1 << (8 * dtype.itemsize - 1)) if graph.rng.random() < 0.9 else 0
    low, high = max(centre - 20, np.iinfo(dtype).min), min(centre + 21, np.iinfo(dtype).max)
    return scale, graph.constant(graph.rng.integers(low, high), dtype)


def quantized(graph: RandomGraph, x: Known, dtype: np.dtype | None = None, rounded: bool = False) -> Known:
    """x as integers. What rounding has moved may be a step off; a feed is divided by any scale alike everywhere."""
    fed = x.name in graph.feeds
    odd = graph.rng.random() < (0.3 if fed else 0.05)
    kinds = (*BYTES, *BYTES, *BYTES, np.dtype(np.int16), np.dtype(np.uint16))
    scale, zero = parameters(graph, graph.choice(kinds) if dtype is None else dtype, odd)
    settled = fed or (x.exact and not odd and not rounded)
    made = graph.add("QuantizeLinear", x, scale, zero, slack=0 if settled else 1)[0]
    graph.parameters[made.name] = scale, zero
    return made


def quantize(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: known.data.dtype == np.float32 and known.data.size > 0)
    if graph.rng.random() < 0.1 and x.name in graph.feeds and x.data.ndim > 1:
        size = x.data.shape[1]
        scales = graph.constant(graph.rng.uniform(0.01, 0.1, size), np.float32)
        graph.add("QuantizeLinear", x, scales, graph.constant(graph.rng.integers(-9, 9, size), np.int8), axis=1)
    else:
        quantized(graph, x)


def real(graph: RandomGraph, x: Known) -> Known:
    """By the parameters that the integers were made with, or by others."""
    pair = graph.parameters.get(x.name)
    if pair is None or graph.rng.random() < 0.15:
        pair = parameters(graph, x.data.dtype, odd=graph.rng.random() < 0.1)
    return graph.add("DequantizeLinear", x, *pair, exact=True)[0]


def dequantize(graph: RandomGraph) -> None:
    real(graph, graph.pick(lambda known: known.data.dtype.name in ("int8", "uint8", "int16", "uint16")))


def coarse(x: Known) -> bool:
    return x.exact and multiples(x.data, COARSE)


def weights(graph: RandomGraph, shape: tuple[int, ...], outputs: int) -> Known:
    """Behind a DequantizeLinear, with one scale or one for each index along the axis `outputs`."""
    integers, zero = byte_weights(graph, shape)
    if graph.rng.random() < 0.4:
        scales = graph.constant([graph.choice(SCALES[2:]) for _ in range(shape[outputs])], np.float32)
        zeros = graph.constant(np.full(shape[outputs], 0 if zero is None else zero.data), integers.data.dtype)
        return graph.add("DequantizeLinear", integers, scales, zeros, axis=outputs, exact=True)[0]
    scale = graph.constant(graph.choice(SCALES[2:]), np.float32)
    zero = graph.constant(0, integers.data.dtype) if zero is None else zero
    return graph.add("DequantizeLinear", integers, scale, zero, exact=True)[0]


def product(graph: RandomGraph) -> None:
    """DequantizeLinear -> Conv, Gemm or MatMul, with a clamp behind it, perhaps -> QuantizeLinear."""
    x = real(graph, graph.pick(lambda known: is_byte(known) and known.data.ndim >= 2))
    outputs, shape = int(graph.rng.integers(1, 6)), x.data.shape
    if image(x):
        attrs = window(graph, x)
        w = weights(graph, (outputs, shape[1], *attrs["kernel_shape"]), 0)
        op, taps = "Conv", int(np.prod(w.data.shape[1:]))
    else:
        attrs, w, op, taps = {}, weights(graph, (shape[-1], outputs), 1), "MatMul", shape[-1]
        if len(shape) == 2 and graph.rng.random() < 0.5:
            op = "Gemm"
    bias = []
    if op != "MatMul" and graph.rng.random() < 0.6:
        bias = [graph.constant(graph.rng.integers(-64, 64, outputs) * COARSE, np.float32)]
    bound = float(np.abs(x.data).max() * np.abs(w.data).max() * taps) + 1
    y = graph.add(op, x, w, *bias, exact=coarse(x) and coarse(w) and bound < REACH, **attrs)[0]
    finish(graph, y)


def finish(graph: RandomGraph, y: Known, rounded: bool = False) -> None:
    if graph.rng.random() < 0.3:
        y = graph.add("Relu", y, exact=y.exact)[0]
    elif graph.rng.random() < 0.2:
        y = graph.add("Clip", y, graph.constant(-1, np.float32), graph.constant(2, np.float32), exact=y.exact)[0]
    if graph.rng.random() < 0.85:
        quantized(graph, y, graph.choice(BYTES), rounded)


def binary(graph: RandomGraph) -> None:
    x = real(graph, graph.pick(is_byte))
    same = [known for known in graph.values if is_byte(known) and not known.slack and known.data.shape == x.data.shape]
    y = real(graph, graph.choice(same)) if same else graph.constant(0.5, np.float32)
    op = graph.choice(("Add", "Sub", "Mul", "Max", "Min"))
    exact = coarse(x) and coarse(y) if op == "Mul" else x.exact and y.exact
    finish(graph, graph.add(op, x, y, exact=exact)[0])


def unary(graph: RandomGraph) -> None:
    x = real(graph, graph.pick(is_byte))
    op = graph.choice(("Relu", "Abs", "Neg", "LeakyRelu", "Clip", "Identity"))
    if op == "Clip":
        finish(graph, graph.add(op, x, graph.constant(-0.5, np.float32), None, exact=x.exact)[0])
    else:
        attrs: dict[str, Any] = {"alpha": 0.125} if op == "LeakyRelu" else {}
        finish(graph, graph.add(op, x, exact=x.exact, **attrs)[0])


def rounded(graph: RandomGraph) -> None:
    x = real(graph, graph.pick(lambda known: is_byte(known) and image(known)))
    op = graph.choice(ROUNDED)
    inputs = [x, graph.constant([2], np.int64)] if op == "ReduceMean" else [x]
    y = graph.add(op, *inputs, **(window(graph, x) if op == "AveragePool" else {}))[0]
    finish(graph, y, rounded=True)


def moved(graph: RandomGraph) -> None:
    """Something that moves elements between DequantizeLinear and QuantizeLinear."""
    x = real(graph, graph.pick(lambda known: is_byte(known) and image(known)))
    if graph.rng.random() < 0.5:
        y = graph.add("MaxPool", x, exact=x.exact, **window(graph, x))[0]
    else:
        y = graph.add("Transpose", x, exact=x.exact, perm=[int(axis) for axis in graph.rng.permutation(x.data.ndim)])[0]
    finish(graph, y)


def q_linear_conv(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_byte(known) and image(known))
    scale, zero = graph.parameters.get(x.name) or parameters(graph, x.data.dtype)
    attrs, outputs = window(graph, x), int(graph.rng.integers(1, 6))
    integers = graph.rng.integers(-64, 64, (outputs, x.data.shape[1], *attrs["kernel_shape"]))
    w = graph.constant(integers, np.int8)
    w_scale, w_zero = graph.constant(graph.choice(SCALES[2:]), np.float32), graph.constant(0, np.int8)
    y_scale, y_zero = parameters(graph, x.data.dtype)
    bias = [graph.constant(graph.rng.integers(-500, 500, outputs), np.int32)] if graph.rng.random() < 0.5 else []
    made = graph.add("QLinearConv", x, scale, zero, w, w_scale, w_zero, y_scale, y_zero, *bias,
                     slack=0 if multiples(scale.data, FINE) else 1, **attrs)[0]  # fmt: skip
    graph.parameters[made.name] = y_scale, y_zero


def q_linear_matmul(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_byte(known) and known.data.ndim == 2)
    scale, zero = graph.parameters.get(x.name) or parameters(graph, x.data.dtype)
    w = graph.constant(graph.rng.integers(-64, 64, (x.data.shape[-1], int(graph.rng.integers(1, 5)))), np.int8)
    w_scale, w_zero = graph.constant(graph.choice(SCALES[2:]), np.float32), graph.constant(0, np.int8)
    y_scale, y_zero = parameters(graph, x.data.dtype)
    made = graph.add("QLinearMatMul", x, scale, zero, w, w_scale, w_zero, y_scale, y_zero,
                     slack=0 if multiples(scale.data, FINE) else 1)[0]  # fmt: skip
    graph.parameters[made.name] = y_scale, y_zero


def q_linear_add(graph: RandomGraph) -> None:
    x = graph.pick(is_byte)
    same = [known for known in graph.values if known.data.dtype == x.data.dtype and known.data.shape == x.data.shape]
    y = graph.choice([known for known in same if not known.slack])
    pairs = [graph.parameters.get(known.name) or parameters(graph, x.data.dtype) for known in (x, y)]
    result = parameters(graph, x.data.dtype)
    graph.add(
        graph.choice(("QLinearAdd", "QLinearMul")), x, *pairs[0], y, *pairs[1], *result, domain=MICROSOFT, slack=1
    )


def dynamic(graph: RandomGraph) -> None:
    """DynamicQuantizeLinear, whose scale is computed, and what it feeds."""
    x = graph.pick(lambda known: known.name in graph.feeds and known.data.dtype == np.float32 and known.data.ndim >= 2)
    q, scale, zero = graph.add("DynamicQuantizeLinear", x, outputs=3, slack=1)
    if len(q.data.shape) < 2:
        raise Declined("no matrix")
    graph.parameters[q.name] = scale, zero


FAMILIES = (
    *(quantize, quantize, quantize, dequantize, dequantize, dequantize, product, product, binary, unary, rounded),
    *(moved, q_linear_conv, q_linear_matmul, q_linear_add, dynamic),
)
