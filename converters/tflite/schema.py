"""Numbers of the TFLite schema by their names. The generated `tflite` package holds them; nothing is copied here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tflite

_DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
}

OPTION_CLASSES = (tflite.BuiltinOptions, tflite.BuiltinOptions2)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


OPERATORS = _names(tflite.BuiltinOperator)
TENSOR_TYPES = _names(tflite.TensorType)
ACTIVATIONS = _names(tflite.ActivationFunctionType)
PADDINGS = _names(tflite.Padding)
MIRROR_MODES = _names(tflite.MirrorPadMode)


def dtype_of(type_name: str) -> np.dtype | None:
    """The NumPy dtype of a tensor type's name; None for strings, resources and what NumPy lacks."""
    name = _DTYPES.get(type_name)
    return None if name is None else np.dtype(name)


@cache
def option_class(table: int, code: int) -> type | None:
    """The generated class of an options union's member: table 0 for builtin_options, 1 for builtin_options_2."""
    name = _names(OPTION_CLASSES[table]).get(code)
    return None if name in (None, "NONE") else getattr(tflite, name, None)


@cache
def option_readers(options: type) -> dict[str, Callable[[Any], Any]]:
    """Field name -> accessor of the generated class, for scalar, string and number-vector fields."""
    readers: dict[str, Callable[[Any], Any]] = {}
    for name, accessor in vars(options).items():
        if not inspect.isfunction(accessor) or name == "Init" or name.endswith(("AsNumpy", "Length", "IsNone")):
            continue
        vector = getattr(options, f"{name}AsNumpy", None)
        if vector is not None:
            readers[name] = vector
        elif len(inspect.signature(accessor).parameters) == 1:
            readers[name] = accessor
    return readers
