"""What a model keeps from one run to the next: resource variables, and tensors marked as variable.

Each is a pair of an input and an output of the graph, which the session connects (`State` in file/metadata.py). One
that only initialization writes is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.file.metadata import State
from ...runtime.graph import Graph, Node, Value
from . import tensors
from .handlers import Unsupported
from .records import ModelRecord, TensorRecord

if TYPE_CHECKING:
    from .importer import Importer


def key_of(options: dict[str, object]) -> str:
    """Names the variable that a VAR_HANDLE leads to."""
    return f"{options.get('Container', '')}/{options.get('SharedName', '')}"


MOST_BYTES = 1 << 26
"""Of all variables that are never written, as a small file may claim any shape."""


class Variables:
    """initial: the elements that initialization gave to variables, as the graph holds them."""

    def __init__(self, model: ModelRecord | None = None) -> None:
        self.initial: dict[str, np.ndarray] = {}
        self._constants = 0
        self._written = None if model is None else written(model)
        self._graph: Graph | None = None
        self._current: dict[str, str] = {}
        self._inputs: dict[str, str] = {}

    def assigned(self) -> dict[str, str]:
        """The Value that each variable has by now."""
        return dict(self._current)

    def read(self, key: str, record: TensorRecord, importer: Importer) -> str:
        """The Value of a variable. record: a tensor of its shape and type, or the variable itself."""
        if key not in self._current:
            if self._written is not None and key not in self._written and not record.variable:
                return self._constant(key, record, importer)
            self._check_place(importer, key)
            self._current[key] = self._begin(key, record, importer)
        self._check_place(importer, key)
        return self._current[key]

    def assign(self, key: str, name: str, importer: Importer) -> None:
        """The variable's Value is `name` from now on."""
        self._check_place(importer, key)
        if key in self._inputs:
            name = meaning_as(importer.graph, name, importer.graph.values[self._inputs[key]])
        self._current[key] = name

    def _check_place(self, importer: Importer, key: str) -> None:
        self._graph = self._graph or importer.graph
        if importer.graph is not self._graph:
            raise Unsupported(f"the variable '{key}' is kept inside of a branch or a loop")

    def _constant(self, key: str, record: TensorRecord, importer: Importer) -> str:
        data = self._checked(key, record, importer)
        self._constants += data.nbytes
        if self._constants > MOST_BYTES:
            raise Unsupported(f"the variable '{key}' is of {data.nbytes} bytes, and nothing writes it")
        data = np.ascontiguousarray(data)
        quant = tensors.variable(importer.whole, record, "", public=False).quant
        return importer.graph.add_constant(f"{importer.prefix}variable{key}", data, quant)

    def _checked(self, key: str, record: TensorRecord, importer: Importer) -> np.ndarray:
        """What the variable holds at first: what initialization gave it, or else zeros."""
        value = tensors.variable(importer.whole, record, "", public=False)
        shape = record.sizes
        data = self.initial.get(key)
        if data is None:
            zero = 0 if value.quant is None else int(value.quant.zero_point[0])
            return np.broadcast_to(np.array(zero, value.dtype), shape)
        if data.dtype != value.dtype or data.shape != shape:
            raise Unsupported(f"the variable '{key}' is {data.dtype} {data.shape}, but read as {value.dtype} {shape}")
        return data

    def _begin(self, key: str, record: TensorRecord, importer: Importer) -> str:
        """An input of the graph that holds the variable when a run begins."""
        if record.dynamic:
            raise Unsupported(f"the size of the variable '{key}' is known only at run time")
        graph = importer.graph
        value = tensors.variable(importer.whole, record, graph.unique(f"state{key}"), public=False)
        graph.add_value(value)
        graph.inputs.append(value.name)
        self._inputs[key] = value.name
        first = self._checked(key, record, importer)
        if key in self.initial and first.size and (first != first.flat[0]).any():
            return self._chosen(value, first, graph)
        return value.name

    def _chosen(self, value: Value, first: np.ndarray, graph: Graph) -> str:
        """In the first run the elements it was given, which are not all one number, later those of the run before."""
        started = self._inputs.get("started")
        if started is None:
            started = self._inputs["started"] = graph.unique("state/started")
            graph.add_value(Value(started, np.dtype(np.bool_), ()))
            graph.inputs.append(started)
            self._current["started"] = graph.add_constant("state/always", np.array(True))
        given = graph.add_constant(f"{value.name}/first", first, value.quant)
        chosen = graph.unique(f"{value.name}/now")
        graph.add_value(Value(chosen, value.dtype, value.shape, value.quant))
        graph.nodes.append(Node("Where", [started, value.name, given], [chosen], {}, chosen))
        return chosen

    def finish(self, importer: Importer) -> dict[str, State]:
        """Gives every variable that a run begins with an output of its own; the states by their inputs."""
        graph, states = importer.graph, dict[str, State]()
        for key, name in self._inputs.items():
            value = graph.values[name]
            after = graph.unique(f"{name}/next")
            graph.add_value(Value(after, value.dtype, value.shape, value.quant))
            graph.nodes.append(Node("Identity", [self._current[key]], [after], {}, after))
            graph.outputs.append(after)
            states[name] = State(after, self._fill(key, value))
        return states

    def _fill(self, key: str, value: Value) -> float:
        data = self.initial.get(key)
        if data is None or not data.size or (data != data.flat[0]).any():
            return 0 if value.quant is None else int(value.quant.zero_point[0])
        return data.flat[0].item()


def meaning_as(graph: Graph, name: str, like: Value) -> str:
    """The same stored elements, meaning what those of `like` do."""
    for quant in (None, like.quant):
        value = graph.values[name]
        if value.quant == like.quant:
            break
        if (value.quant is None) == (quant is None):
            continue
        output = graph.unique(f"{name}/stored")
        graph.add_value(Value(output, value.dtype, value.shape, quant))
        graph.nodes.append(Node("Reinterpret", [name], [output], {}, output))
        name = output
    return name


def written(model: ModelRecord) -> set[str] | None:
    """The variables that anything but initialization assigns to; None where that cannot be told."""
    initializers = {
        operator.options.get("InitSubgraphIndex", 0)
        for subgraph in model.subgraphs
        for operator in subgraph.operators
        if operator.kind == "CALL_ONCE"
    }
    found = set[str]()
    for number, subgraph in enumerate(model.subgraphs):
        if number in initializers:
            continue
        handles = dict(_handles(subgraph))
        for operator in subgraph.operators:
            if operator.kind == "ASSIGN_VARIABLE" and operator.inputs:
                if operator.inputs[0] not in handles:
                    return None
                found.add(handles[operator.inputs[0]])
    return found


def _handles(subgraph: ModelRecord) -> Iterator[tuple[int, str]]:
    for operator in subgraph.operators:
        if operator.kind == "VAR_HANDLE" and operator.outputs:
            yield operator.outputs[0], key_of(dict(operator.options))
