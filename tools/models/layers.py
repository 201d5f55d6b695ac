"""Which of a model's values are tensors of its source, so that both can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.engine.names import CHANNELS_LAST

if TYPE_CHECKING:
    from ...runtime.graph import Graph


@dataclass(frozen=True, slots=True)
class Layer:
    """value: in the graph. tensor: in the source. channels_last: the value is the tensor, channels moved last."""

    operator: str
    value: str
    tensor: str
    channels_last: bool = False

    def arrange(self, array: np.ndarray) -> np.ndarray:
        """The source's tensor in the value's layout."""
        return np.moveaxis(array, 1, -1) if self.channels_last and array.ndim > 2 else array


def match_layers(graph: Graph, tensors: Mapping[str, np.ndarray]) -> list[Layer]:
    """What the graph's nodes compute and the source has too, in the order of computation, without the outputs."""
    found = []
    for node in graph.nodes:
        for name in node.outputs:
            layer = _match(node.op, name, tensors)
            if name and layer is not None and name not in graph.outputs:
                found.append(layer)
    return found


def _match(operator: str, name: str, tensors: Mapping[str, np.ndarray]) -> Layer | None:
    if name in tensors:
        return Layer(operator, name, name)
    parts = CHANNELS_LAST.fullmatch(name)
    if parts is not None and parts[1] in tensors:
        return Layer(operator, name, parts[1], channels_last=True)
    return None
