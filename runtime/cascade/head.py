"""Where a classifier's logits are, whatever it makes of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ModelError
from ..graph import Graph, Node
from ..model import Model
from ..vision.labels import score_output

PASSING = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "QuantizeLinear", "DequantizeLinear", "Cast")
"""What may stand between a softmax and the output without changing which class is which."""


@dataclass(frozen=True, slots=True)
class Head:
    """value: the name of the logits in the model's graph. count: how many there are; 1 of a model of two classes, whose
    sigmoid is the second one's probability."""

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
    return Head(_before_softmax(model.graph, name, last), last)


def _before_softmax(graph: Graph, name: str, count: int) -> str:
    """The value that the output's softmax or sigmoid is computed from; the output itself where it has none."""
    producers = graph.producers()
    at = name
    while at in producers:
        node = producers[at]
        if node.op in PASSING:
            at = node.inputs[0]
            continue
        if node.op in ("Softmax", "LogSoftmax") and _along(graph, node) == count:
            return node.inputs[0]
        if node.op == "Sigmoid":
            return node.inputs[0]
        break
    return name


def _along(graph: Graph, node: Node) -> int | str | None:
    """The size of the axis that a softmax is along, where the graph says it."""
    shape = next((graph.values[n].shape for n in (node.inputs[0], node.outputs[0]) if n in graph.values), None)
    axis = node.attrs.get("axis", -1)
    return None if shape is None or not -len(shape) <= axis < len(shape) else shape[axis]
