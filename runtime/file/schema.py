"""The records that a file's graph is made of, and the bounds on what they may say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from ..boxed import DTYPES as VALUE_DTYPES
from ..boxed import PLAIN
from .metadata import MAX_DIM as MAX_DIM
from .metadata import Metadata
from .self_test import MOST_CASES

VERSION: Final = 7
"""The newest. A file says the first that has all it uses, so that older readers take as many files as they can."""
METADATA_KEY: Final = "millijoule"

MAX_HEADER: Final = 8 << 20
MAX_RANK: Final = 16
MAX_TENSOR_BYTES: Final = 2**31 - 1
"""Sizes and offsets in a program are 32 bits wide, so no tensor may be larger."""
MAX_DEPTH: Final = 16
MAX_NODES: Final = 50_000
"""Of all graphs of a file: each takes some 80 us when the file is loaded for the first time."""
NAMES_OF_A_NODE: Final = 4
"""That it reads and gives; each more takes as long as a node."""
MAX_NAME: Final = 4096
MAX_STAGES: Final = 64

SAFETENSORS_DTYPES: Final = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
DTYPES: Final = {dtype.name: dtype for dtype in SAFETENSORS_DTYPES.values()}
SUPPORTED: Final = frozenset(DTYPES.values())
"""Of tensors in the container."""
QUANTIZED: Final = frozenset(DTYPES[name] for name in ("int8", "uint8", "int16", "uint16", "int32", "int64"))

Name = Annotated[str, Meta(max_length=MAX_NAME)]
Named = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Dim = Annotated[int, Meta(ge=0, le=MAX_DIM)] | Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
DtypeName = Annotated[str, Meta(pattern=f"^({'|'.join(map(re.escape, VALUE_DTYPES))})$", max_length=64)]


class Record(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A JSON object of which every key is known."""


class TensorAttribute(Record, tag_field="type", tag="tensor"):
    """key: of a tensor in the container."""

    key: Named


class GraphAttribute(Record, tag_field="type", tag="graph"):
    """index: in ModelRecord.graphs."""

    index: Annotated[int, Meta(ge=1, le=MAX_DIM)]


class FloatAttribute(Record, tag_field="type", tag="float"):
    """A float that JSON cannot write."""

    value: Literal["inf", "-inf", "nan"]


Item = bool | Int64 | float | str | TensorAttribute | GraphAttribute | FloatAttribute | None
AttributeRecord = bool | Int64 | float | str | TensorAttribute | GraphAttribute | FloatAttribute | list[Item] | None


class QuantizationRecord(Record):
    """scale: a number where the whole tensor has one, else the key of a float32 tensor. zero_point: a number for
    every index, or the key of an int32 tensor."""

    scale: float | Named
    zero_point: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)] | Named = 0
    axis: Annotated[int, Meta(ge=0, lt=MAX_RANK)] | None = None


class ValueRecord(Record):
    """dtype: as in boxed.DTYPES. data: the key of a constant's tensor."""

    name: Named
    dtype: DtypeName
    shape: Annotated[list[Dim], Meta(max_length=MAX_RANK)] | None = None
    data: Named | None = None
    quant: QuantizationRecord | None = None


Reference = Annotated[int, Meta(ge=-1, le=MAX_DIM)] | Named
"""A value: its index in the graph's values, the name of a value of a graph around it, or -1 for none."""


class NodeRecord(Record):
    """One operation, as graph.Node."""

    op: Named
    inputs: list[Reference]
    outputs: list[Annotated[int, Meta(ge=-1, le=MAX_DIM)]]
    attrs: dict[Named, AttributeRecord] = {}
    name: Name = ""


class GraphRecord(Record):
    """One graph, as graph.Graph; the graphs in attributes are records of their own.

    Names are long and read by many, so each is written once and then referred to by its index.
    """

    values: list[ValueRecord]
    nodes: list[NodeRecord]
    inputs: list[Annotated[int, Meta(ge=0, le=MAX_DIM)]]
    outputs: list[Reference]
    name: Name = ""


Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]


