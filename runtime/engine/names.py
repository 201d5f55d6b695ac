"""Which value of the graph is meant by a name: the graph's own, the source's, or a step's."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..graph import Graph
from ..model import Model

CHANNELS_LAST = re.compile(r"(.*)\.channels_last(\.\d+)?")
"""The converter's name for a source's tensor with the channels moved to the end; a number makes it unique."""


class Found(NamedTuple):
    """A value's name in the graph. channels_last: it was asked for by the name of the source's tensor, whose channels
    come second."""

    value: str
    channels_last: bool = False

    def arrange(self, array: np.ndarray) -> np.ndarray:
        """The value's elements in the layout that belongs to the name."""
        if self.channels_last and array.ndim > 2:
            return np.ascontiguousarray(np.moveaxis(array, -1, 1))
        return array


def find_value(model: Model, graph: Graph, name: str) -> Found:
    """In order: a value of the graph; an output's alias; a tensor of the source, in the source's layout; a step, as
    `mj inspect --steps` prints it, for what the last of that name writes.

    graph: the model's with constants folded. InputError where nothing has that name, which tells into which step
    the converter has fused it where it was converted by this process.
    """
    computed = [output for node in graph.nodes for output in node.outputs if output]
    if name in graph.values or name in computed:
        return Found(name)
    if name in model.metadata.output_aliases:
        return Found(model.metadata.output_aliases[name])
    for value in computed:
        parts = CHANNELS_LAST.fullmatch(value)
        if parts is not None and parts[1] == name:
            return Found(value, channels_last=True)
    for node in reversed(graph.nodes):
        if node.name == name and node.outputs:
            return Found(node.outputs[0])
    if name in model.fused:
        raise InputError(f"'{name}' is not computed by itself: it was fused into {model.fused[name]}")
    listed = ", ".join(f"'{known}'" for known in graph.outputs)
    hint = ""
    if model.metadata.source.name and not model.fused:
        hint = f"; if '{model.metadata.source.name}' has it, mj.load of that file tells what it was fused into"
    raise InputError(f"the model has no output '{name}'; it has {listed} and what its steps compute{hint}")
