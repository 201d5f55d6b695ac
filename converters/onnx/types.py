"""What an ONNX model says of its values: element types and shapes, declared or inferred by the onnx package."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx

from ...runtime.errors import ModelError
from ...runtime.graph import Dim
from .tensors import DTYPES, element_type

_MAX_DIM = (1 << 31) - 1
_MAX_ELEMENTS = 1 << 40
_NAMELESS = {"", "?", "None", "-1"}
_LARGE = 1024


@dataclass(frozen=True, slots=True)
class Hint:
    """What is known of a value beforehand; None: unknown."""

    dtype: np.dtype | None = None
    shape: tuple[Dim, ...] | None = None


def input_hint(info: onnx.ValueInfoProto, label: str) -> Hint:
    """The declared type of a public input. ModelError where it is no tensor or its dtype or size is not possible."""
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ModelError(
            f"{label}: input '{info.name}' is a {kind or 'value of unknown type'}; only tensors are supported"
        )
    code = info.type.tensor_type.elem_type
    dtype = DTYPES.get(code)
    if dtype is None:
        raise ModelError(
            f"{label}: input '{info.name}' is of element type {element_type(code)}, which is not supported"
        )
    shape = _shape(info)
    if shape is not None:
        sizes = [dim for dim in shape if isinstance(dim, int)]
        if any(size > _MAX_DIM for size in sizes) or prod(sizes) > _MAX_ELEMENTS:
            raise ModelError(f"{label}: input '{info.name}' of shape {list(shape)} is too large")
    return Hint(dtype, shape)


def hints(infos: Iterable[onnx.ValueInfoProto]) -> dict[str, Hint]:
    """Name -> what is known of it."""
    found: dict[str, Hint] = {}
    for info in infos:
        if info.type.WhichOneof("value") != "tensor_type":
            continue
        shape = _shape(info)
        if shape is not None and any(isinstance(dim, int) and dim > _MAX_DIM for dim in shape):
            shape = None
        found[info.name] = Hint(DTYPES.get(info.type.tensor_type.elem_type), shape)
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


def infer(model: onnx.ModelProto, weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    """The model with the value_info that onnx's shape inference finds, in subgraphs too.

    Modifies model: initializers that weights holds become inputs where they are large, so that inference copies no
    weight, and what the model declares about intermediate values is dropped, as stale declarations are common.
    Where inference fails, the model returned says nothing about intermediate values.
    """
    graph = model.graph
    given = {info.name for info in graph.input}
    small = [tensor for tensor in graph.initializer if tensor.name in weights and weights[tensor.name].size <= _LARGE]
    small = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in small]
    for name, array in weights.items():
        if array.size > _LARGE and name not in given:
            code = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
            graph.input.append(onnx.helper.make_tensor_value_info(name, code, array.shape))
    del graph.value_info[:], graph.initializer[:], graph.sparse_initializer[:]
    graph.initializer.extend(small)
    for output in graph.output:
        if output.type.WhichOneof("value") == "tensor_type":
            output.type.tensor_type.ClearField("shape")
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (RuntimeError, ValueError, onnx.shape_inference.InferenceError):
        return model
