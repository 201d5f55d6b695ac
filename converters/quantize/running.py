"""Graphs run on this machine as they are: by compiled kernels, or in NumPy where nothing can be compiled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...runtime.errors import CompilerError
from ...runtime.graph import Graph
from ...runtime.model import Model
from ...runtime.session import Session, load

NUMPY = "numpy"


def open_session(model: Model) -> Session:
    """On the CPU's own target, or the one that MILLIJOULE_TARGET names."""
    try:
        return load(model, progress=False)
    except CompilerError:
        return load(model, target=NUMPY)


class Runner:
    """A graph's tensors, whichever are asked for, sample after sample."""

    def __init__(self, model: Model, names: list[str]) -> None:
        self._session = open_session(model)
        self._inputs = set(model.graph.inputs)
        self._computed = [name for name in names if name not in self._inputs]
        self._names = names

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *error: object) -> None:
        self._session.close()

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Arrays by name."""
        found = self._session.run(dict(feeds), outputs=self._computed) if self._computed else {}
        return {name: feeds[name] if name in self._inputs else found[name] for name in self._names}


def as_model(graph: Graph, like: Model) -> Model:
    """The graph with the metadata of the model that it was made for."""
    return Model(graph, like.metadata)
