"""Runs a session and the engine of its source on the same inputs, and measures how far they are apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...converters.convert import FORMATS
from ...runtime.boxed import TEXT, given
from ...runtime.errors import Error, ModelError
from ..models.layers import match_layers
from .distance import Distance, distance

if TYPE_CHECKING:
    from ...runtime.graph import Graph, Node, Quantization
    from ...runtime.session import Session

# The adapter of what runs each kind of source, and its name.
ORACLES: Final = {"onnx": ("onnxruntime_oracle", "onnxruntime"), "tflite": ("litert_oracle", "LiteRT")}
Arrays = dict[str, np.ndarray]
NUMBERS: Final = frozenset("fiub")
"""Kinds of dtypes that have a distance."""
SAME: Final = Distance(0.0, 0.0, float("inf"))


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
        self.description = f"{self._oracle.NAME}; layers: {self._oracle.LAYERS}" if layers else self._oracle.NAME

    @property
    def note(self) -> str | None:
        found: str | None = self._oracle.note
        return found

    def add(self, feeds: Arrays) -> None:
        """Runs both on these inputs. ModelError where the other engine refuses them."""
        plain = {name: given(array) for name, array in feeds.items()}
        tensors = self._tensors(plain)
        try:
            outputs = self._oracle.outputs(plain)
        except Exception as error:  # each engine raises kinds of its own
            raise ModelError(f"{self._name} cannot run its model on these inputs: {_first_line(error)}") from error
        graph = self._session.model.graph
        layers = match_layers(graph, tensors)
        names = dict.fromkeys([*(layer.value for layer in layers), *graph.outputs])
        found = self._session.run(feeds, outputs=list(names))
        for layer in layers:
            ours, theirs = found[layer.value], layer.arrange(tensors[layer.tensor])
            if not isinstance(ours, np.ndarray) or not {ours.dtype.kind, theirs.dtype.kind} <= NUMBERS:
                continue
            if ours.shape == theirs.shape:
                away = distance(ours, theirs, _quant(graph, layer.value))
                self._keep(Row(layer.tensor, layer.operator, False, ours.shape, str(ours.dtype), away))
        producers = graph.producers()
        for alias, theirs in outputs.items():
            name = self._session.model.output_name(alias)
            ours = found[name]
            producer = producers.get(name)
            away = self._apart(ours, theirs, _quant(graph, name, producer))
            info = self._session.model.outputs[name]
            shape = ours.shape if isinstance(ours, np.ndarray) else ()
            self._keep(Row(name, producer.op if producer else "", True, shape, info.kind, away))

    def _apart(self, ours: Any, theirs: Any, quant: Quantization | None) -> Distance:
        """Text is the same or endlessly far, a sequence as far as its tensors. Names of classes are ours by number."""
        if ours is None or theirs is None or isinstance(ours, list) or isinstance(theirs, list):
            if not isinstance(ours, list) or not isinstance(theirs, list) or len(ours) != len(theirs):
                return SAME if ours is theirs else Distance.endless()
            return reduce(Distance.worse, (self._apart(*pair, None) for pair in zip(ours, theirs, strict=True)), SAME)
        if ours.shape != theirs.shape:
            return Distance.endless()
        if theirs.dtype.kind in "OUS":
            labels = self._session.model.metadata.labels
            if ours.dtype.kind in "iu" and labels:
                known = ours.size == 0 or 0 <= ours.min() <= ours.max() < len(labels)
                ours = np.array(labels, TEXT)[ours] if known else ours
            return SAME if ours.tolist() == theirs.astype(TEXT).tolist() else Distance.endless()
        return distance(ours, theirs, quant)

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
