"""Runs the references that run graphs: If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..errors import ModelError
from ..graph import Graph
from ..ops.registry import Context, Op

RunGraph = Callable[[Graph, Mapping[str, np.ndarray]], list[np.ndarray]]
"""A graph of the node's attributes and the arrays of its inputs -> those of its outputs."""


def run(op: Op, ctx: Context, arrays: Sequence[np.ndarray | None], run_graph: RunGraph) -> list[np.ndarray]:
    """The node's outputs. arrays: of its inputs, None for an absent one. ModelError where the node, or what its graphs
    give, does not fit."""
    steps = op.reference(*arrays, **ctx.attrs)
    found: list[np.ndarray] | None = None
    while True:
        try:
            graph, feeds = steps.send(found)
        except StopIteration as end:
            return list(end.value)
        except (ArithmeticError, LookupError, ValueError) as problem:
            raise ModelError(f"{ctx.node} cannot be computed on these inputs: {problem}") from problem
        found = run_graph(graph, feeds)
