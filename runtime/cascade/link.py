"""Several classifiers and a gate as one graph, which is planned and run as any other is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from ..errors import ModelError
from ..graph import Dim, Graph, Node, Value
from ..model import Model
from ..ops.confidence_gate import RECORD, SURE
from ..program.program import Exits
from .gate import Gate
from .head import Head, find_head
from .inputs import Inputs, match

FLOAT = np.dtype(np.float32)
OUTPUTS = ("probabilities", "answer")
"""How the outputs are called, unless an input is."""


@dataclass(frozen=True, slots=True)
class Linked:
    """probabilities, record: the names of the graph's two outputs, of (1, classes) and ops.confidence_gate.RECORD."""

    graph: Graph
    inputs: Inputs
    exits: Exits | None
    probabilities: str
    record: str


def link(stages: Sequence[Model], gate: Gate) -> Linked:
    """ModelError where a model is no classifier or two have other classes; InputError where the gate is for another
    number of stages. Everything of stage k bears names that begin with `k/`, but for the inputs that stages share."""
    for number, stage in enumerate(stages):
        if stage.metadata.states:
            raise ModelError(f"stage {number} keeps state from one run to the next, so it cannot be left out of some")
    heads = [find_head(stage, f"stage {number}") for number, stage in enumerate(stages)]
    _check_classes(stages, heads)
    thresholds = (*gate.thresholds(len(stages)), 0.0 if gate.abstain is None else gate.abstain)
    inputs = match(stages)
    graph = Graph(name=" + ".join(stage.graph.name or f"stage {number}" for number, stage in enumerate(stages)))
    graph.inputs = list(dict.fromkeys(name for names in inputs.names for name in names.values()))
    last = len(stages) - 1
    answers, gates = [], {}
    for number, head in enumerate(heads):
        _include(graph, head.graph, number, inputs)
        logits = _logits(graph, inputs.names[number].get(head.value, f"{number}/{head.value}"), head, number)
        scaled = _scaled(graph, logits, gate.temperatures(len(stages))[number], number)
        names = (f"{number}/softmax", f"{number}/gate") if last else OUTPUTS
        probabilities = _node(graph, "Softmax", [scaled], names[0], (1, head.classes), axis=-1)
        attrs = {"score": gate.score, "threshold": thresholds[number], "stage": number}
        record = _node(graph, "ConfidenceGate", [scaled, probabilities], names[1], (RECORD,), **attrs)
        answers.append((probabilities, record))
        gates[graph.nodes[-1].name] = SURE
    gates.popitem()
    best, joins = answers[0], []
    for number, other in enumerate(answers[1:], start=1):
        names = OUTPUTS if number == last else (f"chosen/{number}/softmax", f"chosen/{number}/record")
        written = [_declared(graph, new, graph.values[old].shape) for new, old in zip(names, best, strict=True)]
        joins.append(f"chosen/{number}")
        attrs = {"stage": number, "post_check": gate.post_check}
        graph.nodes.append(Node("MostConfident", [*best, *other], written, attrs, joins[-1]))
        best = (written[0], written[1])
    graph.outputs = list(best)
    return Linked(graph, inputs, Exits(gates, joins[0]) if joins else None, *best)


def _check_classes(stages: Sequence[Model], heads: Sequence[Head]) -> None:
    labels = stages[0].metadata.labels
    for number, (stage, head) in enumerate(zip(stages, heads, strict=True)):
        if head.classes != heads[0].classes:
            raise ModelError(
                f"stage 0 knows {heads[0].classes} classes and stage {number} {head.classes}: every stage of a cascade "
                "has to tell the same classes apart"
            )
        if labels and stage.metadata.labels and stage.metadata.labels != labels:
            raise ModelError(
                f"stage {number} has other labels than stage 0: the stages of a cascade need the same classes in the "
                "same order"
            )


def _include(graph: Graph, stage: Graph, number: int, inputs: Inputs) -> None:
    """Adds a stage's values and nodes under their names in the cascade."""
    names: Mapping[str, str] = inputs.names[number]

    def name(own: str) -> str:
        return names.get(own, f"{number}/{own}") if own else ""

    for value in stage.values.values():
        if name(value.name) not in graph.values:
            shape = None if value.shape is None else tuple(_dim(dim, number, inputs) for dim in value.shape)
            graph.add_value(msgspec.structs.replace(value, name=name(value.name), shape=shape))
    for node in stage.nodes:
        reads, writes = [name(own) for own in node.inputs], [name(own) for own in node.outputs]
        graph.nodes.append(Node(node.op, reads, writes, dict(node.attrs), f"{number}/{node.name or node.outputs[0]}"))


def _dim(dim: Dim, number: int, inputs: Inputs) -> Dim:
    return inputs.symbols[number].get(dim, f"{number}/{dim}") if isinstance(dim, str) else dim


def _logits(graph: Graph, name: str, head: Head, number: int) -> str:
    """The stage's logits as float32 of shape (1, classes)."""
    value = graph.values[name]
    if value.quant is not None:
        scale = graph.add_constant(f"{number}/logits.scale", value.quant.scale.reshape(-1)[:1].reshape(()))
        zero = value.quant.zero_point.astype(value.dtype).reshape(-1)[:1].reshape(())
        if value.quant.axis is not None:
            raise ModelError(f"stage {number}: its scores have one scale each, which a gate does not take")
        zero_point = graph.add_constant(f"{number}/logits.zero_point", zero)
        name = _node(graph, "DequantizeLinear", [name, scale, zero_point], f"{number}/logits.real", value.shape)
    elif value.dtype.kind != "f":
        raise ModelError(f"stage {number}: its scores are {value.dtype} without a scale that says what they stand for")
    elif value.dtype != FLOAT:
        name = _node(graph, "Cast", [name], f"{number}/logits.float32", value.shape, to="float32")
    shape = graph.add_constant(f"{number}/logits.shape", np.array([1, head.count]))
    name = _node(graph, "Reshape", [name, shape], f"{number}/logits.row", (1, head.count))
    if head.count > 1:
        return name
    none = graph.add_constant(f"{number}/logits.none", np.zeros((1, 1), np.float32))
    return _node(graph, "Concat", [none, name], f"{number}/logits.both", (1, 2), axis=1)


def _scaled(graph: Graph, logits: str, temperature: float, number: int) -> str:
    if temperature == 1:
        return logits
    factor = graph.add_constant(f"{number}/temperature", np.float32(1 / temperature).reshape(()))
    return _node(graph, "Mul", [logits, factor], f"{number}/logits.scaled", graph.values[logits].shape)


def _node(graph: Graph, op: str, inputs: list[str], output: str, shape: tuple[Dim, ...] | None, **attrs: object) -> str:
    name = _declared(graph, output, shape)
    graph.nodes.append(Node(op, inputs, [name], dict(attrs), name))
    return name


def _declared(graph: Graph, name: str, shape: tuple[Dim, ...] | None) -> str:
    name = graph.unique(name)
    graph.add_value(Value(name, FLOAT, shape))
    return name
