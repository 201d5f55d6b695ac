"""Kernels are the same without the work that numba's front end is spared."""

from __future__ import annotations

from collections.abc import Callable
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
    assert numba_bridge.compile_kernel(factory(Isa(target), **constants), "kernel", target) == spared


def test_what_is_left_out_is_there() -> None:
    """A pass that numba calls otherwise would run again unnoticed."""
    from numba.core import compiler, typed_passes, untyped_passes

    known = {name for module in (compiler, typed_passes, untyped_passes) for name in dir(module)}
    assert known >= UNNEEDED
