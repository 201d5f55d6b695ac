"""Checks that several operators' `infer` share. Each raises the node's ModelError and returns what it proved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .registry import Context, Inferred, Shape, Tensor

FLOATS = "f"
INTEGERS = "iu"
NUMBERS = "fiu"
BOOL = "b"

_NAMED = {
    name: np.dtype(name)
    for name in (
        *("float16", "float32", "float64", "bool"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
}
DTYPES = frozenset(_NAMED.values())
"""Every dtype that a tensor may have."""


def normalize_axis(ctx: Context, axis: int, rank: int) -> int:
    """axis counted from the front; it must lie in [-rank, rank - 1]."""
    if not -rank <= axis < rank:
        raise ctx.error(f"axis {axis} is out of range for a tensor of rank {rank}")
    return axis % rank


def normalize_axes(ctx: Context, axes: Iterable[int], rank: int) -> list[int]:
    """Each axis counted from the front, in the order given, none twice."""
    found = [normalize_axis(ctx, int(axis), rank) for axis in axes]
    if len(set(found)) != len(found):
        raise ctx.error(f"axes {found} name one axis twice")
    return found


def broadcast(ctx: Context, *shapes: Shape) -> Shape:
    """The shape that all of them broadcast to."""
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        listed = " and ".join(map(str, shapes))
        raise ctx.error(f"shapes {listed} do not broadcast against each other") from None


def same_dtype(ctx: Context, tensors: Sequence[Tensor]) -> np.dtype:
    """The one dtype of all these tensors."""
    first = tensors[0]
    for other in tensors[1:]:
        if other.dtype != first.dtype:
            raise ctx.error(f"'{first.name}' is {first.dtype}, but '{other.name}' is {other.dtype}; they must agree")
    return first.dtype


def require_kind(ctx: Context, tensor: Tensor, kinds: str) -> np.dtype:
    """The tensor's dtype, which must be of one of the kinds (FLOATS, INTEGERS, NUMBERS, BOOL).

    A quantized tensor stands for real numbers, so it counts as a float.
    """
    kind = "f" if tensor.quant is not None else tensor.dtype.kind
    if kind not in kinds:
        wanted = {"f": "floats", "i": "integers", "u": "unsigned integers", "b": "booleans"}
        raise ctx.error(f"'{tensor.name}' is {tensor.dtype}; it takes {', '.join(wanted[k] for k in kinds)}")
    return tensor.dtype


def integer_vector(ctx: Context, index: int) -> list[int] | None:
    """The constant input at index, of rank 0 or 1, as a list of int; None where the node lacks it."""
    data = ctx.optional_constant(index)
    if data is None:
        return None
    if data.ndim > 1 or data.dtype.kind not in INTEGERS or ctx.input(index).quant is not None:
        raise ctx.error(f"input {index} must be a list of integers, not {data.dtype} of shape {data.shape}")
    return [int(item) for item in data.reshape(-1)]


def integer_scalar(ctx: Context, index: int) -> int:
    """The constant input at index, one integer of rank 0 or 1."""
    values = integer_vector(ctx, index)
    if values is None or len(values) != 1:
        raise ctx.error(f"input {index} must be one integer")
    return values[0]


def named_dtype(ctx: Context, name: str) -> np.dtype:
    """The dtype that an attribute names as NumPy does: "float32", "int64", "bool"."""
    if name not in _NAMED:
        raise ctx.error(f"dtype '{name}' is not one of {', '.join(sorted(_NAMED))}")
    return _NAMED[name]


def infer_elementwise(ctx: Context) -> list[Inferred]:
    """One output: the broadcast shape of all inputs, their common dtype."""
    tensors = [ctx.input(index) for index in range(len(ctx.inputs))]
    return [(broadcast(ctx, *(tensor.shape for tensor in tensors)), same_dtype(ctx, tensors))]


def infer_same(ctx: Context) -> list[Inferred]:
    """One output like the first input."""
    return [(ctx.input(0).shape, ctx.input(0).dtype)]
