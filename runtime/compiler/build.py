"""From the kernels a program needs to machine code: out of the cache, or compiled and linked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import kernel_file, loader
from .abi import Kernel, kernel_name, signature
from .cache import KernelCache
from .digest import blob_key, kernel_key
from .object_file import CompiledKernel
from .target import Target

Needed = Mapping[str, tuple[Kernel, Mapping[str, Any]]]
Progress = Callable[[int, int, str], None]
"""progress(done, total, name of the kernel): called before each kernel is compiled, and once more at the end."""


def build(needed: Needed, target: Target, cache: KernelCache, progress: Progress | None = None) -> loader.Code:
    """The code of a set of kernels, mapped and ready to be called on this machine.

    Raises ExecutableMemoryError where the system grants no executable memory.
    """
    key = blob_key(needed, target)
    code = cache.load_blob(key)
    if code is None:
        code = cache.store_blob(key, compile_file(needed, target, cache, progress))
    return code


def compile_file(needed: Needed, target: Target, cache: KernelCache, progress: Progress | None = None) -> bytes:
    """The bytes of a kernel file (.mjk) with a set of kernels, for any target."""
    from .linker import link

    objects = _objects(needed, target, cache, progress)
    entries = {name: compiled.symbol for name, compiled in objects.items()}
    blob = link([compiled.object for compiled in objects.values()], entries)
    return kernel_file.encode(blob, target, {name: compiled.signature for name, compiled in objects.items()})


def _objects(
    needed: Needed, target: Target, cache: KernelCache, progress: Progress | None
) -> dict[str, CompiledKernel]:
    found = {name: cache.load_object(kernel_key(name, target)) for name in sorted(needed)}
    missing = [name for name, compiled in found.items() if compiled is None]
    if missing:
        from .isa import Isa
        from .numba_bridge import compile_kernel

        isa = Isa(target)
        for done, name in enumerate(missing):
            if progress is not None:
                progress(done, len(missing), name)
            factory, constants = needed[name]
            function = factory(isa, **constants)
            symbol = f"k{kernel_key(name, target)}"
            compiled = CompiledKernel(compile_kernel(function, symbol, target), symbol, signature(function))
            cache.store_object(kernel_key(name, target), compiled)
            found[name] = compiled
        if progress is not None:
            progress(len(missing), len(missing), "")
    return {name: compiled for name, compiled in found.items() if compiled is not None}


__all__ = ["Needed", "Progress", "build", "compile_file", "kernel_name"]
