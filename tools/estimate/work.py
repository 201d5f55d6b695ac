"""How much there is to do in each step of a program: estimated cycles of its loops, multiply-adds, bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ...runtime.compiler.abi import WEIGHTS
from ...runtime.lowering.tile_choice import tile_cost
from ...runtime.lowering.winograd import GATHER_CYCLES, SPREAD_CYCLES
from ...runtime.lowering.winograd_line import pair_cycles
from ...runtime.ops.registry import find
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
SMALLER = 4
"""How much an operand is that is the same for many rows."""
BLAS = 16.0
"""Multiply-adds a cycle of NumPy's matrix product."""
IN_ORDER = 0.4
"""What is left of either on a core that executes in order."""


FUNCTIONS = {
    "Sigmoid": 1.0, "Tanh": 1.0, "SiLU": 1.0, "Gelu": 0.9, "GeluTanh": 0.9, "Mish": 1.5, "HardSwish": 0.2,
}  # fmt: skip
"""What activations take of a sigmoid's time."""
TILED: dict[str, tuple[str, Literal["i8", "f32"]]] = {
    "conv_f32": ("conv_f32", "f32"), "conv_int8": ("conv_int8", "i8"), "product_rows": ("conv_int8", "i8"),
}  # fmt: skip
"""Kernels of register tiles: the kind under which their costs are kept, and the elements that they multiply."""
WINOGRAD: dict[str, Literal["i8", "f32"]] = {"winograd_f32": "f32", "winograd_int8": "i8"}
STRIDED, VECTOR, ROW = ".strided", ".vector", ".row"
"""Kinds of their own: depthwise kernels that skip places, tiles of one row, which multiply a vector by a matrix, and
operators on two operands of which one is the same for many rows. (And copies, by the bytes of an element.)"""


@dataclass(frozen=True)
class Work:
    """One step. kernel: the name of its kernel's function, or NUMPY. kind: under what its costs are kept, which is the
    kernel and, where it runs otherwise, how. loops: estimated cycles, of one thread, and ends: of what comes after each
    loop. places: how many loops there are. functions: results that go through an exponential. panels: bytes of weights
    that all loops read, and panel: that each of them reads. macs: its node's multiply-adds, where it computes them.
    element: of what. weight_bytes: of constants that it reads; data_bytes: of activations that it reads and writes.
    parts: how many threads may share it. calls: how many kernel calls it takes."""

    index: int
    operator: str
    node: str
    kernel: str
    kind: str
    loops: float
    ends: float
    places: float
    functions: float
    panels: float
    panel: int
    macs: int
    element: Literal["i8", "f32"]
    weight_bytes: int
    data_bytes: int
    chunks: int
    parts: int
    calls: int = 1


def work_of(program: Program, target: Target | None) -> list[Work]:
    """Every step of a program that was planned for the target, as `describe_steps` lists them."""
    found = []
    for layer, facts in zip(program.layers(), describe_steps(program), strict=True):
        steps = [program.steps[index] for index in layer]
        calls = [step for step in steps if isinstance(step, Call)]
        found.append(_of_calls(calls, facts, target) if calls else _of_numpy(steps[0], facts, program))
    return found


