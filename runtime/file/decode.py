"""Records of a file and its tensors -> Graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec
import numpy as np

from ..boxed import DTYPES, TEXT
from ..errors import ModelError
from ..graph import Attribute, Graph, Node, Quantization, Value
from . import container, schema, text
from .self_test import Arrays

T = TypeVar("T")
_decoder = msgspec.json.Decoder(schema.ModelRecord)
_SINCE = {
    2: "default sizes",
    3: "cascades",
    4: "self-test",
    5: "memory for similar images",
    6: "state",
    7: "text, sequences or optional values",
}
_version_decoder = msgspec.json.Decoder(schema.VersionRecord)
_outline_decoder = msgspec.json.Decoder(schema.OutlineRecord)


def decode_record(written: str) -> schema.ModelRecord:
    """The graph's JSON, checked against the schema; ModelError where it does not fit."""
    try:
        version = _version_decoder.decode(written).version
        if version > schema.VERSION:
            raise ModelError(
                f"it is version {version} of the format and this millijoule reads up to {schema.VERSION}: "
                "upgrade with `pip install -U millijoule`"
            )
        gate = _outline_decoder.decode(written).gate
        if gate is not None and len(gate.stages) >= schema.MAX_STAGES:
            raise ModelError(f"it has {1 + len(gate.stages)} stages; a cascade has {schema.MAX_STAGES} at most")
        record = _decoder.decode(written)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"the graph's record is not sound: {error}") from None
    needed = schema.version_for(record.graphs, record.metadata, record.gate, record.self_test)
    if record.version < needed:
        raise ModelError(f"version {record.version} of the format has no {_SINCE[needed]}")
    # msgspec takes the last of two equal keys; another reader might take the first.
    container.parse(written, "graph's record")
    return record


def decode_graphs(record: schema.ModelRecord, tensors: Mapping[str, np.ndarray]) -> tuple[list[Graph], list[Arrays]]:
    """The main graph of each stage, or of the one model, with its subgraphs, and the self-test; ModelError where a
    tensor or graph is referred to wrongly or not at all."""
    decoder = _Decoder(record, tensors)
    graphs = [decoder.main_graph() for _ in range(1 if record.gate is None else 1 + len(record.gate.stages))]
    if decoder.next_graph != len(record.graphs):
        raise ModelError(f"graph {decoder.next_graph} belongs to no node")
    cases = [decoder.case(number, case) for number, case in enumerate(record.self_test)]
    unused = tensors.keys() - decoder.used
    if unused:
        raise ModelError(f"tensor {min(unused)!r} belongs to no value")
    return graphs, cases


