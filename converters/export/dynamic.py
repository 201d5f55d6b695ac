"""DynamicMatMul and DynamicConv as ONNX nodes, which compute in float32 what the integers are."""

from __future__ import annotations

import numpy as np
from onnx import helper

from ...runtime.ops.dynamic_mat_mul import SMALLEST
from ...runtime.ops.dynamic_quantize_linear import STEPS
from .writer import Writer


def rounded_rows(writer: Writer, a: str, y: str) -> tuple[str, str]:
    """Names of runtime/ops/dynamic_mat_mul.rounded_rows of tensor a; y: what the nodes' results are called after."""
    constants = {"zero": 0, "half": 0.5, "steps": STEPS, "smallest": SMALLEST}
    at = {name: writer.constant(f"{y}.{name}", np.array(number, np.float32)) for name, number in constants.items()}
    axis = writer.constant(f"{y}.axis", np.array([-1]))

    def make(op: str, *inputs: str, **attrs: int) -> str:
        made = writer.new(f"{y}.{op}")
        writer.emit(op, list(inputs), [made], attrs)
        return made

    low = make("Min", make("ReduceMin", a, axis, keepdims=1), at["zero"])
    high = make("Max", make("ReduceMax", a, axis, keepdims=1), at["zero"])
    span = make("Max", make("Sub", high, low), at["smallest"])
    factor = make("Div", at["steps"], span)
    zero = make("Floor", make("Add", make("Mul", make("Neg", low), factor), at["half"]))
    placed = make("Add", make("Round", make("Mul", a, factor)), zero)
    steps = make("Sub", make("Clip", placed, at["zero"], at["steps"]), zero)
    return steps, make("Div", span, at["steps"])


def rounded_whole(writer: Writer, x: str, y: str) -> tuple[str, str]:
    """The same of a tensor that is rounded over its whole range."""
    names = [writer.new(f"{y}.{what}") for what in ("bytes", "step", "zero_point")]
    writer.emit("DynamicQuantizeLinear", [x], names)
    steps = writer.new(f"{y}.steps")
    writer.emit("Sub", [in_float32(writer, name, y) for name in names[::2]], [steps])
    return steps, names[1]


def in_float32(writer: Writer, x: str, y: str) -> str:
    made = writer.new(f"{y}.wide")
    writer.emit("Cast", [x], [made], {"to": helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))})
    return made
