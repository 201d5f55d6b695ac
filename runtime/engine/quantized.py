"""Real numbers to and from the integers of a model's inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments import text
from ..errors import InputError
from ..graph import Quantization
from ..model import Model, TensorInfo
from ..ops import integer
from .feeds import as_array, check_shape


def quantize(model: Model, name: str, array: Any) -> np.ndarray:
    """The integers of an input or output (by name or alias) that stand for real numbers: round half even(x / scale) +
    zero point, in float32, saturated to the tensor's dtype.

    InputError: no such name, a tensor without quantization, numbers of another shape, NaN.
    """
    what, info, quant = _find(model, name)
    reals = as_array(what, array)
    if reals.dtype.kind not in "fiub":
        raise InputError(f"{what}: real numbers are wanted, not {reals.dtype}")
    check_shape(what, info, reals)
    with np.errstate(over="ignore"):
        reals = reals.astype(np.float32)
    if np.isnan(reals).any():
        raise InputError(f"{what}: a NaN among the real numbers, for which no integer stands")
    return integer.quantize(reals, quant, info.dtype)


def dequantize(model: Model, name: str, array: Any) -> np.ndarray:
    """scale * (q - zero point) as float32, of the integers of an input or output (by name or alias).

    InputError: no such name, a tensor without quantization, integers of another dtype or shape.
    """
    what, info, quant = _find(model, name)
    integers = as_array(what, array)
    if integers.dtype != info.dtype:
        raise InputError(f"{what} expected, got {integers.dtype}: only the tensor's own integers have a real number")
    check_shape(what, info, integers)
    return integer.dequantize(integers, quant)


def _find(model: Model, name: str) -> tuple[str, TensorInfo, Quantization]:
    what, info = _public(model, name)
    if info.quant is None:
        raise InputError(f"{what} carries no quantization: its numbers are what they say")
    return what, info, info.quant


def _public(model: Model, name: str) -> tuple[str, TensorInfo]:
    inputs, outputs = model.inputs, model.outputs
    text("name", name)
    if name in inputs or name in model.metadata.input_aliases:
        info = inputs[model.input_name(name)]
        return f"input {info}", info
    if name in outputs or name in model.metadata.output_aliases:
        info = outputs[model.output_name(name)]
        return f"output {info}", info
    listed = ", ".join(f"'{known}'" for known in (*inputs, *outputs))
    raise InputError(f"the model has no input or output '{name}'; it has {listed}")
