"""Reads a mapped safetensors container, and proves its header before any of it becomes an array."""

from __future__ import annotations

import json
import math
import mmap
import zlib
from typing import Any

import msgspec
import numpy as np

from ..errors import ModelError
from . import schema
from .mapping import LENGTH_BYTES

CHECKSUM_DIGITS = 8
CHECKSUM_MARK = b'"{\\"checksum\\":\\"'
"""How the graph's string begins, as the header spells it; the checksum's digits follow."""


class Container(msgspec.Struct, frozen=True):
    """metadata: the graph as JSON. tensors: read-only views of the mapping. checksum_at: offset of its digits."""

    mapping: mmap.mmap
    metadata: str
    tensors: dict[str, np.ndarray]
    checksum_at: int


def open_container(mapping: mmap.mmap) -> Container:
    """Reads a mapped file; ModelError where it is not a sound container."""
    size = len(mapping)
    length = int.from_bytes(mapping[:LENGTH_BYTES], "little")
    if length > size - LENGTH_BYTES:
        raise ModelError(f"not a .mj file, or one cut short: it has {size} bytes and claims a header of {length}")
    if length > schema.MAX_HEADER:
        raise ModelError(f"its graph takes {length} bytes, above the limit of {schema.MAX_HEADER}")
    raw = mapping[LENGTH_BYTES : LENGTH_BYTES + length]
    if not raw.startswith(b"{"):
        raise ModelError("not a .mj file: its header does not begin with '{'")
    header = parse(raw, "header")
    metadata = header.pop("__metadata__", None)
    text = metadata.get(schema.METADATA_KEY) if isinstance(metadata, dict) and len(metadata) == 1 else None
    if not isinstance(text, str):
        raise ModelError(f"not a .mj file: its __metadata__ must be one string under '{schema.METADATA_KEY}'")
    if raw.count(CHECKSUM_MARK) != 1:
        raise ModelError("the graph must begin with its checksum")
    checksum_at = LENGTH_BYTES + raw.index(CHECKSUM_MARK) + len(CHECKSUM_MARK)
    tensors = _tensors(mapping, header, LENGTH_BYTES + length)
    return Container(mapping, text, tensors, checksum_at)


def checksum(data: bytes | mmap.mmap, at: int) -> bytes:
    """CRC-32 of data with the digits at this offset taken as zeros, in lower-case hexadecimal digits."""
    with memoryview(data) as view:
        value = zlib.crc32(b"0" * CHECKSUM_DIGITS, zlib.crc32(view[:at]))
        return b"%08x" % zlib.crc32(view[at + CHECKSUM_DIGITS :], value)


def verify(container: Container) -> None:
    """ModelError where the file is not, byte for byte, what was written."""
    at = container.checksum_at
    if checksum(container.mapping, at) != container.mapping[at : at + CHECKSUM_DIGITS]:
        raise ModelError("the file is damaged (its checksum differs): copy it again, or convert the model again")


def parse(text: str | bytes, what: str) -> dict[str, Any]:
    """A JSON object no part of which has a key twice, nests absurdly or holds a NaN; ModelError otherwise."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the {what} is not sound JSON: {error}") from None
    if not isinstance(found, dict):
        raise ModelError(f"the {what} must be a JSON object")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}")


def _tensors(mapping: mmap.mmap, header: dict[str, Any], start: int) -> dict[str, np.ndarray]:
    """Views of the data section, which the tensors must fill from its start to its end, one behind the other."""
    tensors = {}
    spans = []
    for key, entry in header.items():
        try:
            record = msgspec.convert(entry, schema.TensorEntry)
        except msgspec.ValidationError as error:
            raise ModelError(f"tensor {key!r}: {error}") from None
        dtype = schema.SAFETENSORS_DTYPES.get(record.dtype)
        if dtype is None:
            raise ModelError(f"tensor {key!r}: unknown dtype {record.dtype!r}")
        if schema.byte_size(record.shape, dtype) > schema.MAX_TENSOR_BYTES:
            raise ModelError(f"tensor {key!r}: shape {record.shape} is too large")
        begin, end = record.data_offsets
        nbytes = dtype.itemsize * math.prod(record.shape)
        if end - begin != nbytes:
            raise ModelError(f"tensor {key!r}: {end - begin} bytes do not hold {record.dtype} of shape {record.shape}")
        if end > len(mapping) - start:
            raise ModelError(f"tensor {key!r} lies beyond the end of the file: was the file cut short?")
        if (start + begin) % dtype.itemsize:
            raise ModelError(f"tensor {key!r} is not aligned to its {dtype.itemsize}-byte elements")
        tensors[key] = np.ndarray(record.shape, dtype, mapping, start + begin)
        spans.append((begin, end))
    covered = 0
    for begin, end in sorted(spans):
        if begin != covered:
            raise ModelError(f"tensors leave a hole or overlap at byte {covered} of the data")
        covered = end
    if covered != len(mapping) - start:
        raise ModelError(f"{len(mapping) - start - covered} bytes behind the last tensor belong to none")
    return tensors
