"""Convolutions and products on emulated Arm CPUs: kernels compiled here, run there, and compared with the references.

MILLIJOULE_ARM names the environment that .ci/arm.sh builds. Every third case is tried, for one target, with
MILLIJOULE_FULL=1 all of them for all targets, and many more shapes.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from product_cases import (
    ATOL,
    CONV_FLOATS,
    CONV_INTEGERS,
    DEPTHWISE_FLOATS,
    DEPTHWISE_INTEGERS,
    RTOL,
    Build,
    conv,
    merged,
    random_conv,
)

from millijoule.runtime.compiler.build import compile_file
from millijoule.runtime.compiler.cache import default_cache
from millijoule.runtime.engine.engine import needed_kernels
from millijoule.runtime.evaluate import reference
from millijoule.runtime.targets.target import named
from millijoule.tools.models.plans import plan_program

CHECKOUT = Path(__file__).resolve().parent.parent
FULL = os.environ.get("MILLIJOULE_FULL") == "1"
TARGETS = {
    "aarch64-neon": "cortex-a57",
    "cortex-a53": "cortex-a53",
    "aarch64-dotprod": "cortex-a76",
    "cortex-a55": "cortex-a76",
    "aarch64-i8mm": "max,pauth-impdef=on",
}
"""Target -> the CPU that QEMU plays."""
ODD_ROWS = {f"{n} pixels": conv((1, 1, n, 19), 21, (1, 1), activation="Relu") for n in (3, 5, 7, 9, 11)}
"""Tiles of one row more than pairs of rows have."""

ON_THE_DEVICE = """
import sys
import numpy as np
import millijoule

feeds = dict(np.load("feeds.npz"))
for threads in (1, 2):
    with millijoule.load("model.mj", kernels="model.mjk", threads=threads) as session:
        np.savez(f"results{threads}.npz", **session.run(feeds))
assert not {"numba", "llvmlite"} & set(sys.modules)
print(session.target)
"""


def cases() -> dict[str, Build]:
    kinds = {"conv": CONV_INTEGERS | ODD_ROWS, "floats": CONV_FLOATS}
    kinds |= {"depthwise": DEPTHWISE_INTEGERS, "depthwise floats": DEPTHWISE_FLOATS}
    if FULL:
        for quantized in (True, False):
            for depth in (True, False):
                named_builds = {str(i): random_conv(i, quantized, depth) for i in range(60)}
                kinds[f"random {quantized=} {depth=}"] = named_builds
    return {f"{kind}: {name}": build for kind, builds in kinds.items() for name, build in builds.items()}


CHOSEN = [name for name in TARGETS if FULL or name.startswith("aarch64")]


@pytest.mark.parametrize("target", CHOSEN)
def test_products(target: str, tmp_path: Path) -> None:
    if not (Path(os.environ.get("MILLIJOULE_ARM", CHECKOUT / ".arm")) / "bin" / "python").exists():
        pytest.skip("needs the emulated Arm Python (.ci/arm.sh, MILLIJOULE_ARM)")
    first, step = (0, 1) if FULL else (3 * CHOSEN.index(target), 3 * len(CHOSEN))
    chosen = list(cases().items())[first::step]
    model, feeds = merged({name: build() for name, build in chosen})
    model.save(tmp_path / "model.mj")
    arrays: dict[str, Any] = dict(feeds)
    np.savez(tmp_path / "feeds.npz", **arrays)
    shapes = {name: data.shape for name, data in feeds.items()}
    needed = needed_kernels(plan_program(model, shapes, named(target), 2)[0])
    (tmp_path / "model.mjk").write_bytes(compile_file(needed, named(target), default_cache()))
    done = subprocess.run(
        [str(CHECKOUT / ".ci" / "arm-python"), "-W", "error", "-c", ON_THE_DEVICE],
        cwd=tmp_path, env={**os.environ, "QEMU_CPU": TARGETS[target]}, capture_output=True, text=True, timeout=540,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == target
    wanted = reference.run(model.graph, feeds)
    for threads in (1, 2):
        found = np.load(tmp_path / f"results{threads}.npz")
        assert not [name for name in wanted if not agree(found[name], wanted[name])], threads


def agree(found: np.ndarray, wanted: np.ndarray) -> bool:
    if (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
        return False
    exact = wanted.dtype.kind != "f"
    return np.array_equal(found, wanted) if exact else np.allclose(found, wanted, RTOL, ATOL)
