"""What a run of a model gives, as memories keep it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from .engine.engine import Shapes
from .errors import Error, InputError
from .graph import Quantization
from .memory.encoding import ArrayRecord, decoded, encoded
from .memory.memory import Memory
from .memory.shelf import OBJECT
from .model import Model
from .ops import integer
from .program.program import Program

ROUNDING = 1e-2
"""By how much the sum of probabilities may miss 1: those of an int8 softmax are multiples of 1/256."""


Outputs = tuple[tuple[str, tuple[int, ...], np.dtype], ...]
"""Name, shape and dtype of each."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is the same of all outcomes of one plan. shapes: the inputs'. macs,
    threads: what a run takes. size: bytes that an outcome takes in Python."""

    outputs: Outputs
    shapes: Shapes
    macs: int
    threads: int
    size: int

    @staticmethod
    def of(program: Program, shapes: Shapes, threads: int) -> Layout:
        """threads: of the session."""
        outputs = tuple((name, view.shape, view.dtype) for name, view in program.outputs.items())
        return Layout.made(outputs, shapes, program.macs, threads if program.shared else 1)

    @staticmethod
    def made(outputs: Outputs, shapes: Shapes, macs: int, threads: int) -> Layout:
        size = sum(math.prod(shape) * dtype.itemsize + OBJECT for _, shape, dtype in outputs)
        return Layout(outputs, shapes, macs, threads, size)


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a run gave. data: the outputs' bytes, which take less time to keep than arrays."""

    layout: Layout
    data: tuple[bytes, ...]

    @staticmethod
    def of(layout: Layout, arrays: Mapping[str, np.ndarray]) -> Outcome:
        return Outcome(layout, tuple([array.tobytes() for array in arrays.values()]))

    def arrays(self) -> dict[str, np.ndarray]:
        """New arrays by output name."""
        outputs, data = self.layout.outputs, self.data
        if len(data) == 1:  # without the loop, which takes as long as the array
            name, shape, dtype = outputs[0]
            return {name: np.ndarray(shape, dtype, bytearray(data[0]))}
        return {
            name: np.ndarray(shape, dtype, bytearray(part))
            for (name, shape, dtype), part in zip(outputs, data, strict=True)
        }


class OutcomeRecord(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    outputs: dict[str, ArrayRecord]
    shapes: dict[str, tuple[int, ...]]
    macs: int
    threads: int


@dataclass(frozen=True, slots=True)
class Scores:
    """The output of a classifier. probabilities: whether it is that of a softmax or sigmoid, not logits."""

    name: str
    quant: Quantization | None
    probabilities: bool

    @staticmethod
    def of(model: Model) -> Scores:
        """ModelError or InputError where the model is no classifier of one input."""
        from .cascade.head import find_head  # which only those who remember need
        from .vision.labels import score_output

        head, name = find_head(model, "the model"), score_output(model)
        return Scores(name, model.outputs[name].quant, head.value != name)

    def confidence(self, outcome: Outcome) -> float:
        """The largest probability, 0..1; 0 where the scores are no numbers."""
        x = self._real(outcome)
        if not np.isfinite(x).all():
            return 0.0
        if x.size == 1:
            p = abs(float(x[0]) - 0.5) + 0.5 if self.probabilities else 1 / (1 + float(np.exp(-abs(x[0]))))
            return min(p, 1.0)
        if self.probabilities and x.min() >= 0 and abs(x.sum() - 1) <= ROUNDING:
            return float(x.max())
        return float(1 / np.exp(x - x.max()).sum())

    def best(self, outcome: Outcome) -> int:
        """The class; one score is that of the second of two."""
        x = self._real(outcome)
        return int(x.argmax()) if x.size > 1 else int(x[0] > (0.5 if self.probabilities else 0.0))

    def _real(self, outcome: Outcome) -> np.ndarray:
        x = outcome.arrays()[self.name].reshape(-1)
        return (integer.dequantize(x, self.quant) if self.quant is not None else x).astype(np.float64)


class Outcomes:
    """Outcomes of one model: which are sure enough to be kept, which say the same, and how they are written.

    InputError where the memory takes similar inputs for the same, and the model is no classifier.
    """

    def __init__(self, model: Model, memory: Memory) -> None:
        self._names = set(model.outputs)
        self._scores: Scores | None = None
        try:
            self._scores = Scores.of(model)
        except Error as problem:
            if memory.similar is not None:
                raise InputError(
                    f"{problem}: whether similar inputs have the same answer can only be said of classes; use a memory "
                    "without similar="
                ) from None
        self._least = memory.least_probability()

    def is_sure(self, outcome: Outcome) -> bool:
        """Of what is no classifier's, always."""
        return self._least is None or self._scores is None or self._scores.confidence(outcome) >= self._least

    def same(self, known: Outcome, fresh: Outcome) -> bool:
        """Whether both have the same class."""
        assert self._scores is not None
        return self._scores.best(known) == self._scores.best(fresh)

    def size(self, outcome: Outcome) -> int:
        """Bytes in Python."""
        return outcome.layout.size

    def encode(self, outcome: Outcome) -> bytes:
        layout = outcome.layout
        arrays = {name: encoded(array) for name, array in outcome.arrays().items()}
        return msgspec.msgpack.encode(OutcomeRecord(arrays, layout.shapes, layout.macs, layout.threads))

    def decode(self, data: bytes) -> Outcome:
        """ValueError where these bytes are no outcome of this model."""
        record = msgspec.msgpack.decode(data, type=OutcomeRecord)
        if set(record.outputs) != self._names:
            raise ValueError("outputs of another model")
        arrays = {name: decoded(array) for name, array in record.outputs.items()}
        outputs = tuple((name, array.shape, array.dtype) for name, array in arrays.items())
        return Outcome.of(Layout.made(outputs, record.shapes, record.macs, record.threads), arrays)
