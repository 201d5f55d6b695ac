"""Nodes on plain integers of 8, 16, 32 and 64 bits, for random graphs.

Whatever they stand for elsewhere, these mean the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper
from random_float_nodes import image, other, window
from random_graph import FINE, Known, RandomGraph, multiples

BYTES = (np.dtype(np.int8), np.dtype(np.uint8))
CASTS = ("int8", "uint8", "int16", "int32", "int32", "int64", "float32", "float32", "bool")
COMPARISONS = ("Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual")


def is_integer(known: Known) -> bool:
    return known.data.dtype.kind in "iu" and known.data.size > 0


def is_byte(known: Known) -> bool:
    return known.data.dtype in BYTES and known.data.size > 0


def of_kind(*names: str) -> Callable[[Known], bool]:
    return lambda known: known.data.dtype.name in names and known.data.size > 0


def cast(graph: RandomGraph) -> None:
    """Of integers, also to fewer bits; of floats whose integers no rounding decides."""
    x = graph.pick(lambda known: known.exact)
    names = CASTS if is_integer(x) else ("int32", "int64", "bool")
    to = helper.np_dtype_to_tensor_dtype(np.dtype(graph.choice(names)))
    graph.add("Cast", x, to=to, exact=True)


def unary(graph: RandomGraph) -> None:
    graph.add(graph.choice(("Neg", "Abs", "Sign", "Identity", "Relu", "BitwiseNot")), graph.pick(is_integer))


def clip(graph: RandomGraph) -> None:
    x = graph.pick(is_integer)
    bounds = [graph.constant(bound, x.data.dtype) for bound in np.sort(graph.rng.integers(0, 100, 2))]
    graph.add("Clip", x, *(bound if graph.rng.random() < 0.8 else None for bound in bounds))


def binary(graph: RandomGraph) -> None:
    x = graph.pick(is_integer)
    y = integers_beside(graph, x)
    op = graph.choice(("Max", "Min", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Add", "Sub", "Mul"))
    graph.add(op, *((x, y) if graph.rng.random() < 0.7 else (y, x)))


def integers_beside(graph: RandomGraph, x: Known) -> Known:
    """A constant or another value of x's dtype that broadcasts against x."""
    if graph.rng.random() < 0.5:
        kept = int(graph.rng.integers(0, x.data.ndim + 1))
        return graph.constant(graph.rng.integers(0, 100, x.data.shape[x.data.ndim - kept :]), x.data.dtype)
    return other(graph, x)


def divide(graph: RandomGraph) -> None:
    x = graph.pick(is_integer)
    divisor = graph.constant(graph.rng.integers(1, 9), x.data.dtype)
    if graph.rng.random() < 0.5:
        graph.add("Div", x, divisor)
    else:
        graph.add("Mod", x, divisor, fmod=graph.choice((0, 1)))


def shift(graph: RandomGraph) -> None:
    x = graph.pick(of_kind("uint8", "uint16", "uint32", "uint64"))
    graph.add(
        "BitShift", x, graph.constant(graph.rng.integers(0, 4), x.data.dtype), direction=graph.choice(("LEFT", "RIGHT"))
    )


def compare(graph: RandomGraph) -> None:
    """A comparison, and what a Where makes of it."""
    x = graph.pick(is_integer)
    y = integers_beside(graph, x)
    flags = graph.add(graph.choice(COMPARISONS), x, y)[0]
    if graph.rng.random() < 0.7:
        graph.add("Where", flags, *((x, y) if graph.rng.random() < 0.5 else (y, x)))


def reduce(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_integer(known) and known.data.ndim > 0)
    axes = sorted(graph.rng.permutation(x.data.ndim)[: graph.rng.integers(1, x.data.ndim + 1)])
    op = graph.choice(("ReduceMax", "ReduceMin", "ReduceSum", "ReduceMean"))
    graph.add(op, x, graph.constant(axes, np.int64), keepdims=graph.choice((0, 1)))


def places(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_integer(known) and known.data.ndim > 0)
    axis = int(graph.rng.integers(x.data.ndim))
    if graph.rng.random() < 0.6:
        graph.add(graph.choice(("ArgMax", "ArgMin")), x, axis=axis, keepdims=graph.choice((0, 1)))
    else:
        graph.add("TopK", x, graph.constant([1], np.int64), outputs=2, axis=axis)


def sums(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: of_kind("int32", "int64")(known) and known.data.ndim > 0)
    graph.add("CumSum", x, graph.constant(graph.rng.integers(x.data.ndim), np.int64))


def pool(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_byte(known) and image(known))
    graph.add("MaxPool", x, **window(graph, x))


def resize(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_integer(known) and known.data.ndim == 4)
    scales = graph.constant([1, 1, *graph.rng.integers(1, 3, 2)], np.float32)
    graph.add(
        "Resize", x, None, scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )


def to_space(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: is_byte(known) and known.data.ndim == 4 and known.data.shape[1] % 4 == 0)
    graph.add("DepthToSpace", x, blocksize=2)


def product(graph: RandomGraph) -> None:
    """MatMulInteger, or a MatMul of 32 bits and more. int8 weights of 7 bits: see onnxruntime_session.py."""
    x = graph.pick(lambda known: known.data.ndim >= 2 and of_kind("int8", "uint8", "int32", "int64")(known))
    shape = (x.data.shape[-1], int(graph.rng.integers(1, 5)))
    if not is_byte(x):
        graph.add("MatMul", x, graph.constant(graph.rng.integers(-9, 9, shape), x.data.dtype))
        return
    w, zero = byte_weights(graph, shape)
    graph.add("MatMulInteger", x, w, zero_point(graph, x), zero)


def convolve(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: of_kind("uint8")(known) and image(known))
    attrs = window(graph, x)
    kernel = attrs["kernel_shape"]
    w, zero = byte_weights(graph, (int(graph.rng.integers(1, 5)), x.data.shape[1], *kernel))
    graph.add("ConvInteger", x, w, zero_point(graph, x), zero, **attrs)


def byte_weights(graph: RandomGraph, shape: tuple[int, ...]) -> tuple[Known, Known | None]:
    dtype = graph.choice(BYTES)
    low, high = (-64, 64) if dtype == np.int8 else (64, 192)
    zero = 0 if dtype == np.int8 else int(graph.rng.integers(100, 156))
    absent = zero == 0 and graph.rng.random() < 0.5
    return graph.constant(graph.rng.integers(low, high, shape), dtype), None if absent else graph.constant(zero, dtype)


def zero_point(graph: RandomGraph, x: Known) -> Known | None:
    """The value's own, where it was quantized, or another one."""
    if x.name in graph.parameters and graph.rng.random() < 0.7:
        return graph.parameters[x.name][1]
    return graph.constant(graph.rng.integers(0, 100), x.data.dtype) if graph.rng.random() < 0.7 else None


def real_again(graph: RandomGraph) -> None:
    """(Cast(q) - zero point) * scale, as tools write it that know no DequantizeLinear."""
    x = graph.pick(is_byte)
    real = graph.add("Cast", x, to=onnx.TensorProto.FLOAT, exact=True)[0]
    moved = graph.add("Sub", real, graph.constant(float(graph.rng.integers(-20, 150)), np.float32), exact=True)[0]
    scaled = graph.add("Mul", moved, graph.constant(graph.choice((0.125, 0.0625)), np.float32), exact=True)
    assert multiples(scaled[0].data, FINE)


FAMILIES = (
    *(cast, cast, unary, clip, clip, binary, binary, divide, shift, compare, compare, reduce, places, sums, pool, pool),
    *(resize, to_space, product, convolve, real_again),
)
