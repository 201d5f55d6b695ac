"""How much there is to do in each step of a program: estimated cycles of its loops, multiply-adds, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...runtime.compiler.abi import WEIGHTS
from ...runtime.lowering.tile_choice import tile_cost
from ...runtime.program.program import Call, PythonStep
from ...runtime.program.view import Storage
from ...runtime.simd.tile_layout import TileLayout
from ..measure.profile import describe_steps

if TYPE_CHECKING:
    from ...runtime.program.program import Program
    from ...runtime.targets.target import Target

NUMPY = "numpy"
DEPTHWISE_INT8, DEPTHWISE_F32 = 0.35, 0.2
"""Multiply-adds a cycle and byte of a vector register, of an out-of-order core (llvm-mca on the compiled loops)."""
MOVED = 0.25
"""Units of other kernels' work a cycle and byte of a vector register."""
IN_ORDER = 0.4
"""What is left of either on a core that executes in order."""


@dataclass(frozen=True)
class Work:
    """One step. kernel: the name of its kernel's function, or NUMPY. loops: estimated cycles, of one thread. macs: its
    node's multiply-adds, where it computes them. element: of what. weight_bytes: of constants that it reads;
    data_bytes: of activations that it reads and writes. parts: how many threads may share it."""

    index: int
    operator: str
    node: str
    kernel: str
    loops: float
    macs: int
    element: Literal["i8", "f32"]
    weight_bytes: int
    data_bytes: int
    chunks: int
    parts: int


def work_of(program: Program, target: Target | None) -> list[Work]:
    """Every step of a program that was planned for the target."""
    described = describe_steps(program)
    return [
        _of_numpy(step, facts, program) if isinstance(step, PythonStep) else _of_call(step, facts, target)
        for step, facts in zip(program.steps, described, strict=True)
    ]


def _of_call(call: Call, facts: dict[str, Any], target: Target | None) -> Work:
    assert target is not None
    kernel = call.kernel.__name__
    weights, data = _bytes(call)
    return Work(
        facts["index"], facts["operator"], facts["node"], kernel, _loops(call, kernel, target, data), facts["macs"],
        "i8" if "int8" in kernel or "quant" in call.kernel.__module__ else "f32", weights, data, call.chunks,
        max(1, call.chunks // call.grain) if call.grain else 1,
    )  # fmt: skip


def _of_numpy(step: PythonStep, facts: dict[str, Any], program: Program) -> Work:
    """NumPy's references take a few passes over what they read and write, and a multiply-add at a time."""
    views = [view for view in (*step.inputs, *step.outputs) if view is not None]
    data = sum(view.size * view.itemsize for view in views if not view.constant)
    weights = sum(view.size * view.itemsize for view in views if view.constant)
    elements = sum(view.size for view in views)
    macs = program.node_macs.get(step.node, 0)
    loops = 6.0 * elements + 2.0 * macs
    return Work(facts["index"], facts["operator"], facts["node"], NUMPY, loops, macs, "f32", weights, data, 1, 1)


def _bytes(call: Call) -> tuple[int, int]:
    """(weights, activations): of every memory that the call is given, once. A part of one counts as far as its work
    can have touched it."""
    found: dict[int, Storage] = {}
    for place in call.places.values():
        found[id(place.storage)] = place.storage
    weights = sum(storage.size for storage in found.values() if storage.base == WEIGHTS)
    data = sum(storage.size for storage in found.values() if storage.base != WEIGHTS)
    return weights, min(data, _gaps(call)) if "images" in call.numbers else data


def _gaps(call: Call) -> int:
    """Bytes that a fill_border writes."""
    images, before, after, rows, gap = (_number(call, name) for name in ("images", "before", "after", "rows", "gap"))
    return images * (before + after + (rows - 1) * gap)


def _loops(call: Call, kernel: str, target: Target, data: int) -> float:
    if kernel in ("conv_f32", "conv_int8"):
        return _tiles(call, "f32" if kernel == "conv_f32" else "i8", target)
    if kernel.startswith("depthwise"):
        rate = (DEPTHWISE_F32 if kernel == "depthwise_f32" else DEPTHWISE_INT8) * target.vector_bytes
    else:
        rate = MOVED * target.vector_bytes
    if target.in_order:
        rate *= IN_ORDER
    return (call.work or data) / rate


def _tiles(call: Call, element: str, target: Target) -> float:
    """What choose_tile minimises, of the tile that it chose."""
    layout, cost = TileLayout.of(target, element), tile_cost(target, element)
    rows, columns = int(call.constants["rows"]), int(call.constants["columns"])
    lines, pixels = _number(call, "lines"), _number(call, "pixels")
    steps = _number(call, "steps") * _number(call, "kernel_rows") * _number(call, "taps") * _number(call, "passes")
    held = rows + rows % 2 if layout.row_pairs else rows
    blocks = call.chunks * _number(call, "blocks") / lines
    return blocks * lines * -(-pixels // rows) * cost.cycles(held, columns, steps)


def _number(call: Call, name: str) -> int:
    value = call.numbers[name]
    assert isinstance(value, int)
    return value
