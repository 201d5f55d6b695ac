"""Writes .mj files as docs/format.md says, without the writer, which refuses what no converter would make."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from file_parts import compact, with_header

DTYPES = {
    "bool": "BOOL", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "uint8": "U8", "uint16": "U16",
    "float16": "F16", "float32": "F32", "float64": "F64",
}  # fmt: skip
Scale = tuple[float, int] | Mapping[str, Any] | None
"""Scale and zero point of a tensor, or the record as the file has it, its lists being tensors."""
Type = tuple[str, Sequence[int | str] | None, Scale]
"""dtype, shape and what integers mean."""


def of(dtype: str, shape: Sequence[int | str] | None = None, quant: Scale = None) -> Type:
    return dtype, shape, quant


@dataclass
class Hand:
    """A graph: nodes (operator, inputs, outputs, attributes), and the types of what nodes give, float32 where nothing
    is said. Constants are arrays, or arrays with what they mean."""

    inputs: Mapping[str, Type]
    nodes: Sequence[tuple[str, Sequence[str], Sequence[str], Mapping[str, Any]]]
    outputs: Sequence[str]
    constants: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Type] = field(default_factory=dict)

    def file(self, metadata: Mapping[str, Any] | None = None, version: int = 1, **record: Any) -> bytes:
        writer = _Writer()
        writer.graph(self)
        text = {"checksum": "00000000", "graphs": writer.graphs, "metadata": metadata or {}, "version": version}
        entries, data = dict[str, Any](), b""
        for key, array in sorted(writer.tensors.items(), key=lambda item: -item[1].itemsize):
            content = array.tobytes()
            offsets = [len(data), len(data) + len(content)]
            entries[key] = {"dtype": DTYPES[array.dtype.name], "shape": [*array.shape], "data_offsets": offsets}
            data += content
        header = {"__metadata__": {"millijoule": compact({**text, **record})}, **entries}
        return with_header(json.dumps(header, separators=(",", ":")).encode(), data)


class _Writer:
    def __init__(self) -> None:
        self.graphs: list[Any] = []
        self.tensors: dict[str, np.ndarray] = {}

    def graph(self, hand: Hand) -> int:
        index = len(self.graphs)
        self.graphs.append(None)
        values, places = list[dict[str, Any]](), dict[str, int]()

        def add(name: str, kind: Type, data: np.ndarray | None = None) -> None:
            places[name] = len(values)
            found = {"name": name, "dtype": kind[0], "quant": self._quant(name, kind[2]), "shape": kind[1]}
            found |= {"data": None if data is None else self._tensor(name, data)}
            values.append({key: item for key, item in found.items() if item is not None})

        for name, kind in hand.inputs.items():
            add(name, kind)
        for name, item in hand.constants.items():
            data, quant = item if isinstance(item, tuple) else (item, None)
            add(name, of(np.asarray(data).dtype.name, np.shape(data), quant), np.asarray(data))
        for _, _, outputs, _ in hand.nodes:
            for name in outputs:
                if name and name not in places:
                    add(name, hand.types.get(name, of("float32")))

        def reference(name: str) -> int | str:
            return places.get(name, name) if name else -1

        nodes = []
        for number, (op, inputs, outputs, attrs) in enumerate(hand.nodes):
            made = {name: self._attribute(f"{op}.{name}", attrs[name]) for name in sorted(attrs)}
            read, given = ([*map(reference, names)] for names in (inputs, outputs))
            nodes.append({"op": op, "inputs": read, "outputs": given, "attrs": made, "name": f"n{number}"})
        ends = {key: [*map(reference, names)] for key, names in (("inputs", hand.inputs), ("outputs", hand.outputs))}
        self.graphs[index] = {"values": values, "nodes": nodes, **ends}
        return index

    def _tensor(self, name: str, data: np.ndarray) -> str:
        key = name
        while key in self.tensors:
            key += "'"
        self.tensors[key] = data
        return key

    def _quant(self, name: str, quant: Scale) -> Mapping[str, Any] | None:
        if quant is None or isinstance(quant, Mapping):
            kinds = {"scale": np.float32, "zero_point": np.int32}
            return quant and {
                key: self._tensor(f"{name}.{key}", np.array(item, kinds[key])) if isinstance(item, list) else item
                for key, item in quant.items()
            }
        return {"scale": quant[0], "zero_point": quant[1]}

    def _attribute(self, name: str, item: Any) -> Any:
        if isinstance(item, Hand):
            return {"type": "graph", "index": self.graph(item)}
        if isinstance(item, np.ndarray):
            return {"type": "tensor", "key": self._tensor(name, item)}
        return item
