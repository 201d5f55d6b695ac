"""AttributeProto -> Python."""

from __future__ import annotations

from typing import Any

from onnx import AttributeProto, TensorProto

from ...runtime.errors import ModelError
from .stored_tensors import StoredTensors

_SCALARS = {AttributeProto.INT: "i", AttributeProto.FLOAT: "f", AttributeProto.GRAPH: "g"}
_LISTS = {AttributeProto.INTS: "ints", AttributeProto.FLOATS: "floats", AttributeProto.GRAPHS: "graphs"}


def value_of(attr: AttributeProto, stored: StoredTensors, allow_nan: bool = False) -> Any:
    """int, float, str, ndarray, GraphProto, TypeProto or a list of those.

    ModelError: another type, damaged tensors or text.
    """
    if attr.type in _SCALARS:
        return getattr(attr, _SCALARS[attr.type])
    if attr.type in _LISTS:
        return list(getattr(attr, _LISTS[attr.type]))
    if attr.type == AttributeProto.STRING:
        return _text(attr.s, attr.name)
    if attr.type == AttributeProto.STRINGS:
        return [_text(item, attr.name) for item in attr.strings]
    if attr.type == AttributeProto.TENSOR:
        if attr.t.data_type == TensorProto.STRING:
            return stored.text(attr.t)
        return stored.dense(attr.t, allow_nan)
    if attr.type == AttributeProto.TENSORS:
        return [stored.dense(item, allow_nan) for item in attr.tensors]
    if attr.type == AttributeProto.TYPE_PROTO:
        return attr.tp
    if attr.type == AttributeProto.SPARSE_TENSOR:
        return stored.sparse(attr.sparse_tensor)
    raise ModelError(f"attribute '{attr.name}' is of a type that is not supported ({attr.type})")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ModelError(f"attribute '{name}' is not text") from None
