"""The kernels that models need, as a file for another computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...runtime.compiler.abi import Kernel
    from ...runtime.compiler.build import Needed
    from ...runtime.compiler.kernel_file import Compiled
    from ...runtime.model import Model
    from ...runtime.targets.target import Target

Shapes = Mapping[str, tuple[int, ...]]
THREADS = 4
"""Planned for that many; the kernels are the same for any number."""


def write_kernels(needed: Mapping[Target, Needed], output: str) -> list[Compiled]:
    """Compiles what is not in the cache and writes a .mjk file, with a part for each target."""
    from ...runtime.compiler import kernel_file
    from ...runtime.compiler.build import compile_for
    from ...runtime.compiler.cache import default_cache
    from ..report.progress import CompileProgress

    compiled = [compile_for(its, target, default_cache(), CompileProgress()) for target, its in needed.items()]
    kernel_file.write(output, kernel_file.encode(compiled))
    return compiled


def needed_anywhere(model: Model, sets: Sequence[Shapes], target: Target) -> Needed:
    """The kernels for all sets of shapes together, whatever a device's profile says."""
    from ...runtime.compiler.abi import kernel_name
    from ...runtime.engine.engine import needed_kernels
    from ...runtime.lowering.softmax import alternatives
    from ...runtime.planner.strips import moving_bytes
    from ...runtime.program.program import Call
    from ...runtime.program.view import Storage
    from .plans import plan_program

    needed: dict[str, tuple[Kernel, Mapping[str, Any]]] = {}
    for shapes in sets:
        program, _ = plan_program(model, shapes, target, THREADS)
        needed |= needed_kernels(program, helpers=True)
        calls = [step for step in program.steps if isinstance(step, Call)]
        for call in calls:
            needed |= {kernel_name(call.kernel, found): (call.kernel, found) for found in alternatives(call)}
        if any(call.by_lines is not None for call in calls):
            moving = moving_bytes(Storage(4), 2, 2, target)
            needed[kernel_name(moving.kernel, moving.constants)] = moving.kernel, moving.constants
    return needed
