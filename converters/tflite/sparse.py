"""Sparse constants: where the elements that are stored lie in the dense tensor.

A tensor is cut into blocks, whose dimensions follow the tensor's own, and walked in the traversal order; each level is
dense, so that all of its coordinates are there, or compressed, so that a list tells which are (TFLite's
SparsityParameters, the format of TACO).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import tflite

from ...runtime.errors import ModelError
from .records import OperatorRecord, TensorRecord

MAX_BYTES = 1 << 28
"""Of a dense tensor, as a small file may claim any shape."""
COORDINATES, COORDINATES_OF_A_BYTE = 1 << 22, 16
"""That are looked at to find the elements of one, and for each byte of the file, which has each element or a list of
where the next ones are."""

VECTORS: dict[int, Any] = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}

Error = Callable[[str], ModelError]
Vector = Callable[[int, Callable[[], Any]], np.ndarray]


def places(error: Error, vector: Vector, name: str, shape: tuple[int, ...], table: Any, most: int) -> np.ndarray:
    """The flat index in the dense tensor of each element that is stored, int64. vector: copies one out of the file.
    most: coordinates on the way. ModelError where the table does not fit the shape."""
    order = vector(table.TraversalOrderLength(), table.TraversalOrderAsNumpy).tolist()
    blocked = vector(table.BlockMapLength(), table.BlockMapAsNumpy).tolist()
    rank, levels = len(shape), len(order)
    fits = sorted(order) == list(range(rank + len(blocked))) and table.DimMetadataLength() == levels
    if not fits or len(set(blocked)) != len(blocked) or not set(blocked) <= set(range(rank)):
        raise error(f"tensor '{name}' is stored sparse, but how does not fit its {rank} dimensions")
    limit = most // max(levels, 1)
    parents, coordinates = np.zeros(1, np.int64), np.zeros((levels, 1), np.int64)
    sizes = [0] * levels
    for level, dimension in enumerate(order):
        metadata = table.DimMetadata(level)
        if metadata.Format() == tflite.DimensionType.DENSE:
            size = sizes[dimension] = metadata.DenseSize()
            if size < 0 or len(parents) * size > limit:
                raise error(f"tensor '{name}' is stored sparse with a dimension of {size}")
            owner = np.repeat(np.arange(len(parents)), size)
            found = np.tile(np.arange(size), len(parents))
            parents = parents[owner] * size + found
        else:
            starts, indices = (_list(error, vector, name, metadata, field) for field in ("Segments", "Indices"))
            if len(starts) < int(parents.max(initial=-1)) + 2 or (np.diff(starts) < 0).any() or starts[:1].any():
                raise error(f"tensor '{name}' is stored sparse with segments that are out of order")
            counts = starts[parents + 1] - starts[parents]
            if int(counts.sum()) > min(limit, len(indices)) or int(starts[-1]) > len(indices):
                raise error(f"tensor '{name}' is stored sparse with fewer indices than its segments have")
            owner = np.repeat(np.arange(len(parents)), counts)
            first = np.repeat(starts[parents], counts)
            parents = first + np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
            found = indices[parents]
            sizes[dimension] = 0
        coordinates = coordinates[:, owner]
        coordinates[dimension] = found
    return _flat(error, name, shape, coordinates, blocked, sizes, parents)


def _flat(
    error: Error,
    name: str,
    shape: tuple[int, ...],
    coordinates: np.ndarray,
    blocked: list[int],
    sizes: list[int],
    order: np.ndarray,
) -> np.ndarray:
    """From coordinates of blocks and within blocks to those of elements, in the order in which these are stored."""
    rank = len(shape)
    whole = coordinates[:rank].copy()
    for position, dimension in enumerate(blocked):
        whole[dimension] = whole[dimension] * sizes[rank + position] + coordinates[rank + position]
    if any((line < 0).any() or (line >= size).any() for line, size in zip(whole, shape, strict=True)):
        raise error(f"tensor '{name}' is stored sparse with elements outside of {shape}")
    flat = np.zeros(whole.shape[1], np.int64)
    for line, size in zip(whole, shape, strict=True):
        flat = flat * size + line
    return flat[np.argsort(order, kind="stable")]


def _list(error: Error, vector: Vector, name: str, metadata: Any, field: str) -> np.ndarray:
    kind = VECTORS.get(getattr(metadata, f"Array{field}Type")())
    union = getattr(metadata, f"Array{field}")()
    if kind is None or union is None:
        raise error(f"tensor '{name}' is stored sparse without its list of {field.lower()}")
    numbers = kind()
    numbers.Init(union.Bytes, union.Pos)
    return vector(numbers.ValuesLength(), numbers.ValuesAsNumpy).astype(np.int64)


def densified(
    tensors: tuple[TensorRecord, ...], operators: tuple[OperatorRecord, ...]
) -> tuple[tuple[TensorRecord, ...], tuple[OperatorRecord, ...]]:
    """Without the DENSIFY of constants, which are dense once they are read: what these give are constants, too."""
    found, kept = list(tensors), []
    for operator in operators:
        ends = (*operator.inputs, *operator.outputs)
        simple = operator.kind == "DENSIFY" and len(operator.inputs) == len(operator.outputs) == 1
        if simple and all(0 <= index < len(found) for index in ends) and found[ends[0]].data is not None:
            source = found[ends[0]]
            found[ends[1]] = replace(found[ends[1]], data=source.data, dtype=source.dtype, problem=source.problem)
        else:
            kept.append(operator)
    return tuple(found), tuple(kept)
