"""Marks the quick tests: `pytest -m quick` takes a minute or so and sees something of every part. And puts guard pages
around the memory of what compiles and runs kernels, draws each test's random numbers anew, and has each kernel compiled
once. `refused` is how files made to harm must end."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# Profiles of whoever runs the tests are none of theirs.
os.environ["XDG_CONFIG_HOME"] = os.devnull
os.environ.pop("MILLIJOULE_PROFILE", None)

QUICK = frozenset(
    f"test_{name}.py"
    for name in (
        *("abi", "profiles", "shapes", "target", "reference", "model", "preprocess", "docs"),
        *("ops_registry", "ops_conv", "ops_elementwise", "ops_quantize", "ops_reduce", "ops_softmax"),
        *("onnx_operators", "onnx_quantized", "tflite_operators", "rewrite_fusion", "rewrite_quantized"),
        *("example", "cli_convert", "sensors_recordings", "sensors_trace"),
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in QUICK:
            item.add_marker(pytest.mark.quick)


GUARDED = "test_kernels_", "test_memory_bounds", "test_planner_copies", "test_file_fuzz", "test_runtime_fuzz"


@pytest.fixture(autouse=True, scope="module")
def guard_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sessions as runtime/engine/guards.py makes them, where the system can protect pages."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.name.startswith(GUARDED) and os.name == "posix":
            patch.setenv("MILLIJOULE_GUARD", "1")
        yield


@pytest.fixture(autouse=True)
def drawn_anew(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module's RNG starts from the test's name, so that what is drawn does not depend on which tests ran before it in
    the same process. MILLIJOULE_DRAW, a number, draws others."""
    if isinstance(getattr(request.module, "RNG", None), np.random.Generator):
        seed = [zlib.crc32(request.node.name.encode()), int(os.environ.get("MILLIJOULE_DRAW", "0"))]
        monkeypatch.setattr(request.module, "RNG", np.random.default_rng(seed))


@pytest.fixture(autouse=True, scope="session")
def kernels_compiled_once() -> Iterator[None]:
    """A kernel of millijoule's that any test has had compiled is not compiled again in tests' own processes, also where
    a test has a kernel cache of its own, or none. And no process is started to help with it."""
    from millijoule.runtime.compiler import compile_all
    from millijoule.runtime.compiler.cache import KernelCache, default_folder
    from millijoule.runtime.compiler.digest import kernel_key
    from millijoule.runtime.compiler.object_file import CompiledKernel
    from millijoule.runtime.targets.target import Target

    known, compile_one = KernelCache(default_folder()), vars(compile_all)["compile_one"]

    def found(name: str, factory: Any, constants: Mapping[str, Any], target: Target) -> CompiledKernel:
        key = kernel_key(name, target)
        ours = factory.__module__.startswith("millijoule.")
        kernel = known.load_object(key) if ours else None
        if kernel is None:
            kernel = compile_one(name, factory, constants, target)
            if ours:
                known.store_object(key, kernel)
        return kernel

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compile_all, "compile_one", found)
        patch.setattr(compile_all, "usable_cpus", lambda: 1)
        yield


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes, str], None]:
    """refused(content of a .mj file, problem): reading it is one ModelError of one line that names the file, checksum
    or not."""
    from millijoule.runtime.errors import ModelError
    from millijoule.runtime.model import Model

    def check(content: bytes, problem: str) -> None:
        path = tmp_path / "attack.mj"
        path.write_bytes(content)
        for verify in (True, False):
            with pytest.raises(ModelError, match=problem) as caught:
                Model.load(path, verify=verify)
            assert len(str(caught.value).splitlines()) == 1
            assert str(caught.value).startswith(str(path))

    return check
