"""What all graphs of one conversion share: names taken, operators found unsupported, limits."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx

from ...runtime.errors import ModelError
from ..refusal import Refused, refusal
from .stored_tensors import StoredTensors

MAX_NODES = 200_000
EXPANDED, EXPANDED_OF_A_NODE = 20_000, 8
"""Nodes that a model's functions may make of it, and for each node that it spells out."""
COPIED = 64 << 20
"""Bytes of names, and of attributes that calls hand to functions, all together."""
MOST_PARTS, MOST_PARTS_OF_ONE = 1 << 14, 1 << 12
"""Into which tensors are split as sequences of known length, all together and each: a part is a value and two steps."""
MAX_DEPTH = 24
"""Nested subgraphs and function calls."""


class Unsupported(Exception):
    """Raised by a handler that cannot convert its node; the text is the reason that the user reads, empty where there
    is no such operator."""


@dataclass(slots=True)
class Job:
    """label: the model's name in messages. functions: the model's own, by (domain, name, overload); most_nodes: what
    they may be expanded to, gone_over: bytes of each, and copied: those of all calls. parts: of tensors that are split.
    narrow: values whose ONNX element type is held in a wider dtype, and that type's number.
    texts: values that stand for text, and the texts. sequences: those of known length, and the values in them.
    item_dtypes: of their tensors. absent: which optional values are not there. written: of a value of one of these
    kinds and a graph, the graph's own value for it."""

    label: str
    stored: StoredTensors
    functions: dict[tuple[str, str, str], onnx.FunctionProto] = field(default_factory=dict)
    most_nodes: int = MAX_NODES
    gone_over: dict[tuple[str, str, str], int] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    problems: list[Refused] = field(default_factory=list)
    narrow: dict[str, int] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    sequences: dict[str, list[str]] = field(default_factory=dict)
    item_dtypes: dict[str, np.dtype] = field(default_factory=dict)
    absent: dict[str, bool] = field(default_factory=dict)
    written: dict[tuple[str, int], str] = field(default_factory=dict)
    nodes: int = 0
    copied: int = 0
    parts: int = 0
    _counters: dict[str, int] = field(default_factory=dict)

    def unique(self, hint: str) -> str:
        """hint, or hint with a number where it is taken; taken from now on in every graph of the model."""
        name = hint
        while not name or name in self.taken:
            self._counters[hint] = self._counters.get(hint, 0) + 1
            name = f"{hint}.{self._counters[hint]}"
        self.taken.add(name)
        return name

    def count_node(self) -> None:
        self.nodes += 1
        if self.nodes > self.most_nodes:
            raise self.too_many()

    def count_copy(self, size: int) -> None:
        """So many bytes are gone over for a call."""
        self.copied += size
        if self.copied > COPIED:
            raise self.error(f"its functions have more than {COPIED} bytes of names and attributes once expanded")

    def has_room_for(self, parts: int) -> bool:
        """Whether so many more parts of tensors may be values of their own; they are, where it says so."""
        room = parts <= MOST_PARTS_OF_ONE and self.parts + parts <= MOST_PARTS
        self.parts += parts if room else 0
        return room

    def too_many(self) -> ModelError:
        return self.error(f"has more than {self.most_nodes} nodes once its functions are expanded")

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.label}: {problem}")

    def raise_problems(self) -> None:
        """One ModelError about all nodes that could not be converted."""
        if self.problems:
            raise self.error(refusal(self.problems))
