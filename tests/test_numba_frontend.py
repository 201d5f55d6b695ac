"""Kernels are the same without the work that numba's front end is spared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from numba.core.compiler import Compiler
from numba.core.registry import cpu_target

from millijoule.runtime.compiler import numba_bridge
from millijoule.runtime.compiler.numba_frontend import UNNEEDED
from millijoule.runtime.kernels import pool, softmax
from millijoule.runtime.simd.isa import Isa
from millijoule.runtime.targets.target import named

FACTORIES: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (softmax.softmax_int8, {}),
    (
        pool.pool,
        {"activation": None, "element": "f32", "epilogue": "plain", "lanes": 8, "long": False, "offsets": [0, 8],
         "operation": "max", "window_rows": 2, "window_taps": 3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("factory", "constants"), FACTORIES)
def test_the_same_object(
    factory: Callable[..., Any], constants: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = named("x86-64-v3")
    spared = numba_bridge.compile_kernel(factory(Isa(target), **constants), "kernel", target)
    monkeypatch.setattr(numba_bridge, "Pipeline", Compiler)
    monkeypatch.setattr(numba_bridge, "typing_context", lambda: cpu_target.typing_context)
    monkeypatch.setattr(numba_bridge, "Context", lambda: cpu_target.target_context)
    monkeypatch.setattr(numba_bridge, "few_registries", nullcontext)
    assert numba_bridge.compile_kernel(factory(Isa(target), **constants), "kernel", target) == spared


def test_what_is_left_out_is_there() -> None:
    """A pass that numba calls otherwise would run again unnoticed."""
    from numba.core import compiler, typed_passes, untyped_passes

    known = {name for module in (compiler, typed_passes, untyped_passes) for name in dir(module)}
    assert known >= UNNEEDED


COMPILE = """
import sys

import numpy as np

from millijoule.runtime.compiler.compile_worker import compile_one
from millijoule.runtime.kernels.softmax import softmax_int8
from millijoule.runtime.targets.target import named

compile_one("softmax", softmax_int8, {}, named("x86-64-v3"))
print(*sorted({"numba.np.linalg", "scipy.linalg"} & set(sys.modules)))

from numba import njit

print(njit(lambda a: np.sqrt(a).sum())(np.array([4.0, 9.0])))
"""


def test_what_kernels_do_not_need_is_imported_for_others_alone() -> None:
    done = subprocess.run([sys.executable, "-c", COMPILE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "5.0"]
