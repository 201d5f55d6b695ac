"""What integers mean is part of a value's type, and here is the one rule about it.

A value of integers is either plain (`quant` None: the numbers are what they say) or quantized (each stands for
scale * (q - zero point)). No operator takes one for the other. Four change the meaning: QuantizeLinear and
DequantizeLinear lead to and from floats, Requantize from one quantization to another, and Reinterpret keeps the stored
integers and leads from plain to quantized or back. Of all others, integers that belong together are all plain or all
quantized.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..errors import ModelError
from ..graph import Graph, Node, Value, subgraphs
from .quantize import stated_quantization
from .registry import Op, find

NARROW = frozenset(np.dtype(name) for name in ("int8", "uint8", "int16", "uint16"))
"""Whoever reads or writes these has numbers in them, never places or sizes, which are wider."""

PLAIN_RESULTS = frozenset(("Cast", "CastLike", "BitCast"))
"""Operators that give numbers or bits of another dtype: what these mean is said by no scale."""

Found = Sequence["Value | None"]
Lookup = Callable[[str], "Value | None"]


def check(graph: Graph, outer: Lookup | None = None) -> None:
    """ModelError that names the first node, in this graph or one within, that takes one meaning for another. outer:
    gives the values of the graphs around it."""

    def lookup(name: str) -> Value | None:
        return graph.values.get(name) or (None if outer is None else outer(name))

    # Without quantized integers none can be taken for others, but by an operator that makes them or reads them.
    plain = outer is None and all(value.quant is None for value in graph.values.values())
    for node in graph.nodes:
        found = None if plain and node.op not in _CONVERSIONS else problem(node, lookup)
        if found is not None:
            raise ModelError(f"{node}: {found}")
        for inner in subgraphs(node):
            check(inner, lookup)
            for name, own in _handed(node, inner):
                value, within = lookup(name), inner.values.get(own) or lookup(own)
                if value is not None and within is not None and value.quant != within.quant:
                    meanings = " and ".join(str(found.quant or "plain integers") for found in (value, within))
                    raise ModelError(f"{node}: '{name}' and '{own}' within it are one value, but mean {meanings}")


def _handed(node: Node, graph: Graph) -> list[tuple[str, str]]:
    """Names around a graph of the node and names within it that are for the same values."""
    if node.op == "If":
        return [*zip(node.outputs, graph.outputs, strict=False)]
    leading = 2 if node.op == "Loop" else 0  # the count and the condition, which only the body's first output is like
    made = graph.outputs[leading // 2 :]
    given = [*zip(node.inputs[leading:], graph.inputs[leading:], strict=False)]
    states = len(given) if node.op == "Loop" else len(node.inputs) - int(node.attrs.get("num_scan_inputs", 0))
    carried = [*zip(node.inputs[leading:][:states], made, strict=False)]
    return [pair for pair in (*given, *carried, *zip(node.outputs, made, strict=False)) if all(pair)]


def problem(node: Node, lookup: Lookup) -> str | None:
    """What one node takes for something else; None where there is nothing."""
    op = find(node.op)
    if op is None:
        return None
    inputs, outputs = ([lookup(name) if name else None for name in names] for names in (node.inputs, node.outputs))
    rule = _CONVERSIONS.get(op.name)
    if rule is None:
        return _uniform_problem(op, node, inputs, outputs)
    return rule(node, inputs, outputs) if inputs and inputs[0] and outputs and outputs[0] else None


def _uniform_problem(op: Op, node: Node, inputs: Found, outputs: Found) -> str | None:
    """Integers that belong together are all plain or all quantized."""
    quantized = next((value for value in (*inputs, *outputs) if value is not None and value.quant is not None), None)
    if quantized is None:
        return None
    scaled = next((value for value in outputs if value is not None and value.quant is not None), None)
    if op.name in PLAIN_RESULTS:
        return f"'{scaled.name}' is quantized, but {op.name} gives plain numbers" if scaled is not None else None
    numbers = [value for value in (*inputs, *outputs) if value is not None and value.dtype in NARROW]
    if op.macs is not None:
        numbers += _wide(inputs)
    elif op.broadcasts or op.arity[1] is None:
        numbers += _wide([value for value in inputs if value is not None and value.name in op.data_inputs(node)])
    numbers += [value for value in _wide(outputs) if value.dtype == quantized.dtype]
    held = {value.dtype for value in inputs if value is not None and value.quant is not None}
    place = next((value for value in _wide(outputs) if value.quant is not None and value.dtype not in held), None)
    if place is not None and held:
        return f"'{place.name}' ({place.dtype}) is quantized, but holds no numbers of {op.name}'s inputs"
    plain = next((value for value in numbers if value.quant is None), None)
    if plain is not None:
        return (
            f"'{plain.name}' holds plain integers ({plain.dtype}) and '{quantized.name}' quantized ones; "
            f"{op.name} takes the one or the other, and a Reinterpret says what is meant"
        )
    if not any(value is not None and value.quant is not None for value in inputs):
        return f"'{quantized.name}' is quantized, but nothing that it is made of"
    return None


def _wide(values: Iterable[Value | None]) -> list[Value]:
    return [value for value in values if value is not None and value.dtype.kind in "iu" and value.dtype not in NARROW]


def _quantize_problem(node: Node, inputs: Found, outputs: Found) -> str | None:
    return _parameters_problem(node, inputs, outputs[0])


def _dequantize_problem(node: Node, inputs: Found, outputs: Found) -> str | None:
    if outputs[0] is not None and outputs[0].quant is not None:
        return f"its result '{outputs[0].name}' is quantized"
    return _parameters_problem(node, inputs, inputs[0])


def _parameters_problem(node: Node, inputs: Found, integers: Value | None) -> str | None:
    """Scale and zero point, which are inputs, say the same as the quantized side does."""
    if integers is None or integers.quant is None:
        return None
    parameters: list[np.ndarray | None] = []
    for value in inputs[1:3]:
        if value is not None and value.data is None:
            return f"'{integers.name}' is quantized, but its scale or zero point '{value.name}' is no constant"
        parameters.append(None if value is None else value.data)
    rank = None if integers.shape is None else len(integers.shape)
    stated = stated_quantization(parameters[0], (*parameters, None)[1], node.attrs, rank)
    if stated != integers.quant:
        return f"'{integers.name}' is quantized with {integers.quant}, but its scale and zero point say {stated}"
    return None


def _requantize_problem(node: Node, inputs: Found, outputs: Found) -> str | None:
    plain = next((value for value in (inputs[0], outputs[0]) if value is not None and value.quant is None), None)
    return None if plain is None else f"'{plain.name}' holds plain integers, which have no scale to change"


def _reinterpret_problem(node: Node, inputs: Found, outputs: Found) -> str | None:
    x, y = inputs[0], outputs[0]
    assert x is not None and y is not None
    if x.dtype == y.dtype and (x.quant is None) != (y.quant is None):
        return None
    return f"it leads from plain integers to quantized ones of their dtype or back, not from '{x.name}' to '{y.name}'"


_CONVERSIONS = {
    "QuantizeLinear": _quantize_problem,
    "DequantizeLinear": _dequantize_problem,
    "Requantize": _requantize_problem,
    "Reinterpret": _reinterpret_problem,
}
CONVERSIONS = frozenset(_CONVERSIONS)
"""Operators that lead from one meaning to another."""
