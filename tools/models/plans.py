"""Programs planned without compiling anything, for this CPU or any other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...runtime.engine.engine import NUMPY, packing_space
from ...runtime.errors import TargetError
from ...runtime.evaluate.shapes import fold_constants
from ...runtime.planner.plan import plan
from ...runtime.program.builder import SOFTMAX_BYTES
from ...runtime.program.weights import Weights, WeightsFull

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.model import Model
    from ...runtime.program.program import Program
    from ...runtime.targets.target import Target


def any_target(name: str | None) -> Target | None:
    """The target of that name, also one that this CPU cannot run; None for NumPy alone, which is also what a CPU
    without kernels has. TargetError where there is no such target."""
    from ...runtime.targets.target import resolve

    asked = (name or os.environ.get("MILLIJOULE_TARGET") or "host").strip().lower()
    if asked == NUMPY:
        return None
    try:
        return resolve(asked, compile_only=True)
    except TargetError:
        if asked != "host":
            raise
        return None


def plan_program(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    target: Target | None,
    threads: int,
    softmax_bytes: int = SOFTMAX_BYTES,
    known: Mapping[str, np.ndarray] | None = None,
) -> tuple[Program, int]:
    """The program for these input shapes, and the bytes of the weights as it packs them. softmax_bytes, known: as
    plan's. DataNeeded where shapes depend on data that is not known."""
    graph = fold_constants(model.graph)
    reserve = packing_space(graph)
    while True:
        weights = Weights(reserve)
        try:
            return plan(
                graph, shapes, target, weights, threads, softmax_bytes=softmax_bytes, exits=model.exits, known=known
            ), weights.used
        except WeightsFull:
            reserve *= 2
