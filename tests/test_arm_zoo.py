"""Models of the zoo on emulated Arm: the very integers of the NumPy references, and floats near x86's.

Kernels are compiled here, for each target, and run in the environment that .ci/arm.sh builds: MILLIJOULE_ARM names it.
MILLIJOULE_FULL=1 runs all of them on each, for which compiling and emulation take minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_models import BY_NAME, INTEGERS, QDQ, Zoo, converted, feeds_of, integers_of, missing

import millijoule
from millijoule.runtime.compiler.build import compile_file
from millijoule.runtime.compiler.cache import default_cache
from millijoule.runtime.engine.engine import needed_kernels, packing_space
from millijoule.runtime.evaluate import reference
from millijoule.runtime.planner.plan import plan
from millijoule.runtime.program.weights import Weights
from millijoule.runtime.targets.target import Target, named

CHECKOUT = Path(__file__).resolve().parent.parent
EMULATED = {"cortex-a57": "cortex-a57", "aarch64-dotprod": "cortex-a76", "aarch64-i8mm": "max,pauth-impdef=on"}
"""Target -> the CPU that QEMU plays."""
FLOATS = ["vww_f32", "resnet8_f32", "kws_f32", "blazeface_128_f16w", "mtcnn_rnet", "wakeword_siamese_f32"]
FEW = {"cortex-a57": ["kws_int8", "mtcnn_rnet"], "aarch64-dotprod": ["resnet8_qdq"], "aarch64-i8mm": ["kws_int8"]}
"""Targets differ in how they multiply integers."""
FULL = os.environ.get("MILLIJOULE_FULL") == "1"
ALL = [*(model.name for model in (*INTEGERS, *QDQ)), *FLOATS]
CHOSEN = {target: ALL if FULL else FEW[target] for target in EMULATED}
THREADS = 2

ON_THE_DEVICE = """
import json
import sys
from pathlib import Path

import numpy as np
import millijoule.device_profiles

millijoule.device_profiles.usable_cpus = lambda: 2
folder, kernels = map(Path, sys.argv[1:3])
every = json.loads((folder / "outputs.json").read_text())
for name in sys.argv[3:]:
    groups = every[name]
    feeds = dict(np.load(folder / f"{name}.feeds.npz"))
    for threads in (1, 2):
        with millijoule.load(folder / f"{name}.mj", kernels=kernels, threads=threads) as session:
            found = [session.run(feeds, outputs=outputs) for outputs in groups]
        for index, (arrays, outputs) in enumerate(zip(found, groups)):
            np.savez(kernels.with_name(f"{name}.{threads}.{index}.npz"), *(arrays[output] for output in outputs))
assert not {"numba", "llvmlite"} & set(sys.modules)
print(session.target)
"""


def names_of(model: Zoo, loaded: millijoule.Model) -> list[list[str]]:
    """Which values to look at: of integers all that are quantized, and the last ones as they are without the others."""
    graph = loaded.graph
    if model.kind == "float":
        return [graph.outputs]
    every = [name for node in graph.nodes for name in node.outputs if name and graph.values[name].quant is not None]
    return [integers_of(loaded), every]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the device is given, but for the kernels; and what is expected of it."""
    if not (Path(os.environ.get("MILLIJOULE_ARM", CHECKOUT / ".arm")) / "bin" / "python").exists():
        pytest.skip("needs the emulated Arm Python (.ci/arm.sh, MILLIJOULE_ARM)")
    folder = tmp_path_factory.mktemp("zoo")
    outputs: dict[str, list[list[str]]] = {}
    models = [BY_NAME[name] for name in dict.fromkeys(name for names in CHOSEN.values() for name in names)]
    for model in models:
        if missing(model):
            continue
        loaded = millijoule.Model.load(converted(model, folder))
        feeds = feeds_of(model, loaded.inputs, 7)
        outputs[model.name] = names_of(model, loaded)
        named_arrays: dict[str, Any] = dict(feeds)
        np.savez(folder / f"{model.name}.feeds.npz", **named_arrays)
        for index, names in enumerate(outputs[model.name]):
            wanted = reference.run(loaded.graph, feeds, outputs=names)
            np.savez(folder / f"{model.name}.{index}.npz", *(wanted[name] for name in names))
    if not outputs:
        pytest.skip(str(missing(models[0])))
    (folder / "outputs.json").write_text(json.dumps(outputs))
    return folder


def kernels_for(target: Target, folder: Path, wanted: dict[str, list[list[str]]]) -> bytes:
    """One kernel file for all models. wanted: the values to look at, by model."""
    needed: dict[str, Any] = {}
    for name, groups in wanted.items():
        model = millijoule.Model.load(folder / f"{name}.mj")
        shapes = {key: array.shape for key, array in np.load(folder / f"{name}.feeds.npz").items()}
        weights = Weights(packing_space(model.graph))
        for outputs in groups:
            needed |= needed_kernels(plan(model.graph, shapes, target, weights, THREADS, outputs))
    return compile_file(needed, target, default_cache())


@pytest.mark.parametrize("target", EMULATED)
def test_arm(target: str, folder: Path, tmp_path: Path) -> None:
    every = json.loads((folder / "outputs.json").read_text())
    looked_at = {name: every[name] for name in CHOSEN[target] if name in every}
    if not looked_at:
        pytest.skip(str(missing(BY_NAME[CHOSEN[target][0]])))
    kernels = tmp_path / "zoo.mjk"
    kernels.write_bytes(kernels_for(named(target), folder, looked_at))
    arguments = [ON_THE_DEVICE, str(folder), str(kernels), *looked_at]
    command = [str(CHECKOUT / ".ci" / "arm-python"), "-W", "error", "-c", *arguments]
    environment = {**os.environ, "QEMU_CPU": EMULATED[target]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == target
    wrong = []
    for name, groups in looked_at.items():
        for index, outputs in enumerate(groups):
            wanted = np.load(folder / f"{name}.{index}.npz")
            for threads in (1, 2):
                found = np.load(tmp_path / f"{name}.{threads}.{index}.npz")
                wrong += [
                    f"{name}, {threads} threads: {outputs[i]}"
                    for i, key in enumerate(wanted.files)
                    if not agree(found[key], wanted[key], BY_NAME[name].kind == "float")
                ]
    assert not wrong


def agree(found: np.ndarray, wanted: np.ndarray, real: bool) -> bool:
    if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        return False
    if not real:
        return np.array_equal(found, wanted)
    return bool(np.abs(found - wanted).max() <= 1e-3 * np.abs(wanted).max())
