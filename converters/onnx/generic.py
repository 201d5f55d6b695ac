"""Operators whose canonical form is the node itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

from ...runtime.ops.registry import find
from .call import Call
from .job import Unsupported
from .schemas import find_schema
from .tensors import DTYPES, element_type

_DTYPES = ("to", "dtype", "output_dtype", "output_datatype")
"""Attributes that number an element type in ONNX and name a NumPy dtype here; 0 stands for none."""


def pass_through(call: Call) -> None:
    """The node as it is. An attribute that the operator does not know is left out where it has ONNX's default value."""
    call.finish(call.op, call.inputs, known_attributes(call, call.op))


def known_attributes(call: Call, op: str, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The node's attributes without those to skip and without defaults that the operator op does not know."""
    known = find(op)
    names = () if known is None else known.defaults
    kept = {}
    for name, value in call.attrs.items():
        if name in skip:
            continue
        if name in _DTYPES:
            if not isinstance(value, int):
                raise Unsupported(f"attribute '{name}' must be the number of an element type, not {value!r:.60}")
            if value == 0:
                continue
            dtype = DTYPES.get(value)
            if dtype is None:
                raise Unsupported(f"element type {element_type(value)} is not supported")
            value = dtype.name
        if known is not None and name not in names:
            if is_default(call, name, call.attrs[name]):
                continue
            raise Unsupported(f"attribute '{name}' = {value!r:.60} is not supported")
        kept[name] = value
    return kept


def is_default(call: Call, name: str, value: Any) -> bool:
    """Whether ONNX gives the attribute this value where it is left out, or ONNX does not know it at all."""
    schema = find_schema(call.op, call.version)
    if schema is None or name not in schema.attributes:
        return False
    default = schema.attributes[name].default_value
    return bool(default.type) and np.array_equal(_plain(helper.get_attribute_value(default)), value)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
