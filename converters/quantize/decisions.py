"""What the passes decide and `emit` writes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...runtime.graph import Quantization
from .weights import IntegerWeights


@dataclass(slots=True)
class Decisions:
    """quants: of each tensor that becomes integers. weights, biases: of products, by first output; a bias that is not
    there stays as it is. constants: operands of other integer nodes, as int8 with one scale, and weights of recurrent
    layers."""

    quants: dict[str, Quantization] = field(default_factory=dict)
    weights: dict[str, IntegerWeights] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    constants: dict[str, IntegerWeights] = field(default_factory=dict)


def constant_operand(array: np.ndarray) -> IntegerWeights:
    """A constant of few different numbers as int8, symmetric, so that a lone number is exact but for its scale."""
    largest = float(np.abs(array).max(initial=0))
    scale = np.float32(largest / 127 or 1)
    return IntegerWeights(np.rint(array / scale).astype(np.int8), np.array([scale], np.float32), None)
