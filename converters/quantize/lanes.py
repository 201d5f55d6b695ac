"""The float graph and the quantized one, side by side: the same node of both, on several samples, in NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ...runtime.evaluate.reference import evaluate
from ...runtime.graph import Graph, Node
from ...runtime.ops.inference import infer_node
from ...runtime.ops.registry import Tensor

Batch = list[np.ndarray]
"""A tensor's numbers for each of the samples."""


def compute(node: Node, inputs: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    """One node's results, by its reference, on real numbers."""
    tensors = [
        None if array is None else Tensor(name, array.shape, array.dtype, None, array)
        for name, array in zip(node.inputs, inputs, strict=True)
    ]
    step = infer_node(node, tensors)
    return evaluate(step.op, step.ctx, inputs)


class Lanes:
    """wanted: tensors of the float graph. found: those of the quantized one, the same objects as far as nothing was
    rounded. rounded: what integer nodes read instead of a tensor in found that others read as it is. A tensor that no
    node reads any more is let go of."""

    def __init__(self, graph: Graph, feeds: Sequence[Mapping[str, np.ndarray]]) -> None:
        self.graph = graph
        self.count = len(feeds)
        self.wanted: dict[str, Batch] = {name: [sample[name] for sample in feeds] for name in graph.inputs}
        self.found: dict[str, Batch] = dict(self.wanted)
        self.rounded: dict[str, Batch] = {}
        self._pending = Counter(name for node in graph.nodes for name in set(node.inputs) - {""})

    def run(self, node: Node, integer: bool, constants: Mapping[str, np.ndarray]) -> None:
        """The node's results in both lanes. integer: it reads what was rounded. constants: what it reads in the
        quantized graph in place of its own."""
        computed = [name for name in node.inputs if name and self.graph.constant(name) is None]
        wanted = [self.read(self.wanted, name) for name in node.inputs]
        found = [constants.get(name, self.read_found(name, integer)) for name in node.inputs]
        same = not constants and all(self.read_found(name, integer) is self.wanted[name] for name in computed)
        results = self.compute(node, wanted)
        self.store(node, results, results if same else self.compute(node, found))

    def compute(self, node: Node, inputs: Sequence[Batch | np.ndarray | None]) -> list[list[np.ndarray]]:
        """The node's results for each sample. inputs: for each sample, or the same for all."""
        return [
            compute(node, [each[sample] if isinstance(each, list) else each for each in inputs])
            for sample in range(self.count)
        ]

    def read(self, lane: Mapping[str, Batch], name: str) -> Batch | np.ndarray | None:
        if not name:
            return None
        constant = self.graph.constant(name)
        return lane[name] if constant is None else constant

    def read_found(self, name: str, integer: bool) -> Batch | np.ndarray | None:
        return self.rounded[name] if integer and name in self.rounded else self.read(self.found, name)

    def store(self, node: Node, wanted: list[list[np.ndarray]], found: list[list[np.ndarray]]) -> None:
        for place, name in enumerate(node.outputs):
            if name:
                self.wanted[name] = [result[place] for result in wanted]
                self.found[name] = self.wanted[name] if found is wanted else [result[place] for result in found]

    def release(self, node: Node) -> None:
        """Lets go of what the node was the last to read."""
        for name in set(node.inputs) - {""}:
            self._pending[name] -= 1
            if not self._pending[name]:
                for lane in (self.wanted, self.found, self.rounded):
                    lane.pop(name, None)
