"""Which nodes compute on integers, and which tensors have to become integers for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from ...runtime.engine.names import CHANNELS_LAST
from ...runtime.errors import InputError
from ...runtime.evaluate.shapes import instantiate
from ...runtime.graph import Graph, Node
from ...runtime.ops.registry import find
from ..rewrites.qdq_move import moves_first_input
from ..rewrites.qdq_operator import has_integer_arithmetic
from .levels import FLOAT, HALF, INTEGER_WEIGHTS, Levels, at
from .products import is_product, stored_weights

TAIL = 0.01
"""Share of the model's multiply-adds that the last nodes may take to stay in float, where nothing has to be integers
again behind them: so the scores are not rounded."""
ELEMENT = 8
"""Multiply-adds that take as long as reading or writing an element of float32, or making one of int8."""
STEEP = frozenset(
    (
        *("Exp", "Log", "Reciprocal", "Sqrt", "Erf", "Sign", "Floor", "Ceil", "Round"),
        *("Sin", "Cos", "Tan", "Asin", "Acos", "Sinh", "Cosh", "Atanh", "Acosh"),
    )
)
"""Functions whose result the 256 steps of the argument, or of the result, say too little of."""
CONSTANT = 30.0
"""Decibels that a constant operand has to keep as int8, or its node stays in float."""


@dataclass(slots=True)
class Plan:
    """integer: the nodes that compute on integers, by first output. weights_only: products and recurrent layers that
    compute in float, with weights that are stored as int8; halved: as float16. rounded: the tensors that become
    integers, in the order of the nodes, each with whether only its integer readers read it so (it is a float node's
    result, or an input). carried: tensors that hold the integers of another, moved. macs: multiply-adds of each node
    that has any. dynamic: of the products with integer weights, those whose rows are rounded as they come. public:
    inputs and outputs that are int8 themselves."""

    integer: set[str] = field(default_factory=set)
    weights_only: set[str] = field(default_factory=set)
    halved: set[str] = field(default_factory=set)
    dynamic: set[str] = field(default_factory=set)
    rounded: dict[str, bool] = field(default_factory=dict)
    carried: dict[str, str] = field(default_factory=dict)
    macs: dict[str, int] = field(default_factory=dict)
    public: frozenset[str] = frozenset()


def make_plan(
    graph: Graph,
    shapes: Mapping[str, tuple[int, ...]],
    keep_float: Collection[str] = (),
    integer_io: bool = False,
    levels: Levels | None = None,
) -> Plan:
    """shapes: of the inputs, for the costs. keep_float: nodes, by their name or a tensor that they make, that stay as
    they are. integer_io: inputs and outputs are int8 as well, so that nothing at the end stays in float. levels: of the
    others.

    InputError where keep_float names nothing, or there is nothing to quantize.
    """
    plan = Plan()
    costs = _costs(graph, shapes, plan.macs)
    levels = levels or {}
    kept = _kept(graph, keep_float) | at(levels, FLOAT, HALF)
    weighted = [node for node in graph.nodes if node.outputs[0] not in kept and stored_weights(graph, node)]
    if not weighted and not kept:
        raise InputError(
            "the model has no convolution, matrix product or recurrent layer with constant float32 weights to quantize"
        )
    tail = set() if integer_io else _tail(graph, costs, TAIL * sum(plan.macs.values()))
    coarse = tail | at(levels, INTEGER_WEIGHTS)
    plan.halved = at(levels, HALF)
    integer = [node for node in weighted if is_product(graph, node) and node.outputs[0] not in coarse]
    plan.integer = {node.outputs[0] for node in integer}
    plan.weights_only = {node.outputs[0] for node in weighted} - plan.integer
    operators = {
        node.outputs[0]: node
        for node in graph.nodes
        if _has_integers(graph, node) and node.outputs[0] not in kept | coarse
    }
    plan.integer |= operators.keys()
    while True:
        plan.carried = _carried(graph, plan.integer)
        lonely = {name for name, node in operators.items() if not _worthwhile(graph, plan, node, integer_io)}
        if not lonely:
            break
        plan.integer -= lonely
        operators = {name: node for name, node in operators.items() if name not in lonely}
    if integer_io:
        plan.public = frozenset(
            name for name in (*graph.inputs, *graph.outputs) if graph.values[name].dtype == np.float32
        )
    plan.rounded = _rounded(graph, plan)
    return plan


def data_inputs(node: Node) -> list[str]:
    """What of a node's inputs becomes integers; of a product the first, as weights have passes of their own."""
    op = find(node.op)
    assert op is not None
    return node.inputs[:1] if op.macs is not None else [name for name in op.data_inputs(node) if name]


def names_of(node: Node) -> set[str]:
    """All that a user may call a node: its name, and those of its results in the source."""
    found = {node.name, *node.outputs}
    for output in node.outputs:
        parts = CHANNELS_LAST.fullmatch(output)
        if parts is not None:
            found.add(parts[1])
    return found - {""}


