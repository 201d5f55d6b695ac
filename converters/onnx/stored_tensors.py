"""The tensors that a model stores, each read once however many nodes or names lead to it.

A small file may call a function very often, whose constants are the same arrays then, and may name the same bytes of a
file beside it for many tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from onnx import SparseTensorProto, TensorProto

from ...runtime.boxed import TEXT
from ...runtime.errors import ModelError
from . import tensors
from .external import Files

T = TypeVar("T")

SPARSE, SPARSE_OF_A_BYTE = 1 << 28, 64
"""Bytes that all sparse tensors of a model may take once they are dense, and for each byte of what they store."""


class StoredTensors:
    """folder: where external data may be read from; None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._files = Files(folder)
        self._known: dict[tuple[int, bool], tuple[Any, Any]] = {}
        self._external: dict[tuple[Any, ...], np.ndarray] = {}
        self._sparse = SPARSE

    def dense(self, tensor: TensorProto, allow_nan: bool = False) -> np.ndarray:
        """As tensors.to_array."""
        return self._once(tensor, allow_nan, lambda: self._dense(tensor, allow_nan))

    def sparse(self, sparse: SparseTensorProto) -> np.ndarray:
        """As tensors.sparse_to_array. ModelError where all of them together take too much."""
        return self._once(sparse, False, lambda: self._from_sparse(sparse))

    def text(self, tensor: TensorProto) -> np.ndarray:
        """The elements of a tensor of text. ModelError where it is damaged."""
        return self._once(tensor, False, lambda: _decoded(tensor))

    def _once(self, proto: Any, allow_nan: bool, read: Callable[[], T]) -> T:
        """The proto is kept beside what it holds: nothing else has its identity while it is there."""
        key = id(proto), allow_nan
        if key not in self._known:
            self._known[key] = proto, read()
        found: T = self._known[key][1]
        return found

    def _dense(self, tensor: TensorProto, allow_nan: bool) -> np.ndarray:
        if tensor.data_location != TensorProto.EXTERNAL:
            return tensors.to_array(tensor, self._files, allow_nan)
        place = sorted((entry.key, entry.value) for entry in tensor.external_data)
        key = (*place, tensor.data_type, tuple(tensor.dims), allow_nan)
        if key not in self._external:
            self._external[key] = tensors.to_array(tensor, self._files, allow_nan)
        return self._external[key]

    def _from_sparse(self, sparse: SparseTensorProto) -> np.ndarray:
        values, indices = self.dense(sparse.values), self.dense(sparse.indices)
        shape = tensors.dense_shape(sparse, values)
        size = values.itemsize
        for dim in shape:
            size *= dim
        self._sparse += SPARSE_OF_A_BYTE * (values.nbytes + indices.nbytes) - size
        if self._sparse < 0:
            raise ModelError(f"tensor '{sparse.values.name}': the sparse tensors take too much once they are dense")
        return tensors.sparse_to_array(sparse, values, indices)


def _decoded(tensor: TensorProto) -> np.ndarray:
    where = f"tensor '{tensor.name}'"
    shape = tensors.held_shape(tensor.dims, TEXT, where)
    try:
        texts = [item.decode() for item in tensor.string_data]
    except UnicodeDecodeError:
        raise ModelError(f"{where}: an element is not UTF-8 text") from None
    count = int(np.prod(shape, dtype=np.int64))
    if len(texts) != count:
        raise ModelError(f"{where}: shape {list(shape)} needs {count} elements, found {len(texts)}")
    found = np.empty(count, TEXT)
    found[:] = texts
    return found.reshape(shape)
