"""One ONNX node as its handler sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...runtime.graph import Attribute, Dim, Value
from .builder import Builder
from .job import Unsupported
from .scope import Scope
from .types import Hint


@dataclass(slots=True)
class Call:
    """op, version: the operator and the operator set that the model uses. inputs, outputs: names in the graph, absent
    ones empty. hints: of the outputs. attrs: as in the source (subgraphs as GraphProto)."""

    scope: Scope
    op: str
    version: int
    name: str
    inputs: list[str]
    outputs: list[str]
    hints: list[Hint]
    attrs: dict[str, Any]

    @property
    def builder(self) -> Builder:
        return self.scope.builder

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and bool(self.inputs[index])

    def wants(self, index: int) -> bool:
        """Whether the model uses the output at index."""
        return index < len(self.outputs) and bool(self.outputs[index])

    def input(self, index: int) -> str:
        if not self.has(index):
            raise Unsupported(f"input {index} is missing")
        return self.inputs[index]

    def optional(self, index: int) -> str:
        return self.inputs[index] if self.has(index) else ""

    def value(self, name: str) -> Value:
        """What is known of a value that the node reads."""
        found = self.builder.value(name)
        if found is None:
            raise Unsupported(f"input '{name}' is unknown")
        return found

    def constant(self, index: int) -> np.ndarray | None:
        """The data of the input at index; None where it is absent or not a constant."""
        return self.builder.constant(self.inputs[index]) if self.has(index) else None

    def shape(self, index: int = 0) -> tuple[Dim, ...] | None:
        return self.value(self.input(index)).shape

    def rank(self, index: int = 0) -> int | None:
        shape = self.shape(index)
        return None if shape is None else len(shape)

    def known_rank(self, index: int = 0) -> int:
        rank = self.rank(index)
        if rank is None:
            raise Unsupported(f"the rank of its input '{self.input(index)}' is not known")
        return rank

    def dtype(self, index: int = 0) -> np.dtype:
        return self.value(self.input(index)).dtype

    def integer(self, name: str, default: int | None = None) -> int:
        return self._typed(name, default, lambda v: isinstance(v, int), "an integer")

    def number(self, name: str, default: float | None = None) -> float:
        return float(self._typed(name, default, lambda v: isinstance(v, (int, float)), "a number"))

    def text(self, name: str, default: str | None = None) -> str:
        return self._typed(name, default, lambda v: isinstance(v, str), "text")

    def integers(self, name: str, default: Sequence[int] | None = None) -> list[int]:
        return self._typed(name, None if default is None else list(default), _are_ints, "a list of integers")

    def _typed(self, name: str, default: Any, fits: Any, wanted: str) -> Any:
        found = self.attrs.get(name, default)
        if found is None:
            raise Unsupported(f"attribute '{name}' is missing")
        if not fits(found):
            raise Unsupported(f"attribute '{name}' must be {wanted}, not {found!r:.60}")
        return found

    def add_constant(self, data: Any, what: str, dtype: Any = None) -> str:
        """A constant named after the node."""
        try:
            with np.errstate(over="ignore"):
                array = np.asarray(data, dtype)
        except (OverflowError, ValueError):
            raise Unsupported(f"its {what} {data!r:.60} does not fit {np.dtype(dtype)}") from None
        return self.builder.add_constant(f"{self.name}.{what}", array)

    def make(self, op: str, inputs: Sequence[str], attrs: Mapping[str, Attribute] | None = None) -> str:
        """Appends a node with one result and returns that."""
        output = self.scope.job.unique(f"{self.name}.{op.lower()}")
        self.builder.emit(op, inputs, [output], attrs or {}, self.name)
        return output

    def finish(self, op: str, inputs: Sequence[str], attrs: Mapping[str, Attribute] | None = None) -> None:
        """Appends the node that makes this node's results."""
        self.builder.emit(op, inputs, self.outputs, attrs or {}, self.name, self.hints)

    def only_first_output(self) -> None:
        if any(self.outputs[1:]):
            raise Unsupported("only its first result is supported")
        del self.outputs[1:]


def _are_ints(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, int) for item in value)
