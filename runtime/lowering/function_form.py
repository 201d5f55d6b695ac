"""Which entry of kernels.functions.FUNCTIONS computes an operator or a fused activation, and with which numbers.

Numbers are what a kernel is given, not what it is made of: operators that differ by them alone share one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ..ops.activation import AFFINE
from ..program.builder import Builder
from ..program.view import Place


class FunctionForm(NamedTuple):
    """function: None for the identity. numbers: float32, as many as the function takes, at most two."""

    function: str | None
    numbers: tuple[float, ...] = ()

    def arguments(self) -> dict[str, float]:
        """The parameters of kernels that take both numbers, used or not."""
        first, second, *_ = (*self.numbers, 0.0, 0.0)
        return {"first_number": first, "second_number": second}

    def place(self, b: Builder) -> Place | None:
        """The numbers among the weights, for kernels that read them from memory; None where there are none."""
        return b.constant(np.array(self.numbers, np.float32)) if self.numbers else None


def _gelu(tanh: float = 0.0) -> FunctionForm:
    return FunctionForm("GeluTanh" if tanh else "Gelu")


def _affine(name: str) -> Callable[..., FunctionForm]:
    return lambda scale, offset: FunctionForm(name, (scale, offset))


def _silu(alpha: float = 1.0) -> FunctionForm:
    return FunctionForm("SiLU") if alpha == 1 else FunctionForm("SiLUScaled", (alpha,))


FORMS: dict[str, Callable[..., FunctionForm]] = {
    "Clip": lambda low, high: FunctionForm("Clip", (low, high)),
    "LeakyRelu": lambda alpha=0.01: FunctionForm("LeakyRelu", (alpha,)),
    "HardSigmoid": lambda alpha=0.2, beta=0.5: FunctionForm("HardSigmoid", (alpha, beta)),
    "Gelu": _gelu,
    "SiLU": _silu,
    "Elu": lambda alpha=1.0: FunctionForm("Elu", (alpha,)),
    "Selu": lambda alpha, gamma: FunctionForm("Selu", (alpha * gamma, gamma)),
    "Celu": lambda alpha=1.0: FunctionForm("Celu", (1 / alpha, alpha)),
    "ThresholdedRelu": lambda alpha=1.0: FunctionForm("ThresholdedRelu", (alpha,)),
    "Shrink": lambda bias=0.0, lambd=0.5: FunctionForm("Shrink", (bias, lambd)),
    **{name: _affine(name) for name in AFFINE},
}
"""Of those that take parameters, in the order of ops/activation.py."""


def function_form(name: str | None, params: Sequence[float] = ()) -> FunctionForm:
    """params: of the operator, as ops/activation.py has them."""
    form = FORMS[name](*params) if name in FORMS else FunctionForm(name)
    if not form.numbers:
        return form
    with np.errstate(over="ignore"):
        return form._replace(numbers=tuple(float(np.float32(number)) for number in form.numbers))
