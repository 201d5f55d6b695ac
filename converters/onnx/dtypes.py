"""The dtype of a node's results, from ONNX's newest schema of its operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import defs

from ...runtime.boxed import DTYPES as NAMED
from ...runtime.boxed import TEXT, holds, is_boxed, optional_of, sequence_of
from ...runtime.graph import Attribute, Graph
from .schemas import find_schema
from .tensors import DTYPES

Dtypes = list["np.dtype | None"]

_NAMES = {"float": "float32", "double": "float64"}


def output_dtypes(
    op: str, inputs: Sequence[np.dtype | None], attrs: Mapping[str, Attribute], count: int
) -> list[np.dtype | None]:
    """One dtype per output; None where it cannot be told. inputs: None for absent ones.

    What ONNX does not define gives what it takes.
    """
    if op in _SPECIAL:
        found = _SPECIAL[op](list(inputs), attrs)
        if found is not None:
            return (found + [None] * count)[:count]
    return _from_schema(op, inputs, count)


def _from_schema(op: str, inputs: Sequence[np.dtype | None], count: int) -> list[np.dtype | None]:
    schema = find_schema(op)
    if schema is None:
        return [inputs[0] if inputs else None] * count
    bound: dict[str, np.dtype] = {}
    for position, dtype in enumerate(inputs):
        if dtype is not None and schema.inputs:
            bound.setdefault(schema.inputs[min(position, len(schema.inputs) - 1)].type_str, dtype)
    found: list[np.dtype | None] = []
    for position in range(count):
        if not schema.outputs:
            return [None] * count
        text = schema.outputs[min(position, len(schema.outputs) - 1)].type_str
        found.append(bound[text] if text in bound else _concrete(text, schema))
    return found


def _concrete(text: str, schema: defs.OpSchema) -> np.dtype | None:
    """The dtype of 'tensor(int64)', or of a type variable that only one tensor type may take."""
    allowed = next((c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == text), [text])
    if len(allowed) != 1 or not allowed[0].startswith("tensor("):
        return None
    name = allowed[0][len("tensor(") : -1]
    if name == "string":
        return TEXT
    return next((dtype for dtype in DTYPES.values() if dtype.name == _NAMES.get(name, name)), None)


def _named(attrs: Mapping[str, Attribute], key: str) -> np.dtype | None:
    return next((dtype for dtype in DTYPES.values() if dtype.name == attrs.get(key)), None)


def _cast(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [_named(attrs, "to")]


def _constant_of_shape(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    value = attrs.get("value")
    return [value.dtype if isinstance(value, np.ndarray) else np.dtype(np.float32)]


def _quantize(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    given = inputs[2] if len(inputs) > 2 else None
    return [given or _named(attrs, "output_dtype") or np.dtype(np.uint8)]


def _dequantize(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [_named(attrs, "output_dtype") or (inputs[1] if len(inputs) > 1 else None)]


def _like_or_named(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [_named(attrs, "dtype") or (inputs[0] if inputs else np.dtype(np.float32))]


def _positions(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [np.dtype(np.int64)]


def _mel_weights(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [_named(attrs, "output_datatype") or np.dtype(np.float32)]


def _branches(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return _of_graph(attrs.get("then_branch"), 0)


def _loop(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return _of_graph(attrs.get("body"), 1)


def _scan(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return _of_graph(attrs.get("body"), 0)


def _of_graph(graph: Attribute, skipped: int) -> Dtypes | None:
    if not isinstance(graph, Graph):
        return None
    return [graph.values[name].dtype if name in graph.values else None for name in graph.outputs[skipped:]]


def _number(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [np.dtype(np.int64)]


def _text(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [TEXT]


def _truth(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [np.dtype(np.bool_)]


def _like_first(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [inputs[0]]


def _sequence(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [sequence_of(NAMED[str(attrs["dtype"])])]


def _parts(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [None if inputs[0] is None else sequence_of(inputs[0])]


def _optional(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [optional_of(NAMED[str(attrs["dtype"])])]


def _weights(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    return [inputs[7]]


def _held(inputs: Dtypes, attrs: Mapping[str, Attribute]) -> Dtypes | None:
    """What a sequence or an optional value holds."""
    first = inputs[0]
    return [first if first is None or not is_boxed(first) or first == TEXT else holds(first)]


_SPECIAL = {
    "BitCast": _cast,
    "Cast": _cast,
    "ConcatFromSequence": _held,
    "ConstantOfShape": _constant_of_shape,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "EyeLike": _like_or_named,
    "If": _branches,
    "Loop": _loop,
    "MaxPoolIndices": _positions,
    "MelWeightMatrix": _mel_weights,
    "NumbersToText": _text,
    "Optional": _optional,
    "OptionalGetElement": _held,
    "OptionalHasElement": _truth,
    "Scan": _scan,
    "SequenceAt": _held,
    "SequenceConstruct": _sequence,
    "SequenceErase": _like_first,
    "SequenceInsert": _like_first,
    "SequenceLength": _number,
    "SplitToSequence": _parts,
    "Lookup": _number,
    "TextToNumbers": _cast,
    "Tokenizer": _text,
    "TreeEnsemble": _weights,
}
