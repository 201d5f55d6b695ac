"""An emulated Python compiles a kernel to the very bytes that the host's Python does, which stands in for it elsewhere.

MILLIJOULE_COMPILER names the host's Python; see .ci/host_compiler.py. MILLIJOULE_FULL=1 compares every kernel on every
CPU, where otherwise CPUs with and without the dot product share them: emulation takes seconds for each.
"""

from __future__ import annotations

import os

import pytest
from small_model import small_model

from millijoule.runtime.compiler.compile_worker import Worker, compile_one
from millijoule.runtime.targets.target import resolve
from millijoule.tools.models.plans import plan_program

FULL = os.environ.get("MILLIJOULE_FULL") == "1"


def test_emulation_changes_no_byte() -> None:
    """Of convolutions, pools, copies and quantization; softmax alone would take as long as all of them."""
    if not (interpreter := os.environ.get("MILLIJOULE_COMPILER")):
        pytest.skip("needs MILLIJOULE_COMPILER, the Python of the machine that emulates this one")
    target = resolve("host")
    program, _ = plan_program(small_model(), {"pixels": (1, 8, 8, 3)}, target, 1)
    names = sorted(name for name in program.kernels() if not name.startswith("softmax"))
    assert len(names) >= 12
    if not FULL:
        names = names["dotprod" in target.features :: 4]
    kernels = {name: program.kernels()[name] for name in names}
    worker = Worker(interpreter)
    try:
        differing = [
            name
            for name, (factory, constants) in kernels.items()
            if worker.compile(name, factory, constants, target) != compile_one(name, factory, constants, target)
        ]
    finally:
        worker.close()
    assert not differing
