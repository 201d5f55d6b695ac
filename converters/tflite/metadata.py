"""What TFLite Metadata says about a model: its description, the labels of its classes, how images are normalized.

The metadata is a flatbuffer of its own, packed into a buffer of the model; files that it names (labels) form a zip
archive appended to the model. Damaged metadata costs a warning, not the model.
"""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from flatbuffers import encode, number_types
from flatbuffers.table import Table

from ...runtime.file.metadata import Preprocessing
from .records import ModelRecord

IDENTIFIER = b"M001"
LABEL_FILE_LIMIT = 16 * 2**20
MOST_LABELS = 1 << 20
_MOST_ENTRIES = 1000
_AXIS_LABELS = 2
_NORMALIZATION = 1
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, OverflowError, AssertionError)
_ZIP_DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, NotImplementedError, RuntimeError, OSError, EOFError)


@dataclass(slots=True)
class Notes:
    labels: list[str] | None = None
    preprocessing: Preprocessing | None = None
    description: str = ""


def read(model: ModelRecord) -> Notes:
    """What the metadata says; empty where there is none. Warns where it cannot be read."""
    if model.metadata is None:
        return Notes()
    try:
        return _notes(model)
    except (*_DAMAGE, *_ZIP_DAMAGE) as error:
        warnings.warn(
            f"{model.path}: its TFLite metadata is damaged and ignored ({type(error).__name__}: {error!s:.120})",
            stacklevel=3,
        )
        return Notes()


def _notes(model: ModelRecord) -> Notes:
    content = model.metadata or b""
    if content[4:8] != IDENTIFIER:
        raise ValueError("the identifier M001 is missing")
    root = Table(content, encode.Get(number_types.UOffsetTFlags.packer_type, content, 0))
    notes = Notes(description=_text(root, 1) or _text(root, 0))
    for subgraph in _tables(root, 3):
        for tensor in _tables(subgraph, 2):
            notes.preprocessing = notes.preprocessing or _normalization(tensor)
        for tensor in _tables(subgraph, 3):
            notes.labels = notes.labels or _labels(model, tensor)
        break
    return notes


def _normalization(tensor: Table) -> Preprocessing | None:
    """From the first process unit of TensorMetadata that is NormalizationOptions."""
    for unit in _tables(tensor, 4):
        if _byte(unit, 0) == _NORMALIZATION:
            options = _table(unit, 1)
            mean, std = (_floats(options, 0), _floats(options, 1)) if options is not None else ((), ())
            if not mean or not std or len(mean) > _MOST_ENTRIES or not all(0 < abs(s) < float("inf") for s in std):
                raise ValueError("a normalization without a mean or with an impossible deviation")
            if not all(abs(m) < float("inf") for m in mean):
                raise ValueError("a mean that is not a number")
            return Preprocessing(mean=mean, std=std)
    return None


def _labels(model: ModelRecord, tensor: Table) -> list[str] | None:
    """Lines of the file that TensorMetadata names as the labels along an axis."""
    for file in _tables(tensor, 6):
        if _byte(file, 2) == _AXIS_LABELS:
            return _lines(model, _text(file, 0))
    return None


def _lines(model: ModelRecord, name: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(model.content)) as archive, archive.open(name) as file:
        content = file.read(LABEL_FILE_LIMIT + 1)
    if len(content) > LABEL_FILE_LIMIT:
        raise ValueError(f"the label file '{name}' is larger than {LABEL_FILE_LIMIT} bytes")
    text = io.StringIO(content.decode("utf-8", "replace"), newline=None)
    lines = [line.rstrip("\n") for line in islice(text, MOST_LABELS + 1)]
    if len(lines) > MOST_LABELS:
        raise ValueError(f"the label file '{name}' has more than {MOST_LABELS} lines")
    return lines


def _slot(table: Table, field: int) -> int:
    """Where the field's content lies relative to the table; 0 where it is absent."""
    return int(table.Offset(4 + 2 * field))


def _text(table: Table, field: int) -> str:
    slot = _slot(table, field)
    return table.String(slot + table.Pos).decode("utf-8", "replace") if slot else ""


def _byte(table: Table, field: int) -> int:
    slot = _slot(table, field)
    return int(table.Get(number_types.Uint8Flags, slot + table.Pos)) if slot else 0


def _table(table: Table, field: int) -> Table | None:
    slot = _slot(table, field)
    return Table(table.Bytes, table.Indirect(slot + table.Pos)) if slot else None


def _tables(table: Table, field: int) -> Iterator[Table]:
    slot = _slot(table, field)
    if not slot:
        return
    start, length = table.Vector(slot), table.VectorLen(slot)
    if length > _MOST_ENTRIES:
        raise ValueError(f"a vector of {length} entries")
    for index in range(length):
        yield Table(table.Bytes, table.Indirect(start + 4 * index))


def _floats(table: Table, field: int) -> tuple[float, ...]:
    slot = _slot(table, field)
    return tuple(table.GetVectorAsNumpy(number_types.Float32Flags, slot).tolist()) if slot else ()
