"""Graph -> records of a file and its tensors."""

from __future__ import annotations

import math
import zlib
from collections.abc import Container, Mapping, Sequence

import numpy as np

from ..boxed import TEXT, name_of
from ..errors import ModelError
from ..graph import Attribute, Graph, Node, Quantization, Value, outer_reads
from . import schema, text
from .metadata import Metadata
from .self_test import Arrays

ABSENT = -1


def encode_model(
    graph: Graph,
    metadata: Metadata,
    cascade: schema.GateRecord | None = None,
    more: Sequence[Graph] = (),
    self_test: Sequence[Arrays] = (),
) -> tuple[schema.ModelRecord, dict[str, np.ndarray]]:
    """The record, its checksum still zeros, and the tensors under their keys. cascade, more: where the graph is a
    cascade's first stage, what it is, and its other stages. self_test: of the model, or of the whole cascade.

    Values that nothing reads and nothing produces are left out. ModelError where an attribute cannot be written.
    """
    encoder = _Encoder()
    for stage in (graph, *more):
        encoder.graph(stage)
    cases = [encoder.case(number, case) for number, case in enumerate(self_test)]
    version = schema.version_for(encoder.graphs, metadata, cascade, cases)
    record = schema.ModelRecord("0" * 8, encoder.graphs, metadata, version, cascade, cases)
    return record, encoder.tensors


class _Encoder:
    def __init__(self) -> None:
        self.graphs: list[schema.GraphRecord] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.stored: dict[tuple[str, tuple[int, ...], int], list[str]] = {}

    def graph(self, graph: Graph) -> int:
        """The index of the graph's record; subgraphs get theirs in the order in which nodes' attributes are sorted."""
        index = len(self.graphs)
        self.graphs.append(schema.GraphRecord([], [], [], []))
        used = {*graph.inputs, *graph.outputs}
        for node in graph.nodes:
            used.update(node.inputs, node.outputs, outer_reads(node))
        values = [value for value in graph.values.values() if value.name in used]
        places = {value.name: place for place, value in enumerate(values)}
        self.graphs[index] = schema.GraphRecord(
            [self.value(value) for value in values],
            [self.node(node, places) for node in graph.nodes],
            [places[name] for name in graph.inputs],
            [places.get(name, name) for name in graph.outputs],
            graph.name,
        )
        return index

    def value(self, value: Value) -> schema.ValueRecord:
        return schema.ValueRecord(
            value.name,
            name_of(value.dtype),
            None if value.shape is None else [dim if isinstance(dim, str) else int(dim) for dim in value.shape],
            None if value.data is None else self.constant(value.name, value.data),
            None if value.quant is None else self.quantization(value.name, value.quant),
        )

    def constant(self, name: str, data: np.ndarray) -> str:
        return self.tensor(name, text.encode(data) if data.dtype == TEXT else data)

    def quantization(self, name: str, quant: Quantization) -> schema.QuantizationRecord:
        if quant.axis is None:
            return schema.QuantizationRecord(float(quant.scale[0]), int(quant.zero_point[0]))
        zeros = quant.zero_point
        uniform = zeros.size > 0 and bool((zeros == zeros[0]).all())
        zero_point = int(zeros[0]) if uniform else self.tensor(f"{name}.zero_point", zeros)
        return schema.QuantizationRecord(self.tensor(f"{name}.scale", quant.scale), zero_point, quant.axis)

    def node(self, node: Node, places: Mapping[str, int]) -> schema.NodeRecord:
        inputs: list[int | str] = [places.get(name, name) if name else ABSENT for name in node.inputs]
        outputs = [places[name] if name else ABSENT for name in node.outputs]
        # In the file attributes are sorted, and a reader meets their graphs in that order.
        attrs = {name: self.attribute(node, name, node.attrs[name]) for name in sorted(node.attrs)}
        return schema.NodeRecord(node.op, inputs, outputs, attrs, node.name)

    def attribute(self, node: Node, name: str, value: Attribute) -> schema.AttributeRecord:
        if isinstance(value, (list, tuple)):
            items = [self.attribute(node, name, item) for item in value]
            if any(isinstance(item, list) for item in items):
                raise ModelError(f"{node}: attribute '{name}' nests lists; a NumPy array can be written")
            return items  # type: ignore[return-value]  # no item is a list
        if isinstance(value, np.ndarray):
            return schema.TensorAttribute(self.tensor(f"{node.name or node.op}.{name}", value))
        if isinstance(value, Graph):
            return schema.GraphAttribute(self.graph(value))
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and not math.isfinite(value):
            return schema.FloatAttribute(str(value))  # type: ignore[arg-type]  # "inf", "-inf" or "nan"
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise ModelError(f"{node}: attribute '{name}' cannot be written to a file: {value!r:.60}")

    def case(self, number: int, arrays: Arrays) -> schema.CaseRecord:
        sides = zip(("input", "output"), arrays, strict=True)
        inputs, outputs = ([self.tensor(f"self_test.{number}.{side}", array) for array in some] for side, some in sides)
        return schema.CaseRecord(inputs, outputs)

    def tensor(self, name: str, data: np.ndarray) -> str:
        """The key that data is stored under: name, shortened and made unique, or the key of equal data."""
        data = np.require(data, data.dtype.newbyteorder("<"), ["C_CONTIGUOUS"])
        raw = data.reshape(-1).view(np.uint8)
        found = self.stored.setdefault((data.dtype.str, data.shape, zlib.crc32(raw.data)), [])
        for key in found:
            if _same_bytes(self.tensors[key], data):
                return key
        # TFLite joins the names of all operators that were fused into one; the last says enough.
        key = unique(name.rsplit(";", 1)[-1], self.tensors)
        self.tensors[key] = data
        found.append(key)
        return key


def _same_bytes(first: np.ndarray, second: np.ndarray) -> bool:
    """Not equality of floats: 0.0 and -0.0 are two constants."""
    return first is second or first.tobytes() == second.tobytes()


def unique(name: str, taken: Container[str]) -> str:
    """name, with a number behind it where it is taken or the container's own."""
    candidate = name
    number = 1
    while candidate in taken or candidate in ("", "__metadata__"):
        candidate = f"{name}.{number}"
        number += 1
    return candidate
