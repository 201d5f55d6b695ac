"""A cascade on an emulated Arm CPU: the labels, stages and scores that a cascade in NumPy gives.

MILLIJOULE_ARM names the environment that .ci/arm.sh builds. MILLIJOULE_FULL=1 tries all targets.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from classifiers import SIZE, classifier, expect, images

import millijoule as mj
from millijoule.runtime.cascade.model import CascadeModel
from millijoule.runtime.compiler.build import compile_file
from millijoule.runtime.compiler.cache import default_cache
from millijoule.runtime.engine.engine import needed_kernels
from millijoule.runtime.targets.target import named
from millijoule.tools.models.plans import plan_program

CHECKOUT = Path(__file__).resolve().parent.parent
TARGETS = {"aarch64-neon": "cortex-a57", "aarch64-dotprod": "cortex-a76", "aarch64-i8mm": "max,pauth-impdef=on"}
"""Target -> the CPU that QEMU plays."""
CHOSEN = list(TARGETS) if os.environ.get("MILLIJOULE_FULL") == "1" else ["aarch64-dotprod"]
GATE = mj.Gate("margin", 0.5, temperature=(1.5, 1.0), abstain=0.2)

ON_THE_DEVICE = """
import sys
import numpy as np
import millijoule

with millijoule.load("pair.mj", kernels="pair.mjk", threads=1) as cascade:
    np.savez("answers.npz", **cascade.run(np.load("images.npy"))._asdict())
    print(cascade.target)
assert not {"numba", "llvmlite"} & set(sys.modules)
"""


@pytest.mark.parametrize("target", CHOSEN)
def test_a_cascade(target: str, tmp_path: Path) -> None:
    if not (Path(os.environ.get("MILLIJOULE_ARM", CHECKOUT / ".arm")) / "bin" / "python").exists():
        pytest.skip("needs the emulated Arm Python (.ci/arm.sh, MILLIJOULE_ARM)")
    stages, x = [classifier(1), classifier(2, end="int8")], images(60)
    model = CascadeModel.of(stages, GATE)
    model.save(tmp_path / "pair.mj")
    np.save(tmp_path / "images.npy", x)
    needed = needed_kernels(plan_program(model, {"image": (1, SIZE, SIZE, 3)}, named(target), 1)[0])
    (tmp_path / "pair.mjk").write_bytes(compile_file(needed, named(target), default_cache()))
    done = subprocess.run(
        [str(CHECKOUT / ".ci" / "arm-python"), "-W", "error", "-c", ON_THE_DEVICE],
        cwd=tmp_path, env={**os.environ, "QEMU_CPU": TARGETS[target]}, capture_output=True, text=True, timeout=540,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == target
    found, seen = np.load(tmp_path / "answers.npz"), set[tuple[int, bool]]()
    for row in range(len(x)):
        wanted = expect(stages, GATE, {"image": x[row : row + 1]})
        if wanted.close:
            continue
        assert (found["label"][row], found["stage"][row], found["ran"][row]) == (wanted.label, wanted.stage, wanted.ran)
        assert found["score"][row] == pytest.approx(wanted.score, abs=2e-5)
        seen.add((wanted.ran, wanted.label < 0))
    assert {(1, False), (2, False), (2, True)} <= seen, "sure, unsure and abstaining"
