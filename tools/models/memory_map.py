"""What lies where in a program's arena, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...runtime.compiler.abi import ARENA
from ..report.run_parts import Buffer, MemoryMap

if TYPE_CHECKING:
    from ...runtime.program.program import Program


def in_use(program: Program) -> list[int]:
    """Bytes of the arena that hold something during each step."""
    found = [0] * len(program.steps)
    for storage in program.storages:
        if storage.base == ARENA:
            for index in range(max(0, storage.first), min(storage.last, len(found) - 1) + 1):
                found[index] += storage.size
    return found


def memory_map(
    program: Program, weight_bytes: int, threads: int, peak_bytes: int | None = None, numpy_bytes: int | None = None
) -> MemoryMap:
    """weight_bytes: packed. peak_bytes, numpy_bytes: of a process that ran the model, where that is known."""
    named = {id(view.storage): name for name, view in (*program.outputs.items(), *program.inputs.items())}
    last = len(program.steps) - 1
    buffers = [
        Buffer(
            name=named.get(id(storage)) or program.steps[min(storage.first, last)].node,
            offset=storage.offset,
            size=storage.size,
            first=max(0, storage.first),
            last=min(storage.last, last),
        )
        for storage in sorted(program.storages, key=lambda each: (each.offset, each.first))
        if storage.base == ARENA and storage.size and program.steps
    ]
    return MemoryMap(
        arena_bytes=program.arena_bytes,
        lower_bound=program.lower_bound,
        weight_bytes=weight_bytes,
        scratch_bytes=threads * program.scratch_bytes,
        buffers=buffers,
        peak_bytes=peak_bytes,
        numpy_bytes=numpy_bytes,
    )
