"""Which operators work element by element, so that their inputs and outputs can be permuted or reshaped together."""

from __future__ import annotations

UNARY = frozenset(
    (
        *("Relu", "Relu6", "ReluN1To1", "LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Gelu", "SiLU"),
        *(
            "Mish",
            "Softplus",
            "Softsign",
            "Elu",
            "Selu",
            "Celu",
            "ThresholdedRelu",
            "Shrink",
            "Erf",
            "Exp",
            "Log",
            "Sqrt",
        ),
        *(
            "Abs",
            "Neg",
            "Floor",
            "Ceil",
            "Round",
            "Sign",
            "Reciprocal",
            "Sin",
            "Cos",
            "Tan",
            "Asin",
            "Acos",
            "Atan",
            "Sinh",
        ),
        *("Cosh", "Asinh", "Acosh", "Atanh", "Not", "IsNaN", "IsInf", "Cast", "Requantize", "Identity", "BitwiseNot"),
    )
)
"""One input, one output of the same shape."""

BROADCASTING = frozenset(
    (
        *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Min", "Max", "Mean", "Sum", "Where", "PRelu"),
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor"),
        *("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift"),
    )
)
"""Inputs broadcast against each other. (PRelu's slope broadcasts to its first input.)"""
