"""The example's int8 model gives the same integers from every target's code, from any number of threads, and in NumPy.

Arm code is compiled here and runs emulated, in the environment that .ci/arm.sh builds: MILLIJOULE_ARM names it.
MILLIJOULE_FULL=1 runs it for every target: what is otherwise left to test_arm_zoo.py and to kernels' own tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import millijoule
from millijoule.runtime.evaluate import reference
from millijoule.runtime.targets.target import BASES

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "examples" / "fashion_mnist" / "fashion_mnist_int8.onnx"
EMULATED = {"cortex-a57": "cortex-a57", "aarch64-dotprod": "cortex-a76", "aarch64-i8mm": "max,pauth-impdef=on"}
"""Target -> the CPU that QEMU plays."""
CHOSEN = list(EMULATED) if os.environ.get("MILLIJOULE_FULL") == "1" else ["aarch64-dotprod"]

ON_THE_DEVICE = """
import sys
import numpy as np
import millijoule

model, kernels, images, results = sys.argv[1:]
for threads in (1, 2):
    with millijoule.load(model, kernels=kernels, threads=threads) as session:
        scores = [session.run({"image": image})["scores"] for image in np.load(images)]
    np.save(f"{results}{threads}.npy", np.stack(scores))
assert not {"numba", "llvmlite"} & set(sys.modules)
print(session.target)
"""


@pytest.fixture(scope="module")
def model() -> millijoule.Model:
    pytest.importorskip("onnx")
    return millijoule.convert(SOURCE)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Noise of three strengths, in the range of normalised pixels."""
    noise = np.random.default_rng(11).uniform(-0.8, 2.0, (3, 1, 1, 28, 28))
    return (noise * np.array([0.2, 0.6, 1.0]).reshape(-1, 1, 1, 1, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(model: millijoule.Model, images: np.ndarray) -> np.ndarray:
    return np.stack([reference.run(model.graph, {"image": image})["scores"] for image in images])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("target", [target.name for target in BASES if target.machine == "x86-64"])
def test_x86(model: millijoule.Model, images: np.ndarray, expected: np.ndarray, target: str, threads: int) -> None:
    try:
        session = millijoule.load(model, target=target, threads=threads)
    except millijoule.TargetError as error:
        pytest.skip(str(error))
    assert session.target == target
    scores = [session.run({"image": image})["scores"] for image in images]
    np.testing.assert_array_equal(np.stack(scores), expected)


@pytest.mark.parametrize("target", CHOSEN)
def test_emulated_arm(
    model: millijoule.Model, images: np.ndarray, expected: np.ndarray, target: str, tmp_path: Path
) -> None:
    if not (Path(os.environ.get("MILLIJOULE_ARM", CHECKOUT / ".arm")) / "bin" / "python").exists():
        pytest.skip("needs the emulated Arm Python (.ci/arm.sh, MILLIJOULE_ARM)")
    model.save(tmp_path / "model.mj")
    np.save(tmp_path / "images.npy", images)
    mj = [sys.executable, "-c", "from millijoule.tools.main import main; main()"]
    compiling = [*mj, "compile", "model.mj", "--target", target, "-o", "model.mjk"]
    done = subprocess.run(compiling, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    device = [str(CHECKOUT / ".ci" / "arm-python"), "-c", ON_THE_DEVICE]
    running = [*device, "model.mj", "model.mjk", "images.npy", "scores"]
    environment = {**os.environ, "QEMU_CPU": EMULATED[target]}
    done = subprocess.run(running, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == target
    for threads in (1, 2):
        np.testing.assert_array_equal(np.load(tmp_path / f"scores{threads}.npy"), expected)
