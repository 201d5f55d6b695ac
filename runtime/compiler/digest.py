"""Names for compiled code: a digest over everything that can change it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from ..system.hashing import blake2b
from ..targets.target import Target
from .abi import ABI

SOURCES: Final = ("compiler", "kernels", "simd", "targets")
COMPILERS: Final = ("numba", "llvmlite")


def kernel_key(kernel: str, target: Target) -> str:
    """The key of one kernel's object; kernel names the factory and its constants (see `abi.kernel_name`)."""
    return combined("kernel", source_digest(), target.fingerprint, kernel)


def blob_key(kernels: Iterable[str], target: Target) -> str:
    """The key of the blob linked from a set of kernels; their order does not matter."""
    return combined("blob", source_digest(), target.fingerprint, *sorted(set(kernels)))


@cache
def source_digest(root: Path = Path(__file__).parent.parent) -> str:
    """Digest of all that compiles: sources in SOURCES below root, ABI, versions of numba and llvmlite.

    Read once per process: files edited later count from the next process on, which is also when they are imported.
    """
    return combined(*_code(root, SOURCES, COMPILERS))


@cache
def runtime_digest(root: Path = Path(__file__).parent.parent) -> str:
    """Digest of all that decides what a model gives, whatever computes it: every source below root, ABI, versions of
    numba, llvmlite and NumPy, and of Pillow, which reads images. Read once per process."""
    return combined(*_code(root, ("",), (*COMPILERS, "numpy", "pillow")))


def _code(root: Path, folders: Iterable[str], packages: Iterable[str]) -> list[str]:
    parts = [f"ABI {ABI}", *(installed_version(name) for name in packages)]
    above = os.path.join(root, "")
    for folder in folders:
        for path in sorted(_sources(os.path.join(root, folder))):
            with open(path, "rb", buffering=0) as file:
                parts += [path.removeprefix(above), blake2b(file.read()).hexdigest()]
    return parts


def _sources(folder: str) -> Iterator[str]:
    """Paths of the Python files in a folder and below. Without pathlib, which takes longer than reading them all."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py"):
                yield entry.path
            elif entry.name != "__pycache__" and entry.is_dir():
                yield from _sources(entry.path)


def installed_version(package: str) -> str:
    """The version in a distribution's metadata, "absent" where there is none, without importing the package.

    Metadata folders bear the version in their name. Only where none is found that way is importlib.metadata asked, as
    its own import takes longer than all else that is done before a cached kernel runs.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        found = [n for n in names if n.startswith(f"{package}-") and n.endswith((".dist-info", ".egg-info"))]
        if found:
            return ",".join(sorted(found))
    from importlib import metadata

    try:
        return f"{package}-{metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package}-absent"


def combined(*parts: str) -> str:
    """A digest of several texts, in 40 hexadecimal digits."""
    digest = blake2b(digest_size=20)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()
