"""Runs a session and the engine of its source on the same inputs, and measures how far they are apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...converters.convert import FORMATS
from ...runtime.errors import Error, ModelError
from ..models.layers import match_layers
from .distance import Distance, distance

if TYPE_CHECKING:
    from ...runtime.graph import Graph, Node, Quantization
    from ...runtime.session import Session

# The adapter of what runs each kind of source, and its name.
ORACLES: Final = {"onnx": ("onnxruntime_oracle", "onnxruntime"), "tflite": ("litert_oracle", "LiteRT")}
Arrays = dict[str, np.ndarray]


@dataclass(slots=True)
class Row:
    """One tensor in both. name: in the source. operator: what computes it. shape, dtype: ours."""

    name: str
    operator: str
    output: bool
    shape: tuple[int, ...]
    dtype: str
    distance: Distance

    def describe(self, tolerance: float, quanta: float) -> dict[str, Any]:
        away = asdict(self.distance)
        return {
            "name": self.name,
            "operator": self.operator,
            "output": self.output,
            "shape": list(self.shape),
            "dtype": self.dtype,
            **away,
            "relative": self.distance.relative,
            "within": self.distance.within(tolerance, quanta),
        }


class Comparison:
    """What was compared so far; of several inputs the worst counts. layers: also what lies between.

    layers_left_out: why they are, where the other engine cannot show them. note: why results may differ for no fault of
    ours.
    """

    def __init__(self, session: Session, source: str, *, layers: bool) -> None:
        self.rows: dict[tuple[str, bool], Row] = {}
        self._session = session
        self.layers_left_out: str | None = None
        self._layers = layers
        self._name, self._oracle = _open(source)
        self.description: str = self._oracle.DESCRIPTION

    @property
    def note(self) -> str | None:
        found: str | None = self._oracle.note
        return found

    def add(self, feeds: Arrays) -> None:
        """Runs both on these inputs. ModelError where the other engine refuses them."""
        tensors = self._tensors(feeds)
        try:
            outputs = self._oracle.outputs(feeds)
        except Exception as error:  # each engine raises kinds of its own
            raise ModelError(f"{self._name} cannot run its model on these inputs: {_first_line(error)}") from error
        graph = self._session.model.graph
        layers = match_layers(graph, tensors)
        names = dict.fromkeys([*(layer.value for layer in layers), *graph.outputs])
        found = self._session.run(feeds, outputs=list(names))
        for layer in layers:
            ours, theirs = found[layer.value], layer.arrange(tensors[layer.tensor])
            if ours.shape == theirs.shape and theirs.dtype.kind in "fiub":
                away = distance(ours, theirs, _quant(graph, layer.value))
                self._keep(Row(layer.tensor, layer.operator, False, ours.shape, str(ours.dtype), away))
        producers = graph.producers()
        for given, theirs in outputs.items():
            name = self._session.model.output_name(given)
            ours = found[name]
            producer = producers.get(name)
            quant = _quant(graph, name, producer)
            away = distance(ours, theirs, quant) if ours.shape == theirs.shape else Distance.endless()
            self._keep(Row(name, producer.op if producer else "", True, ours.shape, str(ours.dtype), away))

    def _tensors(self, feeds: Arrays) -> Arrays:
        """What lies between, by name; nothing, and why, where the engine cannot show it."""
        if not self._layers:
            return {}
        try:
            found: Arrays = self._oracle.layers(feeds)
        except Exception as error:  # each engine raises kinds of its own
            self._layers, self.layers_left_out = False, f"{self._name} cannot show them: {_first_line(error)}"
            return {}
        return found

    def _keep(self, row: Row) -> None:
        known = self.rows.setdefault((row.name, row.output), row)
        known.distance = known.distance.worse(row.distance)


def _open(source: str) -> tuple[str, Any]:
    kind = next((kind for suffix, kind in FORMATS.items() if source.lower().endswith(suffix)), None)
    if kind is None:
        raise ModelError(f"{source}: not an .onnx or .tflite file, so there is nothing to compare with")
    adapter, name = ORACLES[kind]
    try:
        module = import_module(f"..peers.{adapter}", __package__)
    except ImportError as error:
        raise Error(f"comparing with {source} takes {name}: pip install 'millijoule[bench]' ({error})") from None
    try:
        return name, module.Oracle(source)
    except Exception as error:  # each engine raises kinds of its own
        raise ModelError(f"{name} cannot load {source}: {_first_line(error)}") from error


def _quant(graph: Graph, name: str, producer: Node | None = None) -> Quantization | None:
    """Of a value, or of the integers that its producer turned into real numbers."""
    if producer is not None and producer.op == "DequantizeLinear":
        name = producer.inputs[0]
    value = graph.values.get(name)
    return None if value is None else value.quant


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