class SimilarRecord(Record):
    """As Similar."""

    fingerprint: Literal["dhash", "moments"]
    radius: Annotated[float, Meta(ge=0, le=16)]
    tolerance: Annotated[float, Meta(ge=0, le=1e6)]
    audit: Annotated[float, Meta(ge=0, le=1)]


class MemoryRecord(Record):
    """The settings of the memory that a cascade is run with, but for where its answers are kept: that is the machine's
    matter, and a file must not say what another one is written to."""

    entries: Annotated[int, Meta(ge=0, le=2**53)]
    max_bytes: Annotated[int, Meta(ge=0, le=2**53)]
    expire: Annotated[float, Meta(gt=0, le=1e18)] | None = None
    min_score: Finite | None = None
    similar: SimilarRecord | None = None


class GateRecord(Record):
    """What makes graphs a cascade. stages: what travels with those of the second stage and the ones behind it. The
    others are as in Gate."""

    stages: Annotated[list[Metadata], Meta(max_length=MAX_STAGES - 1)]
    score: Literal["max", "margin", "entropy"]
    threshold: Annotated[list[Finite], Meta(max_length=MAX_STAGES)]
    temperature: Annotated[list[Finite], Meta(max_length=MAX_STAGES)]
    post_check: bool
    abstain: Finite | None = None
    memory: MemoryRecord | None = None


class CaseRecord(Record):
    """Keys of a self-test's tensors, in the order of the inputs and of the outputs."""

    inputs: list[Named]
    outputs: list[Named]


Version = Literal[1, 2, 3, 4, 5, 6, 7]


class ModelRecord(Record):
    """graphs: the main graph, then those that attributes hold, each after the graph that holds it; of a cascade, these
    of its first stage, then of its second, and so on. metadata: of the first stage. self_test: of the model, or of the
    whole cascade.

    checksum: CRC-32 in 8 hexadecimal digits of the whole file with these digits written as zeros. It sorts first, so
    that every version can find it.
    """

    checksum: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    graphs: Annotated[list[GraphRecord], Meta(min_length=1)]
    metadata: Metadata
    version: Version
    gate: GateRecord | None = None
    self_test: Annotated[list[CaseRecord], Meta(max_length=MOST_CASES)] = []


def version_for(
    graphs: Sequence[GraphRecord], metadata: Metadata, gate: GateRecord | None, self_test: Sequence[CaseRecord]
) -> Version:
    """The first version of the format that can hold this."""
    if any(value.dtype not in PLAIN for graph in graphs for value in graph.values):
        return 7
    if metadata.states:
        return 6
    if gate is not None and gate.memory is not None and gate.memory.similar is not None:
        return 5
    if self_test:
        return 4
    if gate is not None:
        return 3
    return 2 if metadata.default_sizes else 1


class VersionRecord(Struct):
    """What can be read of a file of any version."""

    version: Annotated[int, Meta(ge=1)]


class StagesRecord(Struct):
    stages: list[msgspec.Raw] = []


class OutlineRecord(Struct):
    """How many stages a file has, read before any of them is."""

    gate: StagesRecord | None = None


class TensorEntry(Record):
    """One tensor as the container's header lists it."""

    dtype: str
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=MAX_DIM)]], Meta(max_length=MAX_RANK)]
    data_offsets: tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], Annotated[int, Meta(ge=0, le=2**63 - 1)]]


def byte_size(shape: Sequence[int | str], dtype: np.dtype) -> int:
    """Bytes of a tensor, with 1 for every symbolic or zero dimension: what NumPy must be able to count to."""
    size = dtype.itemsize
    for dim in shape:
        size *= dim if isinstance(dim, int) and dim > 0 else 1
    return size


encoder = msgspec.json.Encoder(order="sorted")
