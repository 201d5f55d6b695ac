"""Plans for the zoo's models: arenas near their lower bound, on every kind of target; kernels for every step.

MILLIJOULE_FULL=1 plans each model for all targets, else for every third.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zoo_models import MODELS, Zoo, converted, feeds_of, missing

from millijoule import Model
from millijoule.runtime.engine.engine import packing_space
from millijoule.runtime.planner.plan import plan
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.program.weights import Weights
from millijoule.runtime.targets.target import named

TARGETS = ["x86-64-v2", "x86-64-v3-vnni", "x86-64-v4-vnni", "cortex-a57", "aarch64-i8mm", None]
APART = 1 if os.environ.get("MILLIJOULE_FULL") == "1" else 3


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_arena(model: Zoo, tmp_path: Path) -> None:
    if reason := missing(model):
        pytest.skip(reason)
    loaded = Model.load(converted(model, tmp_path))
    shapes = {name: array.shape for name, array in feeds_of(model, loaded.inputs, 0).items()}
    for target in TARGETS[MODELS.index(model) % APART :: APART]:
        weights = Weights(packing_space(loaded.graph))
        program = plan(loaded.graph, shapes, None if target is None else named(target), weights, 1)
        assert program.lower_bound <= program.arena_bytes <= 1.1 * program.lower_bound, target
        if target is not None:
            rest = {step.node.split()[0] for step in program.steps if isinstance(step, PythonStep)}
            assert rest <= {"LpNormalization"}, target
