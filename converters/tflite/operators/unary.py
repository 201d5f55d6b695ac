"""Functions of one tensor, element by element: activations, mathematics, Softmax."""

from __future__ import annotations

import numpy as np

from ....runtime.graph import Attribute
from ..handlers import Handler, handles
from ..operator import Operator

UNARY = {
    "RELU": "Relu",
    "RELU6": "Relu6",
    "RELU_N1_TO_1": "ReluN1To1",
    "LOGISTIC": "Sigmoid",
    "TANH": "Tanh",
    "HARD_SWISH": "HardSwish",
    "ELU": "Elu",
    "ABS": "Abs",
    "NEG": "Neg",
    "EXP": "Exp",
    "LOG": "Log",
    "SQRT": "Sqrt",
    "SIN": "Sin",
    "COS": "Cos",
    "SIGN": "Sign",
    "CEIL": "Ceil",
    "FLOOR": "Floor",
    "ROUND": "Round",
    "LOGICAL_NOT": "Not",
}


def _unary(name: str, **attrs: Attribute) -> Handler:
    def convert(op: Operator) -> None:
        op.node(name, [op.input(0)], [op.output()], **attrs)

    return convert


for _kind, _name in UNARY.items():
    handles(_kind)(_unary(_name))


@handles("RELU_0_TO_1")
def relu_0_to_1(op: Operator) -> None:
    low, high = (op.constant(np.array(limit, np.float32), hint) for limit, hint in ((0, "min"), (1, "max")))
    if op.quantized():
        op.finish_real(op.new("Clip", [op.real_input(0), low, high]))
    else:
        op.node("Clip", [op.input(0), low, high], [op.output()])


@handles("LEAKY_RELU")
def leaky_relu(op: Operator) -> None:
    op.node("LeakyRelu", [op.input(0)], [op.output()], alpha=float(op.option("Alpha")))


@handles("PRELU")
def prelu(op: Operator) -> None:
    op.node("PRelu", [op.input(0), op.input(1)], [op.output()])


@handles("GELU")
def gelu(op: Operator) -> None:
    approximate = "tanh" if op.option("Approximate", False) else "none"
    op.node("Gelu", [op.input(0)], [op.output()], approximate=approximate)


@handles("SQUARE")
def square(op: Operator) -> None:
    op.node("Mul", [op.input(0), op.input(0)], [op.output()])


@handles("RSQRT")
def rsqrt(op: Operator) -> None:
    op.finish_real(op.new("Reciprocal", [op.new("Sqrt", [op.real_input(0)])]))


@handles("SOFTMAX")
def softmax(op: Operator) -> None:
    """Along the last axis, of the input times beta."""
    beta = float(op.option("Beta", 1.0))
    if beta == 1.0:
        op.node("Softmax", [op.input(0)], [op.output()], axis=-1)
        return
    x = op.real_input(0)
    scaled = op.new("Mul", [x, op.constant(np.array(beta, op.value(x).dtype), "beta")])
    op.finish_real(op.new("Softmax", [scaled], axis=-1))


@handles("LOG_SOFTMAX")
def log_softmax(op: Operator) -> None:
    op.node("LogSoftmax", [op.input(0)], [op.output()], axis=-1)


@handles("L2_NORMALIZATION")
def l2_normalization(op: Operator) -> None:
    """Along the last axis."""
    op.finish("LpNormalization", [op.input(0)], axis=-1, p=2)


@handles("LOCAL_RESPONSE_NORMALIZATION")
def local_response_normalization(op: Operator) -> None:
    """ONNX divides alpha by the window's size, TFLite does not."""
    size = 2 * int(op.option("Radius")) + 1
    op.node(
        "LRN",
        [op.input(0)],
        [op.output()],
        size=size,
        alpha=float(op.option("Alpha")) * size,
        beta=float(op.option("Beta")),
        bias=float(op.option("Bias")),
    )
