"""The parts that `mj doctor` looks at. Each gives its facts and adds what is wrong to a list of problems."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Problems = list[str]

NEEDED: Final = ("safetensors", "msgspec", "click")
COMPILER: Final = ("numba", "llvmlite")
# What converting and comparing may use, besides what running needs.
EXTRAS: Final = (*NEEDED, "onnx", "tflite", "pillow", "ai-edge-litert", "tflite-runtime", "onnxruntime", "openvino")
RETURN: Final = {"x86-64": bytes.fromhex("c3"), "aarch64": bytes.fromhex("c0035fd6")}


def software(problems: Problems) -> dict[str, Any]:
    from .machine import PACKAGES, versions

    found = versions((*PACKAGES, *EXTRAS))
    lacking = [name for name in (*PACKAGES, *NEEDED) if name not in COMPILER and found[name] is None]
    if lacking:
        problems.append(f"not installed: {', '.join(lacking)}; pip install {' '.join(lacking)}")
    return {"millijoule": found.pop("millijoule"), "interpreter": sys.executable, **found}


def system(problems: Problems) -> dict[str, Any]:
    from ...device_profiles import usable_cpus
    from ...device_profiles.cgroup import cpu_quota, memory_limit
    from .machine import describe

    found = describe()
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    quota = cpu_quota()
    if quota is not None and quota < 1:
        problems.append(f"the control group grants {quota:.2f} of a CPU: inference is stopped during every period")
    if found["load_average"] is not None and found["load_average"] > 0.5 * usable_cpus():
        problems.append(f"load average {found['load_average']}: other programs are busy, so that timings are too long")
    return {
        **found,
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "affinity": affinity,
        "cgroup_cpus": quota,
        "cgroup_memory_bytes": memory_limit(),
        "page_bytes": os.sysconf("SC_PAGESIZE") if hasattr(os, "sysconf") else None,
    }


def target(problems: Problems) -> dict[str, Any]:
    from ...runtime.engine.engine import NUMPY
    from ...runtime.errors import TargetError
    from ...runtime.targets.cpu import host_features, host_machine
    from ...runtime.targets.target import BASES, detect, missing
    from ..models.plans import any_target

    used = None
    try:
        chosen = any_target(None)
        used = NUMPY if chosen is None else chosen.name
        if chosen is not None and missing(chosen):
            problems.append(
                f"MILLIJOULE_TARGET={used} cannot run here: this computer lacks {', '.join(missing(chosen))}"
            )
    except TargetError as error:
        problems.append(f"MILLIJOULE_TARGET: {error}")
    return {
        "machine": host_machine(),
        "features": sorted(host_features()),
        "detected": detect().name,
        "used": used,
        "runs_also": [base.name for base in BASES if not missing(base)],
    }


def environment(_: Problems) -> dict[str, Any]:
    """The variables that change what millijoule does."""
    known = ("MILLIJOULE_TARGET", "MILLIJOULE_CACHE", "XDG_CACHE_HOME", "OMP_NUM_THREADS", "PYTHONWARNINGS")
    return {name: os.environ.get(name) for name in known}


def kernel_cache(problems: Problems) -> dict[str, Any]:
    import warnings

    from ...runtime.compiler.cache import BOUND, KernelCache, default_folder

    folder = default_folder()
    if folder is None:
        return {"folder": None, "bound_bytes": BOUND}
    existed = folder.is_dir()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cache = KernelCache(folder)
    problems.extend(str(warning.message) for warning in caught)
    usable = cache.folder is not None
    writable = usable and os.access(folder, os.W_OK)
    if usable and not writable:
        problems.append(f"kernel cache {folder} cannot be written: kernels are compiled anew in every process")
    return {
        "folder": str(folder),
        "existed": existed,
        "usable": usable,
        "writable": writable,
        "files": len(list(folder.iterdir())) if usable else None,
        "bytes": cache.size() if usable else None,
        "bound_bytes": BOUND,
        "free_bytes": _free_bytes(folder) if usable else None,
    }


def executable_memory(problems: Problems) -> dict[str, Any]:
    """Whether the system lets machine code run: copied into memory, and mapped from a file in the cache folder."""
    from ...runtime.compiler.cache import default_folder
    from ...runtime.system.executable import ExecutableMemoryError, map_bytes
    from ...runtime.targets.cpu import host_machine

    code = RETURN[host_machine()]
    try:
        mapping = map_bytes(code)
        mapping.close()
        memory = True
    except ExecutableMemoryError as error:
        problems.append(f"{error}: every operator runs in NumPy, which is slow")
        memory = False
    folder = default_folder()
    mapped = None if folder is None or not os.access(folder, os.W_OK) else _maps_from(folder, code)
    return {"in_memory": memory, "from_cache_files": mapped}


def compiler(problems: Problems) -> dict[str, Any]:
    """Whether the compiler can be imported; only needed for what is neither in the cache nor in a kernel file."""
    return {name: _imports(name, problems) for name in COMPILER}


def _imports(name: str, problems: Problems) -> str:
    import importlib.util

    if importlib.util.find_spec(name) is None:
        return "not installed: kernels come from files that `mj compile` writes on another computer"
    try:
        importlib.import_module(name)
    except Exception as error:  # whatever a broken installation raises
        reason = f"{type(error).__name__}: {error}"
        problems.append(f"{name} cannot be imported ({reason}); only kernels compiled before can be used")
        return reason
    return "imports"


def _maps_from(folder: Path, code: bytes) -> bool:
    import tempfile

    from ...runtime.system.executable import PAGE, ExecutableMemoryError, map_file

    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(code.ljust(PAGE, b"\0"))
        file.flush()
        try:
            map_file(file.fileno(), 0, PAGE).close()
        except ExecutableMemoryError:
            return False
    return True


def _free_bytes(folder: Path) -> int | None:
    import shutil

    return shutil.disk_usage(folder).free


PARTS: Final[dict[str, Callable[[Problems], dict[str, Any]]]] = {
    "software": software,
    "system": system,
    "target": target,
    "environment": environment,
    "kernel_cache": kernel_cache,
    "executable_memory": executable_memory,
    "compiler": compiler,
}
