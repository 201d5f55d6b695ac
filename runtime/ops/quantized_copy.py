"""Elements that move from one quantized tensor to another."""

from __future__ import annotations

import numpy as np

from ..graph import Quantization
from .integer import dequantize, quantize


def convert(data: np.ndarray, source: Quantization, target: Quantization, dtype: np.dtype | type) -> np.ndarray:
    """The same real numbers in the target's quantization, rounded half to even; data itself where nothing changes."""
    if source == target and data.dtype == dtype:
        return data
    return quantize(dequantize(data, source), target, dtype)
