"""What one thread of this CPU does at most in the instructions of a target: multiply-adds in a register tile, and bytes
that are streamed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...runtime.compiler.abi import Address, kernel_name
from ...runtime.compiler.build import build
from ...runtime.compiler.cache import default_cache
from ...runtime.engine.native import function
from ...runtime.errors import CompilerError
from ...runtime.kernels.execute import enter
from ...runtime.simd.tile_layout import TileLayout
from ...runtime.system.executable import ExecutableMemoryError
from ..report.progress import CompileProgress
from ..report.run_parts import Bounds
from .peak_kernels import peak_f32, peak_int8

if TYPE_CHECKING:
    from ...runtime.targets.target import Target

STEPS: Final = 128
"""Of a chunk: its operands are in the first cache, and its beginning and end are little of it."""
CHUNKS: Final = 2000
SECONDS: Final = 0.15
TRIES: Final = 10
"""At least, of which others may disturb all but one."""
STREAMED: Final = 64 << 20
"""Bytes that are copied, which no cache of a small device holds."""
LEAST_STREAMED: Final = 1 << 18
PEAKS: Final = {"i8": peak_int8, "f32": peak_f32}


def measure_bounds(target: Target | None) -> Bounds | None:
    """None where target is: NumPy's are anybody's; and where nothing can be compiled here."""
    if target is None:
        return None
    try:
        rates = {element: multiply_adds(element, target) for element in PEAKS}
    except (CompilerError, ExecutableMemoryError):
        return None
    return Bounds(macs_per_second=rates, bytes_per_second=streamed(STREAMED))


def multiply_adds(element: str, target: Target) -> float:
    """A second, of int8 ("i8") or float32 ("f32"). The best of a few tries: others only make it slower."""
    rows, columns = _tile(target)
    layout = TileLayout.of(target, element)
    constants = {"rows": rows, "columns": columns, "source": _sources()}
    name = kernel_name(PEAKS[element], constants)
    needed: dict[str, Any] = {"execute.enter()": (enter, {}), name: (PEAKS[element], constants)}
    code = build(needed, target, default_cache(), CompileProgress())
    depth = max(layout.depth, 4)
    x = np.zeros(STEPS * depth * 4 + rows * 64, np.uint8)
    w = np.zeros(STEPS * layout.step_bytes(columns) + 64, np.uint8)
    acc = np.zeros((rows + 1) * (columns + 1) * layout.lanes * 4, np.uint8)
    bases = np.array([array.ctypes.data for array in (x, w, acc)], np.uint64)
    arguments: dict[str, Address | int] = {
        "x": Address(0, 0), "w": Address(1, 0), "acc": Address(2, 0), "pitch": 4 * depth, "steps": STEPS
    }  # fmt: skip
    call = function(code, name, bases, arguments, 0, CHUNKS, alive=(x, w, acc))
    return CHUNKS * STEPS * rows * columns * layout.lanes * layout.depth / _shortest(call)


def streamed(size: int) -> float:
    """Bytes a second, read and written, of a copy that goes through so many in all."""
    half = max(size, LEAST_STREAMED) // 2
    source, target = np.ones(half, np.uint8), np.zeros(half, np.uint8)
    return 2 * half / _shortest(lambda: np.copyto(target, source))


def _sources() -> str:
    files = (Path(__file__).with_name(f"peak_{name}.py") for name in ("kernels", "tile"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _tile(target: Target) -> tuple[int, int]:
    """As many accumulators as the registers hold beside the operands."""
    if target.family == "arm":
        return (8, 4) if target.i8mm else (5, 4)
    return (8, 3) if target.vector_bytes == 64 else (6, 2)


def _shortest(call: Callable[[], object]) -> float:
    call()
    found: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(found) < TRIES or time.perf_counter() < until:
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)
