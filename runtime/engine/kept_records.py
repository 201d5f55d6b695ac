"""What is kept of a model and of its plans, as records of plain numbers and names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from ..boxed import DTYPES, name_of
from ..compiler.abi import ARENA, WEIGHTS
from ..compiler.loader import Code
from ..file.metadata import Metadata
from ..graph import Dim, Graph, Quantization, Value
from ..program.program import Call, Program, PythonStep, Trap
from ..program.view import Storage, View
from ..program.weights import Weights, WeightsFull
from .step_table import Segment, StepTable
from .workspace import Plan


class ValueRecord(msgspec.Struct, array_like=True):
    """As graph.Value, without data. scales, zero_points: the bytes of float32 and int32, where it is quantized."""

    name: str
    dtype: str
    shape: tuple[Dim, ...] | None
    scales: bytes = b""
    zero_points: bytes = b""
    axis: int | None = None

    @staticmethod
    def of(value: Value) -> ValueRecord:
        record = ValueRecord(value.name, name_of(value.dtype), value.shape)
        if value.quant is not None:
            record.scales, record.zero_points = value.quant.scale.tobytes(), value.quant.zero_point.tobytes()
            record.axis = value.quant.axis
        return record

    def value(self) -> Value:
        quant = None
        if self.scales:
            scale, zero_point = np.frombuffer(self.scales, np.float32), np.frombuffer(self.zero_points, np.int32)
            quant = Quantization(scale, zero_point, self.axis)
        return Value(self.name, DTYPES[self.dtype], self.shape, quant)


class OutlineRecord(msgspec.Struct, array_like=True):
    """A model without what is between its inputs and outputs. key: what the file is named by."""

    key: str
    name: str
    inputs: list[ValueRecord]
    outputs: list[ValueRecord]
    metadata: Metadata

    @staticmethod
    def of(key: str, graph: Graph, metadata: Metadata) -> OutlineRecord:
        inputs, outputs = (
            [ValueRecord.of(graph.values[name]) for name in names] for names in (graph.inputs, graph.outputs)
        )
        return OutlineRecord(key, graph.name, inputs, outputs, metadata)

    def graph(self) -> Graph:
        values = {record.name: record.value() for record in (*self.inputs, *self.outputs)}
        return Graph(values, [], [v.name for v in self.inputs], [v.name for v in self.outputs], self.name)


class ViewRecord(msgspec.Struct, array_like=True):
    """As program.View, from the beginning of the arena or of the weights."""

    base: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    flipped: bool

    @staticmethod
    def of(view: View) -> ViewRecord:
        at = view.storage.offset + view.offset
        return ViewRecord(view.storage.base, at, view.shape, view.strides, view.dtype.str, view.flipped)

    def view(self, storages: dict[int, Storage]) -> View:
        """OutOfBounds where it is not within them, KeyError where it is of neither."""
        dtype = np.dtype(self.dtype)
        return View(storages[self.base], self.offset, self.shape, self.strides, dtype, flipped=self.flipped)


class PlanRecord(msgspec.Struct, array_like=True):
    """A plan all of whose steps are kernel calls. key: what the file is named by. blob: the key of the code that the
    table's offsets are into, kernels: those that it uses, with their offsets and signatures. packed: bytes of weights.
    storages: how many there are. The others: as in Program and StepTable."""

    key: str
    blob: str
    kernels: dict[str, tuple[int, str]]
    words: bytes
    steps: int
    storages: int
    inputs: dict[str, ViewRecord]
    outputs: dict[str, ViewRecord]
    arena_bytes: int
    lower_bound: int
    scratch_bytes: int
    macs: int
    shared: bool
    packed: int
    node_macs: dict[str, int]
    node_elements: dict[str, int]
    traps: list[tuple[ViewRecord, str, str]]

    @staticmethod
    def of(key: str, blob: str, plan: Plan) -> PlanRecord:
        program, code = plan.program, plan.code
        assert code is not None
        return PlanRecord(
            key, blob, kernels_of(code), plan.table.words.tobytes(), len(program.steps), len(program.storages),
            {name: ViewRecord.of(view) for name, view in program.inputs.items()},
            {name: ViewRecord.of(view) for name, view in program.outputs.items()},
            program.arena_bytes, program.lower_bound, program.scratch_bytes, program.macs, program.shared,
            plan.weights.used, program.node_macs, program.node_elements,
            [(ViewRecord.of(trap.flag), trap.node, trap.problem) for trap in program.traps],
        )  # fmt: skip

    def plan(self, code: Code, memory: np.ndarray, whole: Callable[[], Program]) -> Plan:
        """whole: makes the program anew, for who looks at its steps. Raises as ViewRecord.view."""
        places = {ARENA: Storage(self.arena_bytes, ARENA, 0), WEIGHTS: Storage(self.packed, WEIGHTS, 0)}
        source = _Source(whole)
        program = Program(
            _Later(self.steps, lambda: source.program.steps),  # type: ignore[arg-type]
            {name: record.view(places) for name, record in self.inputs.items()},
            {name: record.view(places) for name, record in self.outputs.items()},
            self.arena_bytes, self.lower_bound, self.scratch_bytes, self.macs, self.shared,
            self.node_macs, self.node_elements,
            _Later(self.storages, lambda: source.program.storages),  # type: ignore[arg-type]
            traps=[Trap(record.view(places), node, problem) for record, node, problem in self.traps],
        )  # fmt: skip
        table = StepTable(np.frombuffer(self.words, np.int32), [Segment(0, 0, self.steps)])
        return Plan(program, table, code, KeptWeights(memory, self.packed))


def kernels_of(code: Code) -> dict[str, tuple[int, str]]:
    return {name: (kernel.offset, kernel.signature) for name, kernel in code.kernels.items()}


class KeptWeights(Weights):
    """Packed weights as a file holds them; nothing can be added. used: bytes of them."""

    def __init__(self, memory: np.ndarray, used: int) -> None:
        self.memory, self.used = memory, used

    def add(self, data: np.ndarray) -> int:
        raise WeightsFull


NOTHING_PACKED = KeptWeights(np.empty(0, np.uint8), 0)
"""The weights of who has made no plan yet."""


class _Source:
    """The program that was kept, made anew once somebody looks into it."""

    def __init__(self, make: Callable[[], Program]) -> None:
        self._make = make

    @cached_property
    def program(self) -> Program:
        return self._make()


class _Later(Sequence[Any]):
    """So many items, which nothing that runs looks at."""

    def __init__(self, count: int, find: Callable[[], Sequence[Call | PythonStep | Storage]]) -> None:
        self._count, self._find = count, find

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._find()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._find())