def _of_calls(calls: Sequence[Call], facts: dict[str, Any], target: Target | None) -> Work:
    """calls: the parts of one."""
    assert target is not None
    call = calls[0]
    kernel = call.kernel.__name__
    weights, data = _bytes(calls)
    loops = _together([_loops(each, kernel, target, _bytes([each])[1]) for each in calls])
    integers = "int8" in loops.kind or "quant" in call.kernel.__module__
    return Work(
        facts["index"], facts["operator"], facts["node"], kernel, loops.kind, loops.cycles, loops.ends, loops.places,
        loops.results * _of_function(call.constants.get("activation")), loops.places * loops.panel,
        loops.panel, facts["macs"], "i8" if integers else "f32", weights, data,
        sum(each.chunks for each in calls), max(1, call.chunks // call.grain) if call.grain else 1, len(calls),
    )  # fmt: skip


def _of_numpy(step: Call | PythonStep, facts: dict[str, Any], program: Program) -> Work:
    """NumPy's references take a few passes over what they read and write, of a table no more than they take out of it,
    and a multiply-add at a time; matrix products and what only moves numbers are NumPy's own."""
    assert isinstance(step, PythonStep)
    views = [view for view in (*step.inputs, *step.outputs) if view is not None]
    data = sum(view.size * view.itemsize for view in views if not view.constant)
    weights = sum(view.size * view.itemsize for view in views if view.constant)
    moved, held = (sum(view.size for view in views if view.constant == constant) for constant in (False, True))
    macs = program.node_macs.get(step.node, 0)
    op, elements = find(facts["operator"]), moved + min(moved, held)
    if facts["operator"] in ("MatMul", "Gemm"):
        loops = elements + macs / BLAS
    else:
        loops = (1.0 if op is not None and op.moves_data else 6.0) * elements + 2.0 * macs
    return Work(
        facts["index"], facts["operator"], facts["node"], NUMPY, NUMPY, loops, 0.0, 0.0, 0.0, 0.0, 0, macs, "f32",
        min(weights, data) if facts["operator"].startswith("Gather") else weights, data, 1, 1,
    )  # fmt: skip


def _bytes(calls: Sequence[Call]) -> tuple[int, int]:
    """(weights, activations): of every memory that the calls are given, once. A part of one counts as far as its work
    can have touched it."""
    found: dict[int, Storage] = {}
    for place in (place for call in calls for place in call.places.values()):
        found[id(place.storage)] = place.storage
    weights = sum(storage.size for storage in found.values() if storage.base == WEIGHTS)
    data = sum(storage.size for storage in found.values() if storage.base != WEIGHTS)
    return weights, min(data, sum(map(_gaps, calls))) if "images" in calls[0].numbers else data


def _gaps(call: Call) -> int:
    """Bytes that a fill_border writes."""
    images, before, after, rows, gap = (_number(call, name) for name in ("images", "before", "after", "rows", "gap"))
    return images * (before + after + (rows - 1) * gap)


class Loops(NamedTuple):
    """The loops of one call. results: numbers that they compute; panel: bytes of weights that each of them reads."""

    kind: str
    cycles: float
    ends: float = 0.0
    places: float = 0.0
    results: float = 0.0
    panel: int = 0


def _together(parts: Sequence[Loops]) -> Loops:
    """Of all parts of a call."""
    cycles, ends, places, results = (sum(column) for column in zip(*(part[1:5] for part in parts), strict=True))
    return Loops(parts[0].kind, cycles, ends, places, results, parts[0].panel)


def _loops(call: Call, kernel: str, target: Target, data: int) -> Loops:
    if kernel in TILED:
        return _tiles(call, *TILED[kernel], target)
    if kernel in WINOGRAD:
        return _squares(call, kernel, WINOGRAD[kernel], target)
    if kernel == "winograd_line":
        return _pairs(call, kernel, target)
    rate = target.vector_bytes * (IN_ORDER if target.in_order else 1.0)
    if not kernel.startswith("depthwise"):
        kind = f"{kernel}.{call.constants['itemsize']}" if kernel == "copy" else kernel
        if kernel.startswith("binary") and _repeats(call):
            kind += ROW
        return Loops(kind, (call.work or data) / (MOVED * rate))
    rate *= DEPTHWISE_F32 if kernel == "depthwise_f32" else DEPTHWISE_INT8
    strided = int(call.constants.get("stride", 1)) > 1
    lanes = int(call.constants.get("lanes", call.constants.get("channels", 1)))
    blocks = _number(call, "blocks")
    places = call.chunks * blocks * _number(call, "pixels")
    # The last block of channels repeats some of the one before it.
    again = blocks * lanes / (_number(call, "last_channel") + lanes)
    return Loops(kernel + STRIDED * strided, again * (call.work or data) / rate, places=places, results=places * lanes)


def _repeats(call: Call) -> bool:
    """Whether one of two operands is much smaller than the result."""
    sizes = {name: place.storage.size for name, place in call.places.items()}
    return SMALLER * min(sizes["a"], sizes["b"]) <= sizes["y"]


def _tiles(call: Call, kernel: str, element: Literal["i8", "f32"], target: Target) -> Loops:
    """What choose_tile minimises, of the tile that it chose."""
    form = str(call.constants.get("element", element))
    layout, cost = TileLayout.of(target, form), tile_cost(target, form)
    rows, columns = int(call.constants["rows"]), int(call.constants["columns"])
    taps = prod(int(call.numbers.get(name, 1)) for name in ("kernel_rows", "taps", "passes"))
    steps = _number(call, "steps") * taps + int(call.numbers.get("again", 0))
    held = rows + rows % 2 if layout.row_pairs else rows
    tiles = call.chunks * _number(call, "blocks") * -(-_number(call, "pixels") // rows)
    ends = cost.cycles(held, columns, 0)
    return Loops(
        kernel + VECTOR * (rows == 1), tiles * (cost.cycles(held, columns, steps) - ends), tiles * ends, tiles,
        tiles * rows * columns * layout.lanes, steps * layout.step_bytes(columns),
    )  # fmt: skip


def _squares(call: Call, kernel: str, element: str, target: Target) -> Loops:
    """As many products as lowering/winograd.py counts, and its transforms."""
    cost, layout = tile_cost(target, element), TileLayout.of(target, element)
    rows, columns = int(call.constants["rows"]), int(call.constants["columns"])
    count, channels, blocks = (_number(call, name) for name in ("count", "channels", "blocks"))
    outputs = _number(call, "outputs") if element == "f32" else _number(call, "last_channel") + columns * layout.lanes
    steps, vector = layout.steps(channels), layout.lanes * (1 if element == "f32" else 2)
    tiles = call.chunks * 16 * blocks * -(-count // rows)
    squares = call.chunks * count
    results = 4 * outputs * min(squares, _number(call, "squares"))
    spread, gather = SPREAD_CYCLES[element], GATHER_CYCLES[element]
    transforms = squares * (-(-channels // vector) * spread + -(-outputs // layout.lanes) * gather)
    panel = steps * layout.step_bytes(columns)
    return Loops(kernel, tiles * cost.cycles(rows, columns, steps) + transforms, 0, tiles, results, panel)


def _pairs(call: Call, kernel: str, target: Target) -> Loops:
    """What lowering/winograd_line.py counts."""
    blocks, columns, steps = _number(call, "blocks"), int(call.constants["columns"]), _number(call, "steps")
    vectors = -(-_number(call, "channels") // (target.vector_bytes // 2))
    pairs = call.chunks * _number(call, "band") * _number(call, "across")
    outputs = _number(call, "last_channel") + columns * target.vector_bytes // 4
    return Loops(
        kernel, pairs * pair_cycles(blocks * columns, steps, vectors), 0, pairs * blocks, 2 * pairs * outputs
    )  # fmt: skip


def _of_function(name: Any) -> float:
    """What a result of this activation takes, if any."""
    return 0.0 if name is None else FUNCTIONS.get(str(name).removesuffix("Affine"), 0.0)


def _number(call: Call, name: str) -> int:
    value = call.numbers[name]
    assert isinstance(value, int)
    return value
