"""The ranges that images are mostly scaled to, and how a quantizer's own range tells which."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..file.metadata import Preprocessing
from ..graph import Quantization

RANGES: Final = {
    (0.0, 1.0): Preprocessing(scale=1 / 255),
    (-1.0, 1.0): Preprocessing(mean=(127.5,), std=(127.5,)),
    (0.0, 255.0): Preprocessing(),
}
TOLERANCE: Final = 0.01
"""Of the range: a zero point is a whole step of 255, and -1..1 has no such step in its middle."""


def pixels_preprocessing(quant: Quantization, dtype: np.dtype) -> Preprocessing | None:
    """How pixels become the real numbers of an image quantized to 8 bits, where its whole range is one that images are
    scaled to: then a pixel's own number, for int8 less 128, is the integer that stands for it. None else."""
    if dtype.kind not in "iu" or dtype.itemsize != 1 or quant.scale.size != 1 or quant.zero_point.size != 1:
        return None
    limits = np.iinfo(dtype)
    step, zero = float(quant.scale.reshape(())), int(quant.zero_point.reshape(()))
    ends = step * (limits.min - zero), step * (limits.max - zero)
    for (low, high), preprocessing in RANGES.items():
        slack = TOLERANCE * (high - low)
        if abs(ends[0] - low) <= slack and abs(ends[1] - high) <= slack:
            return preprocessing
    return None
