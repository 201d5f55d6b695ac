"""From the kernels a program needs to machine code: out of the cache, or compiled and linked."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import CompilerError
from ..targets.target import Target
from . import kernel_file, loader
from .abi import Kernel
from .cache import KernelCache
from .digest import blob_key, kernel_key
from .object_file import CompiledKernel

Needed = Mapping[str, tuple[Kernel, Mapping[str, Any]]]
Progress = Callable[[int, int, str], None]
"""progress(done, total, name of the kernel): called before each kernel is compiled, several of which may be compiled at
once, and once more at the end."""


def build(needed: Needed, target: Target, cache: KernelCache, progress: Progress | None = None) -> loader.Code:
    """The code of a set of kernels, mapped and ready to be called on this machine.

    Raises ExecutableMemoryError where the system grants no executable memory, CompilerError where something has to be
    compiled and numba cannot be imported.
    """
    key = blob_key(needed, target)
    code = cache.load_blob(key)
    if code is None:
        code = cache.store_blob(key, compile_file(needed, target, cache, progress))
    return code


def compile_file(needed: Needed, target: Target, cache: KernelCache, progress: Progress | None = None) -> bytes:
    """The bytes of a kernel file (.mjk) with a set of kernels, for any target; CompilerError as `build`."""
    return kernel_file.encode([compile_for(needed, target, cache, progress)])


def compile_for(
    needed: Needed, target: Target, cache: KernelCache, progress: Progress | None = None
) -> kernel_file.Compiled:
    """The same as one part of a file that holds several."""
    from .linker import link

    try:
        objects = _objects(needed, target, cache, progress)
        entries = {name: compiled.symbol for name, compiled in objects.items()}
        blob = link([compiled.object for compiled in objects.values()], entries)
    except ImportError as problem:
        if (reason := _compiler_problem()) is None:
            raise
        raise CompilerError(
            f"kernels have to be compiled for {target.name}, and numba cannot be imported ({reason}): pip install numba"
        ) from problem
    return kernel_file.Compiled(blob, target, {name: compiled.signature for name, compiled in objects.items()})


def _compiler_problem() -> str | None:
    """Why numba cannot be imported, as it is absent or does not go with what else is installed; None where it can."""
    try:
        importlib.import_module("llvmlite.binding")
        importlib.import_module("numba")
    except ImportError as problem:
        return str(problem)
    return None


def _objects(
    needed: Needed, target: Target, cache: KernelCache, progress: Progress | None
) -> dict[str, CompiledKernel]:
    found: dict[str, CompiledKernel] = {}
    missing: list[str] = []
    for name in sorted(needed):
        compiled = cache.load_object(kernel_key(name, target))
        if compiled is None:
            missing.append(name)
        else:
            found[name] = compiled
    if not missing:
        return found
    from .compile_all import compile_all

    total, done = len(missing), 0

    def started(name: str) -> None:
        if progress is not None:
            progress(done, total, name)

    def finished(name: str, compiled: CompiledKernel) -> None:
        nonlocal done
        cache.store_object(kernel_key(name, target), compiled)
        found[name] = compiled
        done += 1

    compile_all(missing, needed, target, started, finished)
    if progress is not None:
        progress(total, total, "")
    return found
