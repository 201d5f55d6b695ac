"""A pytest plugin that runs the tests as on a smaller CPU: peers and millijoule see no more than a target has.

Usage: MILLIJOULE_CPU=x86-64-v3 PYTHONPATH=.ci pytest -p held_cpu tests/test_onnx_quantized.py. That CPU has no VNNI, so
that onnxruntime's sums of uint8 * int8 saturate. For x86-64 Linux on a better CPU; joins with -p sampling.
Peers are copies whose libraries are told of the smaller CPU (tools/peers/cpuid_patch.py); OpenVINO is asked by its
variables. In processes that a test starts millijoule sees the smaller CPU, too (held/sitecustomize.py), peers do not;
NumPy nowhere does: NPY_DISABLE_CPU_FEATURES is for that.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from millijoule.runtime.targets import cpu, target
from millijoule.tools.peers.cpuid_mask import answer_cpuid_as
from millijoule.tools.peers.cpuid_patch import copy_patched
from millijoule.tools.peers.held import ISAS, VARIABLES
from millijoule.tools.peers.registry import PEERS

HELD = target.named(os.environ["MILLIJOULE_CPU"])
features = cpu.host_features() & HELD.features
# Of both modules, as one has it from the other.
for module in (cpu, target):
    module.host_features = lambda: features  # type: ignore[attr-defined]
os.environ["MILLIJOULE_CPU_FEATURES"] = " ".join(features)
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(__file__).with_name("held")), *filter(None, [os.environ.get("PYTHONPATH")])]
)


@pytest.hookimpl(trylast=True)  # pytest's faulthandler would take SIGILL from us
def pytest_configure(config: pytest.Config) -> None:
    folder = tempfile.TemporaryDirectory(prefix="millijoule-peers-")
    config.add_cleanup(folder.cleanup)
    answer_cpuid_as(HELD)
    for peer, engine in PEERS.items():
        if peer in VARIABLES:
            os.environ.update(dict.fromkeys(VARIABLES[peer], ISAS[HELD.base]))
            continue
        for package, _ in engine.packages:
            if package in sys.modules:
                raise pytest.UsageError(f"{package} was imported before it could be held to {HELD}")
            spec = find_spec(package)
            if spec is not None and spec.submodule_search_locations:
                copy_patched(Path(next(iter(spec.submodule_search_locations))), Path(folder.name))
    sys.path.insert(0, folder.name)


def pytest_report_header() -> str:
    return f"held to {HELD}: {', '.join(sorted(features))}"
