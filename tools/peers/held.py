"""Keeps peers to the instructions of the target that they are compared with, where they can be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ...runtime.errors import TargetError
from ...runtime.targets.target import detect, rank

if TYPE_CHECKING:
    from ...runtime.targets.target import Target

ISAS: Final = {
    "x86-64-v2": "SSE41", "x86-64-v3": "AVX2", "x86-64-v3-vnni": "AVX2_VNNI", "x86-64-v4": "AVX512_CORE",
    "x86-64-v4-vnni": "AVX512_CORE_VNNI",
}  # fmt: skip
"""oneDNN's names (its "CPU Dispatcher Control"), by the target's base."""
VARIABLES: Final = {"openvino": ("ONEDNN_MAX_CPU_ISA", "OV_CPU_MAX_ISA")}
"""By peer, whose module reads them when it is first imported. oneDNN reads the first, OpenVINO's own kernels the second
since the releases of late 2026. ONNX Runtime and LiteRT have nothing of the kind."""


def hold(target: Target | None) -> str | None:
    """Sets what keeps peers that are not imported yet to the target's instructions; their name there. None where there
    is nothing to hold: this CPU has no more than the target."""
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
    return isa


def sentence(peers: Iterable[str], isa: str | None, target: str) -> str | None:
    """What a reader of the figures has to know; None where nothing is held or no peer takes part."""
    names = list(peers)
    if isa is None or not names:
        return None
    kept = [name for name in names if name in VARIABLES and os.environ.get(VARIABLES[name][0]) == isa]
    free = [name for name in names if name not in kept]
    parts = [f"{' and '.join(kept)} kept to {isa}"] if kept else []
    if free:
        parts.append(f"{' and '.join(free)} may use all that this CPU has, which is more than {target}")
    return "; ".join(parts)
