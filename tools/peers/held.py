"""Keeps peers to the instructions of the target that they are compared with, where they can be."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...runtime.errors import TargetError
from ...runtime.targets.target import detect, rank
from .registry import PEERS, installed_package

if TYPE_CHECKING:
    from ...runtime.targets.target import Target

ISAS: Final = {
    "x86-64-v2": "SSE41", "x86-64-v3": "AVX2", "x86-64-v3-vnni": "AVX2_VNNI", "x86-64-v4": "AVX512_CORE",
    "x86-64-v4-vnni": "AVX512_CORE_VNNI",
}  # fmt: skip
"""oneDNN's names (its "CPU Dispatcher Control"), by the target's base."""
VARIABLES: Final = {"openvino": ("ONEDNN_MAX_CPU_ISA", "OV_CPU_MAX_ISA")}
"""By peer, whose module reads them when it is first imported. oneDNN reads the first, OpenVINO's own kernels the second
since the releases of late 2026. ONNX Runtime and LiteRT have nothing of the kind: copies of their libraries are told by
a handler of the cpuid instruction (cpuid_mask.py) what CPU they are on."""

_patched: dict[str, Path] = {}
"""By peer, the folder that holds its copy."""


def hold(target: Target | None, peers: Iterable[str] = ()) -> str | None:
    """Sets what keeps peers that are not imported yet to the target's instructions; their name there. None where there
    is nothing to hold: this CPU has no more than the target. peers: those of which a copy may have to be made."""
    if target is None or target.base not in ISAS:
        return None
    try:
        own = detect()
    except TargetError:
        return None
    if rank(own.name) <= rank(target.base):
        return None
    isa = ISAS[target.base]
    for peer, names in VARIABLES.items():
        if peer not in sys.modules:
            os.environ.update(dict.fromkeys(names, isa))
    others = [peer for peer in peers if peer not in VARIABLES and peer not in _patched]
    if others and sys.platform == "linux" and find_spec("capstone") and find_spec("llvmlite"):
        _patch(others, target)
    return isa


def _patch(peers: list[str], target: Target) -> None:
    """Puts copies of the peers' packages before the installed ones. A peer of which none can be made stays free."""
    from .cpuid_mask import answer_cpuid_as
    from .cpuid_patch import copy_patched

    folder = Path(tempfile.mkdtemp(prefix="millijoule-peers-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        answer_cpuid_as(target)
        for peer in peers:
            package = installed_package(PEERS[peer])
            spec = None if package is None or package[0] in sys.modules else find_spec(package[0])
            if spec is not None and spec.submodule_search_locations:
                copy_patched(Path(next(iter(spec.submodule_search_locations))), folder)
                _patched[peer] = folder
    except OSError:
        return
    finally:
        if any(folder.iterdir()):
            sys.path.insert(0, str(folder))


def _keeps(peer: str, isa: str) -> bool:
    if peer in VARIABLES:
        return os.environ.get(VARIABLES[peer][0]) == isa
    package = installed_package(PEERS[peer])
    file = None if package is None else getattr(sys.modules.get(package[0]), "__file__", None)
    return peer in _patched and file is not None and Path(file).is_relative_to(_patched[peer])


def sentence(peers: Iterable[str], isa: str | None, target: str) -> str | None:
    """What a reader of the figures has to know; None where nothing is held or no peer takes part."""
    names = list(peers)
    if isa is None or not names:
        return None
    kept = [name for name in names if _keeps(name, isa)]
    free = [name for name in names if name not in kept]
    parts = [f"{' and '.join(kept)} kept to {isa}"] if kept else []
    if free:
        parts.append(f"{' and '.join(free)} may use all that this CPU has, which is more than {target}")
    return "; ".join(parts)
