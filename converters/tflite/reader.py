"""Path -> ModelRecord. All reading of the flatbuffer happens here, bounded and checked.

The generated accessors trust every offset; on a damaged file they raise whatever Python raises at that place, which
becomes one ModelError that names the file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tflite

from ...runtime.errors import ModelError
from . import sparse
from .constants import Buffer, elements, without_dead_channels
from .records import COMPLEX, ModelRecord, OperatorRecord, OptionValue, Signature, TensorRecord
from .schema import OPERATORS, TENSOR_TYPES, dtype_of, option_class, option_readers

IDENTIFIER = b"TFL3"
METADATA = b"TFLITE_METADATA"
MAX_RANK = 32
_MAX_FILE = (1 << 31) - 1
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AssertionError)


def read(path: str | os.PathLike[str]) -> ModelRecord:
    """ModelError: no such file, not a TFLite model, truncated or damaged, no subgraph."""
    label = os.fspath(path)
    content = _content(Path(path))
    with damage(label):
        return _Reader(label, content).model()


@contextmanager
def damage(label: str) -> Iterator[None]:
    """Turns what the flatbuffers library raises on a bad offset into a ModelError that names the file."""
    try:
        yield
    except _DAMAGE as error:
        detail = f"{type(error).__name__}: {error}"
        raise ModelError(f"{label}: the TFLite file is truncated or damaged ({detail:.120})") from error


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise ModelError(f"{path}: is not a file")
        if size > _MAX_FILE:
            raise ModelError(f"{path}: {size} bytes; a TFLite file of 2 GiB or more is not supported")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise ModelError(f"{path!s:.200}: is not a path: {error}") from None
    if content.startswith(b"version https://git-lfs"):
        raise ModelError(f"{path}: is a Git LFS pointer, not the model; run `git lfs pull`")
    if content[4:8] != IDENTIFIER:
        raise ModelError(f"{path}: is not a TFLite model: the identifier TFL3 is missing")
    return content


TABLE = 8
"""Bytes that a table takes at least: many entries of a vector may be one."""
ROOM, ROOM_OF_A_BYTE = 1 << 28, 8
"""Bytes that constants may take which are not held as they are stored, and for each byte of the file: sparse ones, and
those of fewer than 8 bits."""


class _Reader:
    """Copies one flatbuffer into records. Lengths are charged against a budget, so that vectors which overlap each
    other cannot make a small file cost much; and tensors that share a buffer share its elements."""

    def __init__(self, label: str, content: bytes) -> None:
        self.label = label
        self.content = content
        self.budget = len(content) + 4096
        self.room = ROOM + ROOM_OF_A_BYTE * len(content)
        self.coordinates = sparse.COORDINATES + sparse.COORDINATES_OF_A_BYTE * len(content)
        self.known: dict[tuple[object, ...], np.ndarray] = {}
        self.root = tflite.Model.GetRootAs(content, 0)
        self.codes: list[str] = []

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.label}: {problem}")

    def count(self, length: int) -> int:
        self.budget -= length
        if self.budget < 0:
            raise self.error("the TFLite file is damaged: its vectors are longer than the file")
        return length

    def each(self, length: int, item: Callable[[int], Any]) -> Iterator[Any]:
        self.count(TABLE * length)
        for index in range(length):
            found = item(index)
            if found is None:
                raise self.error(f"the TFLite file is damaged: entry {index} of a vector is missing")
            yield found

    def vector(self, length: int, as_numpy: Callable[[], Any]) -> np.ndarray:
        """A vector of numbers, copied; empty where the field is absent."""
        return np.array(as_numpy()) if self.count(length) else np.zeros(0, np.int32)

    def text(self, value: bytes | None) -> str:
        self.count(len(value or b""))
        return (value or b"").decode("utf-8", "replace")

    def model(self) -> ModelRecord:
        if self.root.Version() != 3:
            raise self.error(f"TFLite schema version {self.root.Version()}; supported is 3")
        if self.root.SubgraphsLength() < 1:
            raise self.error("the TFLite file holds no graph")
        self.codes = [self.kind(code) for code in self.each(self.root.OperatorCodesLength(), self.root.OperatorCodes)]
        subgraphs = tuple(self.subgraph(graph) for graph in self.each(self.root.SubgraphsLength(), self.root.Subgraphs))
        return replace(
            subgraphs[0],
            signatures=tuple(self.signatures()),
            metadata=self.metadata(),
            content=self.content,
            subgraphs=subgraphs,
        )

    def subgraph(self, graph: Any) -> ModelRecord:
        operators = tuple(self.operators(graph))
        inputs = tuple(self.vector(graph.InputsLength(), graph.InputsAsNumpy).tolist())
        outputs = tuple(self.vector(graph.OutputsLength(), graph.OutputsAsNumpy).tolist())
        produced = {index for operator in operators for index in operator.outputs} | set(inputs)
        tensors = tuple(
            self.tensor(index, tensor, index in produced)
            for index, tensor in enumerate(self.each(graph.TensorsLength(), graph.Tensors))
        )
        return ModelRecord(self.label, *sparse.densified(tensors, operators), inputs, outputs)

    def tensor(self, index: int, tensor: Any, produced: bool) -> TensorRecord:
        name = self.text(tensor.Name())
        type_name = TENSOR_TYPES.get(tensor.Type(), f"type {tensor.Type()}")
        sizes = self.vector(tensor.ShapeLength(), tensor.ShapeAsNumpy).tolist()
        signature = self.vector(tensor.ShapeSignatureLength(), tensor.ShapeSignatureAsNumpy).tolist()
        shape = self.shape(name, sizes, signature)
        scale, zero_point, axis = self.quantization(name, tensor.Quantization(), len(shape))
        dtype = np.dtype(np.int8) if type_name == "INT4" else dtype_of(type_name)
        if type_name == COMPLEX:
            dtype = np.dtype(np.float32)
        problem = "" if dtype is not None or type_name == "BFLOAT16" else f"holds {type_name} elements"
        data = None
        if not problem and not produced:
            raw = self.buffer(tensor.Buffer())
            if raw is not None and tensor.Sparsity() is not None:
                data = self.made(self.sparse(name, type_name, tuple(sizes), raw, tensor.Sparsity()))
            elif raw is not None or 0 in shape:
                data = self.elements(name, type_name, tuple(sizes), tensor.Buffer(), raw if raw is not None else b"")
                dtype = data.dtype
        if scale is not None and zero_point is not None and not scale.all():
            if data is None or len(scale) == 1 or data.shape[axis] != len(scale):
                raise self.error(f"tensor '{name}' has a scale that is not a positive number")
            data, scale = without_dead_channels(data, scale, zero_point, axis)
            self.made(data)
        variable = data is None and not produced and bool(tensor.IsVariable())
        return TensorRecord(
            *(index, name, shape, type_name, dtype, scale, zero_point, axis, data, problem),
            sizes=tuple(sizes),
            variable=variable,
        )

    def elements(self, name: str, type_name: str, sizes: tuple[int, ...], index: int, raw: Buffer) -> np.ndarray:
        """Of the buffer's bytes."""
        key = index, type_name, sizes
        if key not in self.known:
            found = elements(self.error, name, type_name, sizes, raw)
            self.known[key] = found if found.nbytes == len(raw) else self.made(found)
        return self.known[key]

    def made(self, data: np.ndarray) -> np.ndarray:
        """The data, which is no view of the file."""
        self.room -= data.nbytes
        if self.room < 0:
            raise self.error("its constants take too much memory once they are unpacked")
        return data

    def sparse(self, name: str, type_name: str, shape: tuple[int, ...], raw: memoryview, table: Any) -> np.ndarray:
        """A constant of which only some elements are stored, the others zero."""
        dtype = dtype_of(type_name) or np.dtype(np.float32)
        if prod(shape) * dtype.itemsize > sparse.MAX_BYTES:
            raise self.error(f"tensor '{name}' is stored sparse, and of shape {shape} too large")
        places = sparse.places(self.error, self.vector, name, shape, table, self.coordinates)
        values = elements(self.error, name, type_name, places.shape, raw)
        dense = np.zeros(prod(shape), values.dtype)
        dense[places] = values
        return dense.reshape(shape)

    def shape(self, name: str, sizes: list[int], signature: list[int]) -> tuple[int | None, ...]:
        if len(sizes) > MAX_RANK:
            raise self.error(f"tensor '{name}' has {len(sizes)} dimensions; at most {MAX_RANK} are supported")
        if any(size < 0 for size in sizes):
            raise self.error(f"tensor '{name}' has a negative dimension: {sizes}")
        if len(signature) != len(sizes):
            return tuple(sizes)
        return tuple(None if known < 0 else size for size, known in zip(sizes, signature, strict=True))

    def quantization(self, name: str, table: Any, rank: int) -> tuple[np.ndarray | None, np.ndarray | None, int]:
        if table is None or not table.ScaleLength():
            return None, None, 0
        scale = self.vector(table.ScaleLength(), table.ScaleAsNumpy).astype(np.float32)
        zero_point = self.vector(table.ZeroPointLength(), table.ZeroPointAsNumpy).astype(np.int64)
        axis = table.QuantizedDimension()
        if not zero_point.size:
            zero_point = np.zeros(len(scale), np.int64)
        if len(zero_point) == 1:
            zero_point = np.repeat(zero_point, len(scale))
        if len(zero_point) != len(scale):
            raise self.error(f"tensor '{name}' has {len(scale)} scales but {len(zero_point)} zero points")
        if not (np.isfinite(scale) & (scale >= 0)).all():
            raise self.error(f"tensor '{name}' has a scale that is not a positive number")
        if len(scale) > 1 and not 0 <= axis < rank:
            raise self.error(f"tensor '{name}' is quantized along axis {axis}, but has {rank} dimensions")
        return scale, zero_point, axis

    def buffer(self, index: int) -> memoryview | None:
        """A buffer's bytes, inside the flatbuffer or behind it; None where it is empty."""
        if not 0 <= index < self.root.BuffersLength():
            raise self.error(f"the TFLite file is damaged: there is no buffer {index}")
        buffer = self.root.Buffers(index)
        if buffer.DataLength():
            return memoryview(buffer.DataAsNumpy())
        offset, size = buffer.Offset(), buffer.Size()
        if offset <= 1 or not size:
            return None
        if offset + size > len(self.content):
            raise self.error(f"the TFLite file is truncated: buffer {index} ends at {offset + size}")
        return memoryview(self.content)[offset : offset + size]

    def operators(self, graph: Any) -> Iterator[OperatorRecord]:
        codes = self.codes
        for index, operator in enumerate(self.each(graph.OperatorsLength(), graph.Operators)):
            code = operator.OpcodeIndex()
            if code >= len(codes):
                raise self.error(f"operator {index} names operator code {code}, but there are {len(codes)}")
            yield OperatorRecord(
                index,
                codes[code],
                tuple(self.vector(operator.InputsLength(), operator.InputsAsNumpy).tolist()),
                tuple(self.vector(operator.OutputsLength(), operator.OutputsAsNumpy).tolist()),
                self.options(operator),
                self.vector(operator.CustomOptionsLength(), operator.CustomOptionsAsNumpy).tobytes(),
            )

    def kind(self, code: Any) -> str:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = OPERATORS.get(number, f"builtin operator {number}")
        return f"CUSTOM {self.text(code.CustomCode())}" if kind == "CUSTOM" else kind

    def options(self, operator: Any) -> dict[str, OptionValue]:
        unions = (
            (operator.BuiltinOptionsType(), operator.BuiltinOptions()),
            (operator.BuiltinOptions2Type(), operator.BuiltinOptions2()),
        )
        found: dict[str, OptionValue] = {}
        for table, (code, union) in enumerate(unions):
            kind = option_class(table, code)
            if kind is None or union is None:
                continue
            options = kind()
            options.Init(union.Bytes, union.Pos)
            for name, reader in option_readers(kind).items():
                value = reader(options)
                if isinstance(value, np.ndarray):
                    self.count(len(value))
                    found[name] = value.tolist()
                elif isinstance(value, bytes):
                    found[name] = self.text(value)
                elif isinstance(value, (int, float)):
                    found[name] = value
        return found

    def signatures(self) -> Iterator[Signature]:
        for signature in self.each(self.root.SignatureDefsLength(), self.root.SignatureDefs):
            yield Signature(
                self.text(signature.SignatureKey()),
                signature.SubgraphIndex(),
                self.aliases(signature.InputsLength(), signature.Inputs),
                self.aliases(signature.OutputsLength(), signature.Outputs),
            )

    def aliases(self, length: int, item: Callable[[int], Any]) -> dict[str, int]:
        return {self.text(entry.Name()): entry.TensorIndex() for entry in self.each(length, item)}

    def metadata(self) -> bytes | None:
        for entry in self.each(self.root.MetadataLength(), self.root.Metadata):
            if entry.Name() == METADATA:
                raw = self.buffer(entry.Buffer())
                return None if raw is None else bytes(raw)
        return None
