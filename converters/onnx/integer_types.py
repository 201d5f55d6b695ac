"""What types integers, zero points and scales of quantized operators must have: their handlers' arithmetic rests on it.

A product of integers is exact as 8 bits times 8 bits, and a zero point is a number of the integers that it belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .call import Call
from .handlers import MICROSOFT
from .job import Unsupported

BYTES = frozenset({np.dtype(np.int8), np.dtype(np.uint8)})


@dataclass(frozen=True, slots=True)
class Types:
    """Of a node's inputs: pairs are integers of 8 bits and their zero point, wide ones of any size, results zero points
    of what the node makes, scales floats, sums int32."""

    pairs: tuple[tuple[int, int], ...] = ()
    wide: tuple[tuple[int, int], ...] = ()
    results: tuple[int, ...] = ()
    scales: tuple[int, ...] = ()
    sums: tuple[int, ...] = ()


_PRODUCT = Types(pairs=((0, 2), (1, 3)))
_UNARY = Types(pairs=((0, 2),), results=(4,), scales=(1, 3))
_BINARY = Types(pairs=((0, 2), (3, 5)), results=(7,), scales=(1, 4, 6))
_LINEAR = {
    "QuantizeLinear": Types(scales=(0, 1)),
    "DequantizeLinear": Types(wide=((0, 2),), scales=(1,)),
}
_OPERATORS = {
    **{(domain, op): types for domain in ("", MICROSOFT) for op, types in _LINEAR.items()},
    ("", "MatMulInteger"): _PRODUCT,
    ("", "ConvInteger"): _PRODUCT,
    ("", "QLinearConv"): replace(_BINARY, sums=(8,)),
    ("", "QLinearMatMul"): _BINARY,
    **{(MICROSOFT, f"QLinear{op}"): _BINARY for op in ("Add", "Mul")},
    **{
        (MICROSOFT, f"QLinear{op}"): _UNARY
        for op in ("Sigmoid", "LeakyRelu", "Softmax", "AveragePool", "GlobalAveragePool")
    },
    (MICROSOFT, "QLinearWhere"): Types(pairs=((1, 3), (4, 6)), results=(8,), scales=(2, 5, 7)),
    (MICROSOFT, "QGemm"): Types(pairs=((0, 2), (3, 5)), results=(8,), scales=(1, 4, 7), sums=(6,)),
    (MICROSOFT, "QAttention"): Types(pairs=((0, 6), (1, 7)), scales=(3, 4)),
    (MICROSOFT, "MatMulIntegerToFloat"): Types(pairs=((0, 4), (1, 5)), scales=(2, 3)),
    (MICROSOFT, "DynamicQuantizeMatMul"): Types(pairs=((1, 3),), scales=(2,)),
    (MICROSOFT, "DynamicQuantizeLSTM"): Types(pairs=((1, 9), (2, 11)), scales=(8, 10)),
}


def check(call: Call, domain: str) -> None:
    """Unsupported where an input is not of the type that the operator is defined for."""
    types = _types(call, domain)
    # What a node that was refused gives is not known, and its readers are not at fault.
    if types is None or call.scope.job.problems:
        return
    for x, _ in types.pairs:
        _require(call, x, BYTES, "int8 or uint8")
    for x, zero_point in types.pairs + types.wide:
        if call.has(x):
            _same(call, zero_point, call.input(x))
    for index in types.results:
        _require(call, index, BYTES, "int8 or uint8, as is what the node makes")
    for index in types.sums:
        _require(call, index, {np.dtype(np.int32)}, "int32, as sums of products are")
    for index in types.scales:
        if call.has(index) and call.dtype(index).kind != "f":
            raise Unsupported(f"its input {index} '{call.input(index)}' is {call.dtype(index)}; make it float32")


def _types(call: Call, domain: str) -> Types | None:
    if (domain, call.op) == (MICROSOFT, "QLinearConcat"):
        starts = range(2, len(call.inputs), 3)
        pairs, scales = tuple((i, i + 2) for i in starts), (0, *(i + 1 for i in starts))
        return Types(pairs=pairs, results=(1,), scales=scales)
    return _OPERATORS.get((domain, call.op))


def _require(call: Call, index: int, dtypes: set[np.dtype] | frozenset[np.dtype], wanted: str) -> None:
    if call.has(index) and call.dtype(index) not in dtypes:
        raise Unsupported(f"its input {index} '{call.input(index)}' is {call.dtype(index)}; it must be {wanted}")


def _same(call: Call, zero_point: int, x: str) -> None:
    if call.has(zero_point) and call.dtype(zero_point) != call.value(x).dtype:
        raise Unsupported(
            f"its zero point '{call.input(zero_point)}' is {call.dtype(zero_point)}, but '{x}' is "
            f"{call.value(x).dtype}; make the zero point {call.value(x).dtype}"
        )