class _Decoder:
    def __init__(self, record: schema.ModelRecord, tensors: Mapping[str, np.ndarray]) -> None:
        self.records = record.graphs
        self.tensors = tensors
        self.used: set[str] = set()
        self.texts: dict[tuple[str, int], np.ndarray] = {}
        self.next_graph = 0
        self.depth = 0

    def main_graph(self) -> Graph:
        """The next graph, which no attribute holds."""
        if self.next_graph == len(self.records):
            raise ModelError(f"there is no graph {self.next_graph} for the next stage")
        self.next_graph += 1
        return self.graph(self.next_graph - 1)

    def graph(self, index: int) -> Graph:
        record = self.records[index]
        self.depth += 1
        if self.depth > schema.MAX_DEPTH:
            raise ModelError(f"graphs are nested deeper than {schema.MAX_DEPTH}")
        graph = Graph(name=record.name)
        for value in _taken(record.values):
            if value.name in graph.values:
                raise ModelError(f"value {value.name!r} is declared twice")
            graph.add_value(self.value(value))
        names = _Names(graph.values)
        graph.inputs = [names.resolve("an input of the graph", reference) for reference in record.inputs]
        graph.outputs = [names.resolve("an output of the graph", reference) for reference in record.outputs]
        graph.nodes = [self.node(node, names) for node in _taken(record.nodes)]
        self.depth -= 1
        return graph

    def value(self, record: schema.ValueRecord) -> Value:
        what = f"value {record.name!r}"
        data = None if record.data is None else self.tensor(what, record.data)
        dtype = DTYPES[record.dtype]
        if data is not None and dtype == TEXT:
            data = self.text(what, record, data)
        return Value(
            record.name,
            dtype,
            None if record.shape is None else tuple(record.shape),
            None if record.quant is None else self.quantization(what, record.quant),
            data,
        )

    def quantization(self, what: str, record: schema.QuantizationRecord) -> Quantization:
        if isinstance(record.scale, str):
            scale = self.tensor(what, record.scale)
        elif record.axis is None:
            with np.errstate(over="ignore"):
                scale = np.array([record.scale], np.float32)
        else:
            raise ModelError(f"{what}: scales along an axis must be a tensor")
        if isinstance(record.zero_point, str):
            zero_point = self.tensor(what, record.zero_point)
        else:
            # Takes no memory, as many values may share one long list of scales.
            zero_point = np.broadcast_to(np.int32(record.zero_point), scale.shape)
        return Quantization(scale, zero_point, record.axis)

    def node(self, record: schema.NodeRecord, names: _Names) -> Node:
        what = f"{record.op} {record.name!r}"
        inputs = [names.resolve(what, reference) for reference in record.inputs]
        outputs = [names.resolve(what, reference) for reference in record.outputs]
        attrs = {name: self.attribute(f"{what}, attribute {name!r}", value) for name, value in record.attrs.items()}
        return Node(record.op, inputs, outputs, attrs, record.name)

    def attribute(self, what: str, record: schema.AttributeRecord) -> Attribute:
        if isinstance(record, list):
            return [self.attribute(what, item) for item in record]
        if isinstance(record, schema.TensorAttribute):
            return self.tensor(what, record.key)
        if isinstance(record, schema.FloatAttribute):
            return float(record.value)
        if isinstance(record, schema.GraphAttribute):
            # Graphs are numbered in the order in which they are met, so none can hold itself or be held twice.
            if record.index != self.next_graph or record.index >= len(self.records):
                raise ModelError(f"{what}: graph {record.index} is not the next graph of the file")
            self.next_graph += 1
            return self.graph(record.index)
        return record

    def text(self, what: str, record: schema.ValueRecord, data: np.ndarray) -> np.ndarray:
        """The elements, which many values may share."""
        if record.shape is None or any(isinstance(dim, str) for dim in record.shape):
            raise ModelError(f"{what} is a constant of an unknown shape")
        shape = tuple(map(int, record.shape))
        key = str(record.data), math.prod(shape)
        if key not in self.texts:
            try:
                self.texts[key] = text.decode(data, shape).reshape(-1)
            except ModelError as problem:
                raise ModelError(f"{what}: {problem}") from None
        return self.texts[key].reshape(shape)

    def case(self, number: int, record: schema.CaseRecord) -> Arrays:
        what = f"self-test {number}"
        return Arrays(*([self.tensor(what, key) for key in keys] for keys in (record.inputs, record.outputs)))

    def tensor(self, what: str, key: str) -> np.ndarray:
        if key not in self.tensors:
            raise ModelError(f"{what}: the file has no tensor {key!r}")
        self.used.add(key)
        return self.tensors[key]


def _taken(records: list[T]) -> Iterator[T]:
    """The records in order, each let go of before the next: a graph of many nodes and its records need not both be
    held whole."""
    records.reverse()
    while records:
        yield records.pop()


class _Names:
    """The names of a graph's values, for the references to them."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = values
        self.names = list(values)

    def resolve(self, what: str, reference: int | str) -> str:
        """The name that a reference stands for; empty for an absent input or output."""
        if isinstance(reference, str):
            if reference in self.values:
                raise ModelError(f"{what}: {reference!r} must be referred to by its index")
            return reference
        if reference >= len(self.names):
            raise ModelError(f"{what}: there is no value {reference}")
        return "" if reference < 0 else self.names[reference]
