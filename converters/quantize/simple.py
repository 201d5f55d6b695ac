"""Decisions from the histograms alone: every weight to the nearest integer, every range by one method."""

from __future__ import annotations

from collections.abc import Mapping

from ...runtime.graph import Graph, Node
from .decisions import Decisions, constant_operand
from .histogram import Histogram
from .plan import Plan, data_inputs
from .products import bias_of, is_product, stored_weights
from .ranges import AUTO, METHODS, Range, candidates, quantization
from .weights import by_rows, nearest


def decide_simply(graph: Graph, plan: Plan, histograms: Mapping[str, Histogram], method: str) -> Decisions:
    """method: of ranges.METHODS; the least and the largest number where none is named."""
    chosen = "minmax" if method == AUTO else method
    decisions = Decisions()
    for name in plan.rounded:
        root = decisions.quants.get(plan.carried.get(name, name))
        decisions.quants[name] = root or quantization(_only(histograms[name], chosen))
    for node in graph.nodes:
        round_constants(graph, plan, node, decisions)
        if node.outputs[0] in plan.integer | plan.weights_only and is_product(graph, node):
            w = graph.constant(node.inputs[1])
            assert w is not None
            decisions.weights[node.outputs[0]] = nearest(node, w, bias_of(graph, node), x_scale(plan, decisions, node))
    return decisions


def _only(histogram: Histogram, method: str) -> Range:
    assert method in METHODS
    return candidates(histogram, method)[0]


def x_scale(plan: Plan, decisions: Decisions, node: Node) -> float | None:
    """The scale of what a product reads; None where that stays in float."""
    if node.outputs[0] not in plan.integer:
        return None
    source = node.inputs[0]
    return float(decisions.quants[plan.carried.get(source, source)].scale[0])


def round_constants(graph: Graph, plan: Plan, node: Node, decisions: Decisions) -> None:
    """Constant operands of integer nodes other than products, and the weights of recurrent layers."""
    made = node.outputs[0]
    if is_product(graph, node):
        return
    if made in plan.weights_only:
        for place in stored_weights(graph, node):
            w = graph.constant(node.inputs[place])
            assert w is not None
            decisions.constants[node.inputs[place]] = by_rows(w)
    for name in data_inputs(node) if made in plan.integer else ():
        array = graph.constant(name)
        if array is not None:
            decisions.constants[name] = constant_operand(array)
