"""Nodes on floats, by families, for random graphs. Each function adds one to three nodes or raises Declined."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_graph import Declined, Known, RandomGraph

UNARY = (
    *("Relu", "Sigmoid", "Tanh", "Abs", "Neg", "Exp", "Softplus", "Softsign", "Erf", "HardSwish", "Mish", "Gelu"),
    *("Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Elu", "Selu", "Celu", "LeakyRelu", "HardSigmoid", "Identity"),
    *("ThresholdedRelu", "Reciprocal", "Atan"),
)
BINARY = ("Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu")
REDUCTIONS = (
    *("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
    "ReduceLogSumExp",
)


def is_float(known: Known) -> bool:
    return known.data.dtype == np.float32


def weights(graph: RandomGraph, *shape: int) -> Known:
    return graph.constant(graph.rng.normal(0, 0.5, shape), np.float32)


def unary(graph: RandomGraph) -> None:
    graph.add(graph.choice(UNARY), graph.pick(is_float))


def positive(graph: RandomGraph) -> None:
    """Functions that are no numbers below zero."""
    moved = graph.add("Add", graph.add("Abs", graph.pick(is_float))[0], graph.constant(0.5, np.float32))[0]
    graph.add(graph.choice(("Sqrt", "Log", "Reciprocal")), moved)


def other(graph: RandomGraph, x: Known) -> Known:
    """Something that broadcasts against x: another value, or a constant that varies along some of its axes."""
    fits = [
        known
        for known in graph.values
        if known.data.dtype == x.data.dtype and not known.slack and _broadcasts(known.data.shape, x.data.shape)
    ]
    if graph.rng.random() < 0.5:
        return graph.choice(fits)
    kept = graph.rng.integers(0, x.data.ndim + 1)
    shape = [size if graph.rng.random() < 0.5 else 1 for size in x.data.shape[x.data.ndim - kept :]]
    return weights(graph, *shape)


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        return False
    return True


def binary(graph: RandomGraph) -> None:
    op, a = graph.choice(BINARY), graph.pick(is_float)
    b = other(graph, a)
    if op == "Pow":
        b = graph.constant(graph.choice((2.0, 3.0, 1.0)), np.float32)
    if op != "PRelu" and graph.rng.random() < 0.3:
        a, b = b, a
    graph.add(op, a, b)


def clip(graph: RandomGraph) -> None:
    low, high = np.sort(graph.rng.normal(0, 1, 2)).astype(np.float32)
    bounds = [graph.constant(low), graph.constant(high)]
    graph.add("Clip", graph.pick(is_float), *(bound if graph.rng.random() < 0.7 else None for bound in bounds))


def affine(graph: RandomGraph) -> None:
    """Two steps that a rewrite may merge, in front of or behind whatever comes."""
    x = graph.pick(is_float)
    for op in (graph.choice(("Mul", "Div")), graph.choice(("Add", "Sub"))):
        x = graph.add(op, x, graph.constant(graph.rng.uniform(0.5, 2) * graph.choice((-1, 1)), np.float32))[0]


def window(graph: RandomGraph, x: Known) -> dict[str, Any]:
    spatial = x.data.ndim - 2
    kernel = [int(graph.rng.integers(1, min(3, size) + 1)) for size in x.data.shape[2:]]
    pads = [int(graph.rng.integers(0, k)) for k in kernel * 2]
    return {
        "kernel_shape": kernel, "strides": [int(graph.rng.integers(1, 3)) for _ in range(spatial)],
        "pads": pads if graph.rng.random() < 0.5 else [0] * len(pads),
    }  # fmt: skip


def image(known: Known) -> bool:
    return known.data.ndim in (3, 4) and min(known.data.shape) > 0


def conv(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and image(known))
    attrs, channels = window(graph, x), x.data.shape[1]
    group = graph.choice((1, channels))
    outputs = group * int(graph.rng.integers(1, 4))
    kernel = attrs["kernel_shape"]
    if graph.rng.random() < 0.2:
        w = weights(graph, channels, outputs // group, *kernel)
        op = "ConvTranspose"
    else:
        w, op = weights(graph, outputs, channels // group, *kernel), "Conv"
    bias = [weights(graph, outputs)] if graph.rng.random() < 0.6 else []
    graph.add(op, x, w, *bias, group=group, **attrs)


def pool(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and image(known))
    op = graph.choice(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"))
    attrs = {} if op.startswith("Global") else window(graph, x) | {"ceil_mode": graph.choice((0, 0, 1))}
    if op == "AveragePool":
        attrs["count_include_pad"] = graph.choice((0, 1))
    graph.add(op, x, **attrs)


def normalize(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and image(known))
    scale, offset = (weights(graph, x.data.shape[1]) for _ in range(2))
    if graph.rng.random() < 0.5:
        mean = weights(graph, x.data.shape[1])
        variance = graph.constant(graph.rng.uniform(0.5, 2, x.data.shape[1]), np.float32)
        graph.add("BatchNormalization", x, scale, offset, mean, variance)
    elif int(np.prod(x.data.shape[2:])) > 2:
        graph.add("InstanceNormalization", x, scale, offset)


def product(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and known.data.ndim >= 2)
    inner, outputs = x.data.shape[-1], int(graph.rng.integers(1, 6))
    if x.data.ndim == 2 and graph.rng.random() < 0.5:
        turned = graph.choice((0, 1))
        w = weights(graph, *((outputs, inner) if turned else (inner, outputs)))
        graph.add("Gemm", x, w, weights(graph, outputs), transB=turned, alpha=graph.choice((1.0, 0.5)))
    else:
        graph.add("MatMul", x, weights(graph, inner, outputs))


def reduction(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and known.data.ndim > 0)
    axes = sorted(graph.rng.permutation(x.data.ndim)[: graph.rng.integers(1, x.data.ndim + 1)])
    graph.add(graph.choice(REDUCTIONS), x, graph.constant(axes, np.int64), keepdims=graph.choice((0, 1)))


def along_axis(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and known.data.ndim > 0)
    op, axis = (
        graph.choice(("Softmax", "LogSoftmax", "LpNormalization", "Hardmax")),
        int(graph.rng.integers(x.data.ndim)),
    )
    graph.add(op, x, axis=axis)


def resize(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_float(known) and known.data.ndim == 4)
    sizes = [*x.data.shape[:2], *(int(graph.rng.integers(1, 9)) for _ in range(2))]
    mode = graph.choice(("nearest", "linear"))
    coordinates = graph.choice(("asymmetric", "half_pixel", "align_corners"))
    graph.add(
        "Resize", x, None, None, graph.constant(sizes, np.int64), mode=mode,
        coordinate_transformation_mode=coordinates, nearest_mode="floor",
    )  # fmt: skip


def self_gating(graph: RandomGraph) -> None:
    """A value beside what is computed of it: x - f(x), x * f(x), Concat(x, f(x))."""
    x = graph.pick(is_float)
    count = len(graph.values)
    graph.choice((unary, conv, pool, clip))(graph)
    y = graph.values[-1]
    if len(graph.values) == count or y.data.shape != x.data.shape or not is_float(y):
        raise Declined("of another shape")
    graph.add(graph.choice(("Sub", "Mul", "Add", "Max")), x, y)


FAMILIES = (
    *(unary, unary, positive, binary, binary, clip, affine, conv, conv, pool, normalize, product, reduction),
    *(along_axis, resize, self_gating),
)
