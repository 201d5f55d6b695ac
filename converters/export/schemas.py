"""Which of ONNX's operator sets says all that a graph's nodes say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
from onnx import defs

from ...runtime.errors import ModelError

OLDEST = 19
"""Of 2023, which engines of today know. Later ones are taken where they are needed only: with operator set 21,
onnxruntime 1.32 moves some QuantizeLinear of uint8 past a Transpose as one of int8, and refuses its own work."""
WIDE = 21
"""The first whose QuantizeLinear makes 16-bit integers."""


def operator_set(nodes: Iterable[onnx.NodeProto], wide: bool) -> int:
    """The oldest operator set from OLDEST on that has all operators and attributes. wide: there are integers of 16
    bits. ModelError where none has."""
    return max(WIDE if wide else OLDEST, *(_first_with(node) for node in _all(nodes)), OLDEST)


def _first_with(node: onnx.NodeProto) -> int:
    problem = f"ONNX has no operator {node.op_type}"
    for version in range(OLDEST, defs.onnx_opset_version() + 1):
        try:
            schema = defs.get_schema(node.op_type, version)
        except defs.SchemaError:
            continue
        lacking = [attribute.name for attribute in node.attribute if attribute.name not in schema.attributes]
        if not lacking and len(node.input) <= schema.max_input:
            return version
        problem = f"ONNX's {node.op_type} has no {f'attribute {lacking[0]}' if lacking else 'so many inputs'}"
    raise ModelError(f"'{node.output[0]}': {problem}")


def _all(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all(graph.node)
