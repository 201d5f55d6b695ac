"""The float graph and the quantized one, side by side: the same node of both, on several samples, in NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat

import numpy as np

from ...runtime.evaluate.reference import evaluate
from ...runtime.graph import Graph, Node
from ...runtime.ops.inference import infer_node
from ...runtime.ops.registry import Tensor
from .spool import Batch


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

    def __init__(self, graph: Graph, samples: Iterable[Mapping[str, np.ndarray]]) -> None:
        self.graph = graph
        self.count = 0
        self.wanted: dict[str, Batch] = {name: Batch() for name in graph.inputs}
        for feeds in samples:
            self.count += 1
            for name, batch in self.wanted.items():
                batch.add(feeds[name])
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
        self.store(self.wanted, node, self.compute(node, wanted))
        if same:
            self.found |= {name: self.wanted[name] for name in node.outputs if name}
        else:
            self.store(self.found, node, self.compute(node, found))

    def compute(self, node: Node, inputs: Sequence[Batch | np.ndarray | None]) -> Iterator[list[np.ndarray]]:
        """The node's results for each sample. inputs: for each sample, or the same for all."""
        each = [iter(given) if isinstance(given, Batch) else repeat(given) for given in inputs]
        for _ in range(self.count):
            yield compute(node, [next(given) for given in each])

    def read(self, lane: Mapping[str, Batch], name: str) -> Batch | np.ndarray | None:
        if not name:
            return None
        constant = self.graph.constant(name)
        return lane[name] if constant is None else constant

    def read_found(self, name: str, integer: bool) -> Batch | np.ndarray | None:
        return self.rounded[name] if integer and name in self.rounded else self.read(self.found, name)

    def store(self, lane: dict[str, Batch], node: Node, results: Iterable[Sequence[np.ndarray]]) -> None:
        """What the node gives for each sample."""
        batches = [Batch() for _ in node.outputs]
        for result in results:
            for batch, array in zip(batches, result, strict=True):
                batch.add(array)
        lane |= {name: batch for name, batch in zip(node.outputs, batches, strict=True) if name}

    def release(self, node: Node) -> None:
        """Lets go of what the node was the last to read."""
        for name in set(node.inputs) - {""}:
            self._pending[name] -= 1
            if not self._pending[name]:
                for lane in (self.wanted, self.found, self.rounded):
                    lane.pop(name, None)
