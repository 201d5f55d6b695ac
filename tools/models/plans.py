"""Programs planned without compiling anything, for this CPU or any other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...runtime.engine.engine import NUMPY, packing_space
from ...runtime.errors import ModelError, TargetError
from ...runtime.evaluate.shapes import fold_constants
from ...runtime.ops.registry import DataNeeded
from ...runtime.planner.plan import plan
from ...runtime.program.builder import SOFTMAX_BYTES
from ...runtime.program.tiles import Tiles
from ...runtime.program.weights import Weights, WeightsFull

if TYPE_CHECKING:
    import numpy as np

    from ...runtime.engine.engine import Engine
    from ...runtime.graph import Graph
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


SEED = 0
"""Of the numbers that a model is fed whose shapes depend on them."""


def plan_program(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    target: Target | None,
    threads: int,
    softmax_bytes: int = SOFTMAX_BYTES,
    strip_bytes: int | None = None,
    known: Mapping[str, np.ndarray] | None = None,
) -> tuple[Program, int]:
    """The program for these input shapes, and the bytes of the weights as it packs them. softmax_bytes, strip_bytes: as
    plan's. Of a model whose shapes depend on data, all programs that a run takes on what is known of its inputs, and
    on random numbers for the others; it is made in NumPy. DataNeeded where random numbers cannot be run."""
    graph = fold_constants(model.graph)
    options: dict[str, Any] = {"softmax_bytes": softmax_bytes, "strip_bytes": strip_bytes, "exits": model.exits}
    states = {name: state.output for name, state in model.metadata.states.items()}
    try:
        program, weights = _planned(graph, shapes, target, threads, None, **options, states=states)
        return program, weights.used
    except DataNeeded as problem:
        if model.exits is not None:
            raise
        needed = problem
    try:
        return _planned_staged(model, shapes, target, threads, known or {}, options)
    except ModelError as problem:
        raise DataNeeded(f"{needed}; and with random numbers, {problem}", needed.tensor) from None


def _fed(model: Model, shapes: Mapping[str, tuple[int, ...]], known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    from ...runtime.random_inputs import random_inputs

    unknown = {name: shape for name, shape in shapes.items() if name not in known}
    return {**random_inputs(model, unknown, SEED), **known}


def program_of(engine: Engine, feeds: Mapping[str, np.ndarray]) -> Program:
    """The program that the engine runs on these arrays; where shapes depend on data, all programs of a run on them,
    as one that cannot be run."""
    from ...runtime.engine.workspace import Plan
    from .staged import recorded

    plan = engine.plan({name: array.shape for name, array in feeds.items()}, ())
    if isinstance(plan, Plan):
        return plan.program
    ran = recorded(engine, plan, feeds)
    try:
        return ran.program()
    finally:
        ran.close()


def _planned(
    graph: Graph,
    shapes: Mapping[str, tuple[int, ...]],
    target: Target | None,
    threads: int,
    weights: Weights | None,
    **options: Any,
) -> tuple[Program, Weights]:
    """weights: to pack into; new ones where None, or where these are full."""
    reserve = packing_space(graph)
    while True:
        weights = weights or Weights(reserve)
        try:
            return plan(graph, shapes, target, weights, threads, **options), weights
        except WeightsFull:
            reserve, weights = 2 * max(reserve, weights.reserve), None


def _planned_staged(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    target: Target | None,
    threads: int,
    known: Mapping[str, np.ndarray],
    options: Mapping[str, Any],
) -> tuple[Program, int]:
    from ...runtime.engine.staging import Staged
    from ...runtime.session import load
    from .staged import recorded

    with load(model, target=NUMPY, threads=1) as session:
        staged = session.engine.plan({**shapes}, ())
        assert isinstance(staged, Staged), "a graph that could not be planned as a whole"
        ran = recorded(session.engine, staged, _fed(model, shapes, known))
    planned: dict[int, Program] = {}
    weights: Weights | None = None
    try:
        for key, each in ran.ran.items():
            if each.program is None or each.cut.graph is None:
                continue
            sizes = {name: view.shape for name, view in each.program.inputs.items()}
            planned[key], weights = _planned(
                each.cut.graph, sizes, target, threads, weights, **options, known=each.cut.known,
                tiles=Tiles(few=each.cut.varies),
            )  # fmt: skip
        return ran.program(planned), 0 if weights is None else weights.used
    finally:
        ran.close()
