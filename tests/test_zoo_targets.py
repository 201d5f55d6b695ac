"""Integer models of the zoo: the same integers from every x86 target, any number of threads, and NumPy.

MILLIJOULE_FULL=1 runs all of them on every target, and on more inputs.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from zoo_models import INTEGERS, QDQ, Zoo, converted, feeds_of, integers_of, missing

import millijoule.device_profiles
from millijoule.runtime.evaluate import reference
from millijoule.runtime.planner import plan
from millijoule.runtime.program import builder
from millijoule.runtime.targets.target import TARGETS
from millijoule.runtime.targets.target import missing as lacking

FULL = os.environ.get("MILLIJOULE_FULL") == "1"
SEEDS = 3 if FULL else 1
LARGE = {"wakeword_resnet50_qdq", "mobilenet_v2_224_int8"}
"""NumPy takes so long for these that one target of this machine has to do."""
HERE = [name for name, target in TARGETS.items() if not lacking(target)]
BITS = [*INTEGERS, *QDQ]


def targets_of(model: Zoo) -> list[str]:
    """Each target sees several models, and each model a third of the targets, other ones than the models next to it."""
    if FULL:
        return HERE
    if model.name in LARGE:
        return HERE[-1:]
    at, few = BITS.index(model), max(1, len(HERE) // 3)
    return [HERE[(few * at + i) % len(HERE)] for i in range(few)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.mark.parametrize("model", BITS, ids=lambda model: model.name)
def test_bits(model: Zoo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := missing(model):
        pytest.skip(reason)
    loaded = millijoule.Model.load(converted(model, folder))
    feeds = [feeds_of(model, loaded.inputs, seed) for seed in range(SEEDS)]
    ends, every = integers_of(loaded), quantized_of(loaded)
    wanted = [reference.run(loaded.graph, given, outputs=[*ends, *every]) for given in feeds]
    # However small the model is, two threads share it.
    monkeypatch.setattr(plan, "SHARED_MACS", 0)
    monkeypatch.setattr(builder, "SHARED_WORK", 0)
    monkeypatch.setattr(millijoule.device_profiles, "usable_cpus", lambda: 2)
    for target in targets_of(model):
        for threads in (1, 2):
            with millijoule.load(loaded, target=target, threads=threads) as session:
                assert (session.target, session.threads) == (target, threads)
                for given, expected in zip(feeds, wanted, strict=True):
                    # Together, as other values lie elsewhere in memory when all are kept.
                    for found in (session.run(given, outputs=ends), session.run(given, outputs=every)):
                        for name, array in found.items():
                            np.testing.assert_array_equal(array, expected[name], err_msg=f"{name}, {target}, {threads}")
                assert session._pool[0].plan is not None
                # Of fully connected layers as narrow as hello_world's there is nothing to share.
                assert session._pool[0].plan.program.shared == (threads == 2 and model.name != "hello_world_int8")


def quantized_of(model: millijoule.Model) -> list[str]:
    """Every value that is computed and quantized."""
    values = (model.graph.values[name] for node in model.graph.nodes for name in node.outputs if name)
    return [value.name for value in values if value.quant is not None]
