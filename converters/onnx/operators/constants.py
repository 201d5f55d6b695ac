"""Constant, ConstantOfShape, Identity, Dropout and casts."""

from __future__ import annotations

import numpy as np
import onnx

from ....runtime.boxed import TEXT
from ....runtime.graph import Value
from .. import sequences, texts
from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..narrow import finish_narrow
from ..tensors import is_narrow

_NUMBERS = {
    "value_float": (np.float32, float),
    "value_floats": (np.float32, float),
    "value_int": (np.int64, int),
    "value_ints": (np.int64, int),
}


_VALUES = frozenset(("value", "sparse_value", "value_string", "value_strings", *_NUMBERS))


def _text(value: str | list[str]) -> np.ndarray:
    found = np.empty(() if isinstance(value, str) else len(value), TEXT)
    found[...] = value
    return found


@handles("Constant")
def constant(call: Call) -> None:
    given = [(name, value) for name, value in call.attrs.items() if name.startswith(("value", "sparse_value"))]
    if len(given) != 1:
        raise Unsupported("needs exactly one value")
    name, value = given[0]
    dtype, kind = _NUMBERS.get(name, (None, None))
    if kind is not None and all(isinstance(item, kind) for item in (value if isinstance(value, list) else [value])):
        value = np.array(value, dtype)
    if name in ("value_string", "value_strings") and isinstance(value, (str, list)):
        value = _text(value)
    if not isinstance(value, np.ndarray) or name not in _VALUES:
        raise Unsupported(f"constants given by '{name}' are not supported")
    if value.dtype == TEXT:
        value, names = texts.places_of(value)
        texts.note(call, 0, names)
    call.builder.define(Value(call.outputs[0], value.dtype, value.shape, data=value))


@handles("ConstantOfShape")
def constant_of_shape(call: Call) -> None:
    value = call.attrs.get("value")
    if value is not None and (not isinstance(value, np.ndarray) or value.size != 1):
        raise Unsupported("attribute 'value' must hold one element")
    call.finish("ConstantOfShape", call.inputs, {} if value is None else {"value": value.reshape(1)})


@handles("Identity")
def identity(call: Call) -> None:
    """A constant keeps being one, so that handlers of what reads it see its data."""
    found = sequences.of(call)
    if found is not None:
        sequences.finish(call, found)
        return
    data = call.constant(0)
    if data is None:
        call.finish("Identity", call.inputs)
    else:
        call.builder.define(Value(call.outputs[0], data.dtype, data.shape, data=data))


@handles("Dropout")
def dropout(call: Call) -> None:
    """Nothing is dropped in inference, and so the mask is all true."""
    mode = call.constant(2)
    if call.has(2) and (mode is None or mode.any()):
        raise Unsupported("training mode is not supported")
    if call.outputs[0]:
        call.builder.emit("Identity", [call.input(0)], call.outputs[:1], {}, call.name)
    if call.wants(1):
        shape = call.make("Shape", [call.input(0)])
        full = {"value": np.ones(1, np.bool_)}
        call.builder.emit("ConstantOfShape", [shape], call.outputs[1:2], full, call.name)


@handles("Cast")
def cast(call: Call) -> None:
    """Constants are cast now where they are few numbers: shapes that exporters pass through a Cast."""
    code = call.attrs.get("to")
    if isinstance(code, int) and is_narrow(code):
        finish_narrow(call, call.input(0), code, call.integer("saturate", 1))
        return
    names = texts.of(call, call.input(0))
    if names is not None and code == onnx.TensorProto.STRING:
        texts.note(call, 0, names)
        call.finish("Identity", call.inputs)
        return
    x = texts.written(call.scope, call.input(0)) if names is not None else call.input(0)
    if code == onnx.TensorProto.STRING:
        call.finish("Identity" if call.value(x).dtype == TEXT else "NumbersToText", [x])
        return
    attrs = known_attributes(call, "Cast")
    if call.value(x).dtype == TEXT:
        call.finish("TextToNumbers", [x], {"to": attrs.get("to", "")})
        return
    data = call.constant(0)
    wanted = attrs.get("to")
    if data is not None and data.size <= 64 and isinstance(wanted, str) and data.dtype.kind != "f":
        data = data.astype(wanted)
        call.builder.define(Value(call.outputs[0], data.dtype, data.shape, data=data))
        return
    call.finish("Cast", call.inputs, attrs)


@handles("CastLike")
def cast_like(call: Call) -> None:
    code = call.scope.job.narrow.get(call.input(1))
    if code is not None:
        finish_narrow(call, call.input(0), code, call.integer("saturate", 1))
        return
    source, like = call.dtype(0), call.dtype(1)
    if TEXT in (source, like):
        to_text = "Identity" if source == TEXT else "NumbersToText"
        attrs = {} if like == TEXT else {"to": like.name}
        call.finish(to_text if like == TEXT else "TextToNumbers", [call.input(0)], attrs)
        return
    call.finish("Cast", [call.input(0)], {**known_attributes(call, "CastLike"), "to": call.dtype(1).name})
