"""Where a classifier's logits are, whatever it makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ..errors import ModelError
from ..graph import Graph, Node
from ..model import Model
from ..vision.labels import score_output

PASSING = (
    "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast", "QuantizeLinear", "DequantizeLinear",
    "Requantize",
)  # fmt: skip
"""What may stand between a softmax and the output without changing which class is which."""


@dataclass(frozen=True, slots=True)
class Head:
    """graph: the model's, in which a sigmoid that the last product computes as well is a node of its own. value: the
    name of the logits there. count: how many there are; 1 of a model of two classes, whose sigmoid is the second one's
    probability."""

    graph: Graph
    value: str
    count: int

    @property
    def classes(self) -> int:
        return max(self.count, 2)


def find_head(model: Model, what: str) -> Head:
    """what: how errors call the model. ModelError where no output is one input's scores."""
    name = score_output(model)
    info = model.outputs[name]
    *leading, last = info.shape or ("?",)
    if not isinstance(last, int) or last < 1 or not all(dim == 1 or isinstance(dim, str) for dim in leading):
        raise ModelError(f"{what}: output {info} is not the scores of one input's classes, whose number is known")
    return Head(*_before_softmax(model.graph, name, last), last)


def _before_softmax(graph: Graph, name: str, count: int) -> tuple[Graph, str]:
    """The value that the output's softmax or sigmoid is computed from; the output itself where it has none."""
    producers = graph.producers()
    at = name
    while at in producers:
        node = producers[at]
        if node.op in PASSING:
            at = node.inputs[0]
            continue
        if node.op in ("Softmax", "LogSoftmax") and _along(graph, node) == count:
            return graph, node.inputs[0]
        if node.op == "Sigmoid":
            return graph, node.inputs[0]
        if node.attrs.get("activation") == "Sigmoid":
            return _apart(graph, node)
        break
    return graph, name


def _apart(graph: Graph, node: Node) -> tuple[Graph, str]:
    """The graph with a node's activation as another one behind it, and the name of the value between them."""
    (output,) = node.outputs
    name, known = graph.unique(f"{output}.logits"), graph.values[output]
    between = msgspec.structs.replace(known, name=name)
    attrs = {key: value for key, value in node.attrs.items() if key not in ("activation", "activation_params")}
    pair = [Node(node.op, node.inputs, [name], attrs, node.name), Node(node.attrs["activation"], [name], [output])]
    nodes = [each for other in graph.nodes for each in (pair if other is node else [other])]
    return msgspec.structs.replace(graph, nodes=nodes, values=graph.values | {name: between}), name


def _along(graph: Graph, node: Node) -> int | str | None:
    """The size of the axis that a softmax is along, where the graph says it."""
    shape = next((graph.values[n].shape for n in (node.inputs[0], node.outputs[0]) if n in graph.values), None)
    axis = node.attrs.get("axis", -1)
    return None if shape is None or not -len(shape) <= axis < len(shape) else shape[axis]
