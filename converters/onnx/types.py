"""What an ONNX model declares of its values: element types and shapes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import TensorProto

from ...runtime.boxed import TEXT, is_optional, optional_of, sequence_of
from ...runtime.errors import ModelError
from ...runtime.graph import Dim
from .tensors import element_type, held_dtype

_MAX_DIM = (1 << 31) - 1
_MAX_ELEMENTS = 1 << 40
_MAX_RANK = 32
_NAMELESS = {"", "?", "None", "-1"}


@dataclass(frozen=True, slots=True)
class Hint:
    """What a model declares of a value; None: nothing."""

    dtype: np.dtype | None = None
    shape: tuple[Dim, ...] | None = None


def input_hint(info: onnx.ValueInfoProto, label: str) -> Hint:
    """The declared type of a public input. ModelError where it is a map or a sparse tensor, or its dtype or size is
    not possible."""
    dtype = declared_dtype(info.type)
    if dtype is None:
        kind = info.type.WhichOneof("value")
        if kind != "tensor_type":
            raise ModelError(
                f"{label}: input '{info.name}' is a {kind or 'value of unknown type'}; tensors, sequences of "
                "tensors and optional values of these are supported"
            )
        raise ModelError(
            f"{label}: input '{info.name}' is of element type {element_type(info.type.tensor_type.elem_type)}, which "
            "is not supported"
        )
    if dtype.names is not None:
        return Hint(dtype)
    shape = _shape(info)
    if shape is not None:
        sizes = [dim for dim in shape if isinstance(dim, int)]
        if len(shape) > _MAX_RANK or any(size > _MAX_DIM for size in sizes) or prod(sizes) > _MAX_ELEMENTS:
            raise ModelError(f"{label}: input '{info.name}' of shape {list(shape)!s:.100} is too large")
    return Hint(dtype, shape)


def element_dtype(code: int) -> np.dtype | None:
    """In which dtype a value of an ONNX element type is held; None where it cannot be."""
    return TEXT if code == TensorProto.STRING else held_dtype(code)


def declared_dtype(proto: onnx.TypeProto) -> np.dtype | None:
    """Of a tensor, a sequence of tensors, or an optional value that is one of these; None of anything else, and where
    nothing is declared."""
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        return element_dtype(proto.tensor_type.elem_type)
    if kind not in ("sequence_type", "optional_type"):
        return None
    inner = declared_dtype(getattr(proto, kind).elem_type)
    if inner is None or (inner.names is not None and (kind == "sequence_type" or is_optional(inner))):
        return None
    return sequence_of(inner) if kind == "sequence_type" else optional_of(inner)


def unknown_sizes(name: str, rank: int) -> tuple[Dim, ...]:
    """The shape of a value of which only the rank is known."""
    return tuple(f"{name}[{axis}]" for axis in range(rank))


def hints(infos: Iterable[onnx.ValueInfoProto]) -> dict[str, Hint]:
    """Name -> what is known of it."""
    found: dict[str, Hint] = {}
    for info in infos:
        if info.type.WhichOneof("value") != "tensor_type":
            found[info.name] = Hint(declared_dtype(info.type))
            continue
        shape = _shape(info)
        if shape is not None and len(shape) > _MAX_RANK:
            shape = None
        found[info.name] = Hint(declared_dtype(info.type), shape)
    return found


def _shape(info: onnx.ValueInfoProto) -> tuple[Dim, ...] | None:
    """Dimensions without a usable name are named after the value, so that two of them are not taken for equal."""
    if not info.type.tensor_type.HasField("shape"):
        return None
    dims: list[Dim] = []
    for axis, dim in enumerate(info.type.tensor_type.shape.dim):
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            dims.append(int(dim.dim_value))
        elif dim.dim_param in _NAMELESS or dim.HasField("dim_value"):
            dims.append(f"{info.name}[{axis}]")
        else:
            dims.append(dim.dim_param)
    return tuple(dims)
