"""Those of StableHLO's operators that are others by their name."""

from __future__ import annotations

import numpy as np

from ..handlers import Handler, handles
from ..operator import Operator

UNARY = {
    "ABS": "Abs",
    "COSINE": "Cos",
    "EXPONENTIAL": "Exp",
    "FLOOR": "Floor",
    "LOG": "Log",
    "LOGISTIC": "Sigmoid",
    "NEGATE": "Neg",
    "TANH": "Tanh",
}
BINARY = {
    "ADD": "Add",
    "DIVIDE": "Div",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "MULTIPLY": "Mul",
    "POWER": "Pow",
    "SUBTRACT": "Sub",
}
LOGIC = {"AND": ("And", "BitwiseAnd"), "OR": ("Or", "BitwiseOr")}
"""On booleans and on integers."""
COMPARISONS = ("Equal", "NotEqual", "GreaterOrEqual", "Greater", "LessOrEqual", "Less")
"""By StablehloComparisonDirection."""


def _same(name: str, count: int) -> Handler:
    def convert(op: Operator) -> None:
        op.node(name, [op.input(position) for position in range(count)], [op.output()])

    return convert


for _table, _count in ((UNARY, 1), (BINARY, 2)):
    for _kind, _name in _table.items():
        handles(f"STABLEHLO_{_kind}")(_same(_name, _count))


@handles("STABLEHLO_AND", "STABLEHLO_OR")
def logic(op: Operator) -> None:
    logical, bitwise = LOGIC[op.kind.removeprefix("STABLEHLO_")]
    name = logical if op.value(op.input(0)).dtype == np.bool_ else bitwise
    op.node(name, [op.input(0), op.input(1)], [op.output()])


@handles("STABLEHLO_RSQRT")
def rsqrt(op: Operator) -> None:
    op.node("Reciprocal", [op.new("Sqrt", [op.input(0)])], [op.output()])


@handles("STABLEHLO_REMAINDER")
def remainder(op: Operator) -> None:
    """With the dividend's sign."""
    op.node("Mod", [op.input(0), op.input(1)], [op.output()], fmod=1)


@handles("STABLEHLO_SELECT")
def select(op: Operator) -> None:
    op.node("Where", [op.input(0), op.input(1), op.input(2)], [op.output()])


@handles("STABLEHLO_CLAMP")
def clamp(op: Operator) -> None:
    """Inputs: least, data, most."""
    op.node("Min", [op.new("Max", [op.input(1), op.input(0)]), op.input(2)], [op.output()])


@handles("STABLEHLO_COMPARE")
def compare(op: Operator) -> None:
    direction = op.option("ComparisonDirection", 0)
    if not 0 <= direction < len(COMPARISONS):
        raise op.error(f"comparison {direction} is none of {', '.join(COMPARISONS)}")
    name, inputs = COMPARISONS[direction], [op.input(0), op.input(1)]
    if name == "NotEqual":
        op.node("Not", [op.new("Equal", inputs, bool)], [op.output()])
    else:
        op.node(name, inputs, [op.output()])


@handles("STABLEHLO_CONVERT")
def convert(op: Operator) -> None:
    if op.quantized(0) or op.value(op.output()).quant is not None:
        raise op.unsupported("a conversion of quantized numbers is not supported")
    op.node("Cast", [op.input(0)], [op.output()], to=op.value(op.output()).dtype.name)


@handles("STABLEHLO_RESHAPE")
def reshape(op: Operator) -> None:
    shape = op.result_tensor().shape
    if None in shape:
        raise op.unsupported("its output's shape is known only at run time")
    sizes = op.int64s([int(size or 0) for size in shape], "shape")
    op.node("Reshape", [op.input(0), sizes], [op.output()], allowzero=1)


@handles("STABLEHLO_CONCATENATE")
def concatenate(op: Operator) -> None:
    axis = op.axis(op.option("Dimension", 0), op.rank(0))
    op.node("Concat", [op.input(position) for position in range(op.input_count)], [op.output()], axis=axis)


@handles("STABLEHLO_TRANSPOSE")
def transpose(op: Operator) -> None:
    op.node("Transpose", [op.input(0)], [op.output()], perm=op.option("Permutation", []))


@handles("STABLEHLO_SLICE")
def slice_(op: Operator) -> None:
    axes = list(range(op.rank(0)))
    lists = [op.option(name, []) for name in ("StartIndices", "LimitIndices")]
    strides = op.option("Strides", []) or [1] * len(axes)
    if any(len(numbers) != len(axes) for numbers in (*lists, strides)):
        raise op.error(f"starts, limits and strides do not fit {len(axes)} dimensions")
    names = [op.int64s(numbers, hint) for numbers, hint in zip((*lists, axes, strides), "sean", strict=True)]
    op.node("Slice", [op.input(0), *names], [op.output()])


@handles("STABLEHLO_BROADCAST_IN_DIM")
def broadcast_in_dim(op: Operator) -> None:
    """Dimension i of the input becomes dimension places[i] of the output."""
    shape, places = op.result_tensor().shape, op.option("BroadcastDimensions", [])
    if None in shape or len(places) != op.rank(0):
        raise op.unsupported("its output's shape is known only at run time, or is not that of its dimensions")
    sizes = [1] * len(shape)
    for place, size in zip(places, op.shape(0), strict=True):
        sizes[op.axis(place, len(shape))] = -1 if size is None else size
    spread = op.new("Reshape", [op.input(0), op.int64s(sizes, "sizes")])
    op.node("Expand", [spread, op.int64s([int(size or 0) for size in shape], "shape")], [op.output()])
