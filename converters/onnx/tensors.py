"""TensorProto -> NumPy array, every size checked before memory is taken."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from onnx import SparseTensorProto, TensorProto

from ...runtime.errors import ModelError
from ...runtime.ops.round_to_format import FORMATS
from .external import Files

DTYPES: dict[int, np.dtype] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.BOOL: np.dtype(np.bool_),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.UINT64: np.dtype(np.uint64),
}
"""ONNX element types that a value of the graph may have."""

NARROW_INTEGERS = {21: (4, False), 22: (4, True), 25: (2, False), 26: (2, True)}
"""UINT4, INT4, UINT2, INT2 as (bits, signed): held in 8 bits."""
NARROW_FLOATS = {
    16: "bfloat16", 17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz", 23: "float4e2m1",
}  # fmt: skip
"""The formats of floats, as round_to_format.py names them, that are held as float32."""

_FIELDS = {
    "float_data": {TensorProto.FLOAT},
    "double_data": {TensorProto.DOUBLE},
    "int64_data": {TensorProto.INT64},
    "uint64_data": {TensorProto.UINT32, TensorProto.UINT64},
    "int32_data": {
        *(TensorProto.INT32, TensorProto.INT16, TensorProto.INT8, TensorProto.UINT16, TensorProto.UINT8),
        *(TensorProto.BOOL, TensorProto.FLOAT16),
    },
}

MAX_BYTES = 1 << 32
MAX_SPARSE_BYTES = 1 << 28


def element_type(code: int) -> str:
    """The name of an ONNX element type, for messages."""
    names: Any = TensorProto.DataType
    return next((name.lower() for name, number in names.items() if number == code), f"number {code}")


def is_narrow(code: int) -> bool:
    """Whether tensors of this element type are held in a wider one."""
    return code in NARROW_INTEGERS or code in NARROW_FLOATS


def held_dtype(code: int) -> np.dtype | None:
    """The dtype in which tensors of an ONNX element type are held; None where they cannot be."""
    if code in NARROW_INTEGERS:
        return np.dtype(np.int8 if NARROW_INTEGERS[code][1] else np.uint8)
    return np.dtype(np.float32) if code in NARROW_FLOATS else DTYPES.get(code)


def to_array(tensor: TensorProto, files: Files, allow_nan: bool = False) -> np.ndarray:
    """The tensor's elements; 4 and 2-bit integers widened to int8 or uint8, narrow floats to float32.

    files: those that external data may be read from.
    ModelError: unknown type, sizes that disagree, NaN, external data elsewhere.
    """
    where = f"tensor '{tensor.name}'"
    dtype = held_dtype(tensor.data_type)
    if dtype is None:
        raise ModelError(f"{where}: element type {element_type(tensor.data_type)} is not supported")
    if tensor.HasField("segment"):
        raise ModelError(f"{where}: segmented tensors are not supported")
    shape = held_shape(tensor.dims, dtype, where)
    if tensor.data_type in NARROW_INTEGERS:
        array = _integers(tensor, prod(shape), files, where)
    elif tensor.data_type in NARROW_FLOATS:
        array = _floats(tensor, prod(shape), files, where)
    elif tensor.data_location == TensorProto.EXTERNAL or tensor.HasField("raw_data"):
        raw = _raw(tensor, prod(shape) * dtype.itemsize, files, where)
        array = np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        array = _from_fields(tensor, dtype, prod(shape), where)
    return _finite(array.reshape(shape), where, allow_nan)


def dense_shape(sparse: SparseTensorProto, values: np.ndarray) -> tuple[int, ...]:
    """ModelError where a sparse tensor of these values takes more than MAX_SPARSE_BYTES once it is dense."""
    where = f"tensor '{sparse.values.name}'"
    shape = held_shape(sparse.dims, values.dtype, where)
    if prod(shape) * values.itemsize > MAX_SPARSE_BYTES:
        raise ModelError(f"{where}: a sparse tensor of shape {shape} is too large")
    return shape


def sparse_to_array(sparse: SparseTensorProto, values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """A SparseTensorProto of these values and indices as a dense array."""
    where, shape = f"tensor '{sparse.values.name}'", dense_shape(sparse, values)
    if indices.dtype != np.int64 or indices.ndim not in (1, 2) or len(indices) != values.size:
        raise ModelError(f"{where}: {len(indices)} sparse indices for {values.size} values")
    if indices.ndim == 2:
        if indices.shape[1] != len(shape) or np.any((indices < 0) | (indices >= np.array(shape, np.int64))):
            raise ModelError(f"{where}: sparse indices lie outside of shape {shape}")
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        indices = indices @ np.array(strides, np.int64)
    if np.any((indices < 0) | (indices >= prod(shape))):
        raise ModelError(f"{where}: sparse indices lie outside of shape {shape}")
    dense = np.zeros(prod(shape), values.dtype)
    dense[indices] = values.reshape(-1)
    return dense.reshape(shape)


def held_shape(dims: Iterable[int], dtype: np.dtype, where: str) -> tuple[int, ...]:
    """ModelError where no array can have these dimensions."""
    shape = tuple(int(dim) for dim in dims)
    if any(dim < 0 for dim in shape) or len(shape) > 32 or prod(max(dim, 1) for dim in shape) > MAX_BYTES:
        raise ModelError(f"{where}: shape {shape} is not possible")
    return shape


def _raw(tensor: TensorProto, nbytes: int, files: Files, where: str) -> bytes | np.ndarray:
    if tensor.data_location == TensorProto.EXTERNAL:
        return files.read(tensor, nbytes, where)
    if len(tensor.raw_data) != nbytes:
        raise ModelError(
            f"{where}: shape {list(tensor.dims)} needs {nbytes} bytes of data, found {len(tensor.raw_data)}; "
            "the file is damaged"
        )
    return tensor.raw_data


def _from_fields(tensor: TensorProto, dtype: np.dtype, count: int, where: str) -> np.ndarray:
    name = next(field for field, types in _FIELDS.items() if tensor.data_type in types)
    data = getattr(tensor, name)
    if len(data) != count:
        raise ModelError(f"{where}: shape {list(tensor.dims)} needs {count} elements, found {len(data)}")
    if dtype == np.float16:
        bits = np.array(data, np.int64)
        _in_range(bits, np.dtype(np.uint16), where)
        return bits.astype(np.uint16).view(np.float16)
    if dtype.kind in "iu" and name in ("int32_data", "uint64_data"):
        wide = np.array(data, np.uint64 if name == "uint64_data" else np.int64)
        _in_range(wide, dtype, where)
        return wide.astype(dtype)
    return np.array(data, dtype)


def _in_range(values: np.ndarray, dtype: np.dtype, where: str) -> None:
    limits = np.iinfo(dtype)
    if values.size and (int(values.min()) < limits.min or int(values.max()) > limits.max):
        raise ModelError(f"{where}: values lie outside of the range of {dtype}")


def _integers(tensor: TensorProto, count: int, files: Files, where: str) -> np.ndarray:
    bits, signed = NARROW_INTEGERS[tensor.data_type]
    values = _unpack(tensor, bits, count, files, where)
    if not signed:
        return values
    half = 1 << (bits - 1)
    return ((values.astype(np.int16) + half) % (2 * half) - half).astype(np.int8)


def _floats(tensor: TensorProto, count: int, files: Files, where: str) -> np.ndarray:
    form = FORMATS[NARROW_FLOATS[tensor.data_type]]
    return form.decode(_unpack(tensor, 1 + form.exponent + form.mantissa, count, files, where))


def _unpack(tensor: TensorProto, bits: int, count: int, files: Files, where: str) -> np.ndarray:
    """Stored elements of so many bits as uint8 or uint16; of those below 8 bits, the first lies in a byte's lowest."""
    per_byte = max(8 // bits, 1)
    size = -(-count // per_byte)
    stored = np.dtype(np.uint16 if bits > 8 else np.uint8)
    if tensor.data_location == TensorProto.EXTERNAL or tensor.HasField("raw_data"):
        raw = _raw(tensor, size * stored.itemsize, files, where)
        packed = np.frombuffer(raw, stored.newbyteorder("<")).astype(stored, copy=False)
    elif len(tensor.int32_data) == size:
        packed = np.array(tensor.int32_data, np.int64).astype(stored)
    else:
        raise ModelError(f"{where}: shape {list(tensor.dims)} needs {size} elements, found {len(tensor.int32_data)}")
    if per_byte == 1:
        return packed
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((packed[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[:count].astype(np.uint8)


def _finite(array: np.ndarray, where: str, allow_nan: bool) -> np.ndarray:
    if array.dtype.kind == "f" and not allow_nan and np.isnan(array).any():
        raise ModelError(f"{where}: contains NaN; train or export the model anew")
    return array
