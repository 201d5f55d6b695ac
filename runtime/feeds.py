"""What the caller feeds, checked against what the model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import InputError
from .model import Model, TensorInfo


def check_feeds(model: Model, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays by graph name; InputError where a name, shape or dtype is not the model's."""
    arrays: dict[str, np.ndarray] = {}
    for given, value in feeds.items():
        name = model.input_name(given)
        if name in arrays:
            raise InputError(f"input '{name}' is given twice")
        arrays[name] = _checked(model.inputs[name], value)
    missing = [_describe(info) for name, info in model.inputs.items() if name not in arrays]
    if missing:
        raise InputError(f"missing {', '.join(missing)}")
    return arrays


def _checked(info: TensorInfo, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype != info.dtype:
        raise InputError(f"{_describe(info)} expected, got {array.dtype}; convert with .astype(np.{info.dtype})")
    if info.shape is None:
        return array
    if array.ndim != len(info.shape) or any(
        isinstance(want, int) and want != got for want, got in zip(info.shape, array.shape, strict=True)
    ):
        raise InputError(f"{_describe(info)} expected, got shape {array.shape}")
    return array


def _describe(info: TensorInfo) -> str:
    shape = (
        "any shape"
        if info.shape is None
        else f"({', '.join(map(str, info.shape))}{',' if len(info.shape) == 1 else ''})"
    )
    return f"input '{info.name}' {info.dtype} {shape}"