def _kept(graph: Graph, keep_float: Collection[str]) -> set[str]:
    kept = set()
    for wanted in keep_float:
        found = [node for node in graph.nodes if wanted in names_of(node)]
        if not found:
            weighted = [node.outputs[0] for node in graph.nodes if stored_weights(graph, node)]
            listed = ", ".join(f"'{name}'" for name in weighted[:8]) + (", ..." if len(weighted) > 8 else "")
            raise InputError(f"no layer '{wanted}' to keep in float; the layers with weights are {listed}")
        kept |= {node.outputs[0] for node in found}
    return kept


def _costs(graph: Graph, shapes: Mapping[str, tuple[int, ...]], macs: dict[str, int]) -> dict[str, int]:
    """What each node takes in float, in multiply-adds; fills in macs."""
    costs = {}
    for step in instantiate(graph, shapes).steps:
        name = step.node.outputs[0]
        if step.op.macs is not None:
            costs[name] = macs[name] = step.op.macs(step.ctx)
        else:
            elements = max(prod(t.shape) for t in (*step.ctx.inputs, *step.ctx.outputs) if t is not None)
            costs[name] = elements * max(ELEMENT, step.op.work or 0)
    return costs


def _tail(graph: Graph, costs: Mapping[str, int], budget: float) -> set[str]:
    """Nodes that only nodes of the tail read, from the outputs upwards, as long as the budget lasts."""
    consumers, tail = graph.consumers(), set[str]()
    for node in reversed(graph.nodes):
        readers = [reader for output in node.outputs for reader in consumers.get(output, [])]
        cost = costs.get(node.outputs[0], 0)
        if cost <= budget and all(reader.outputs[0] in tail for reader in readers):
            tail.add(node.outputs[0])
            budget -= cost
    return tail


def _has_integers(graph: Graph, node: Node) -> bool:
    op = find(node.op)
    if op is None or not has_integer_arithmetic(op) or op.shape_only or node.op in STEEP or len(node.outputs) != 1:
        return False
    data = data_inputs(node)
    if any(graph.values[name].dtype != np.float32 for name in (*data, *node.outputs)):
        return False
    constants = [array for name in data if (array := graph.constant(name)) is not None]
    return len(constants) < len(data) and all(_survives(array) for array in constants)


def _survives(array: np.ndarray) -> bool:
    """Whether a constant operand may be int8 with one scale."""
    largest = float(np.abs(array).max(initial=0))
    if not np.isfinite(largest):
        return False
    error = np.rint(array / (largest / 127 or 1)) * (largest / 127) - array
    return float(np.square(error).sum()) <= 10 ** (-CONSTANT / 10) * float(np.square(array).sum())


def _is_mover(node: Node) -> bool:
    op = find(node.op)
    if op is None:
        return False
    return node.op == "Split" or (moves_first_input(op) and node.attrs.get("activation") is None)


def _pads_with_zero(graph: Graph, node: Node) -> bool:
    value = node.inputs[2] if len(node.inputs) > 2 else ""
    constant = graph.constant(value) if value else np.zeros(())
    return node.attrs.get("mode", "constant") != "constant" or (constant is not None and not constant.any())


def _carried(graph: Graph, integer: set[str]) -> dict[str, str]:
    """Tensor -> the integer node's result whose integers it holds."""
    root = {name: name for name in integer}
    for node in graph.nodes:
        moves = _is_mover(node) or (node.op == "Pad" and _pads_with_zero(graph, node))
        if moves and node.outputs[0] not in integer and node.inputs[0] in root:
            root |= {output: root[node.inputs[0]] for output in node.outputs if output}
    return {name: found for name, found in root.items() if name != found}


def _worthwhile(graph: Graph, plan: Plan, node: Node, integer_io: bool) -> bool:
    """Whether a node without weights lies between integers, so that no float has to be rounded for it alone."""
    sources = [name for name in data_inputs(node) if graph.constant(name) is None]
    fed = any(name in plan.integer or name in plan.carried or (integer_io and name in graph.inputs) for name in sources)
    return fed and _is_read(graph, plan, node.outputs[0], integer_io)


def _is_read(graph: Graph, plan: Plan, name: str, integer_io: bool) -> bool:
    held = {name, *(carried for carried, root in plan.carried.items() if root == name)}
    if integer_io and held & set(graph.outputs):
        return True
    return any(
        node.outputs[0] in plan.integer and held & set(data_inputs(node)) for node in graph.nodes if node.outputs
    )


def _rounded(graph: Graph, plan: Plan) -> dict[str, bool]:
    needed = {
        name
        for node in graph.nodes
        if node.outputs[0] in plan.integer
        for name in data_inputs(node)
        if graph.constant(name) is None and name not in plan.carried
    }
    needed |= plan.public
    order = [*graph.inputs, *(output for node in graph.nodes for output in node.outputs)]
    return {name: name not in plan.integer for name in order if name in plan.integer or name in needed}
