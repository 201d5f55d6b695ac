"""The kernel cache: what was compiled once is not compiled again, in this process or another, and what was planned once
is not planned again.

One file per kernel object, per linked blob and per plan, named by the keys of `digest` and of `engine/kept.py`. Whoever
can write here can run code as this user, so nothing is read that another user could have written.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from ..errors import warn
from ..system import private_files
from . import loader
from .kernel_file import KernelFileError
from .object_file import CompiledKernel, DamagedObject, pack_object, unpack_object

BOUND: Final = 256 << 20
OBJECT, BLOB, PLAN = ".mjo", ".mjk", ".mjp"
# Files with these names may be pruned; anything else in the folder is somebody else's.
OURS: Final = (OBJECT, BLOB, PLAN, private_files.TEMPORARY)
# A file's time of access is moved on by hand, as mounts commonly do not, but no more often than this (seconds).
ACCESS_STEP: Final = 3600.0
ABANDONED: Final = 3600.0
PLANS_PART: Final = 4
BLOCK: Final = 4096


class KernelCache:
    """A folder of compiled kernels, or, where folder is None or cannot be used, this process's memory.

    bound: bytes that the folder may hold; the files used longest ago are deleted first. Every method may be called from
    several threads and processes at once.
    """

    def __init__(self, folder: Path | None, *, bound: int = BOUND) -> None:
        self.folder = folder
        self.bound = bound
        self._memory: dict[str, bytes] = {}
        self._writable = folder is not None
        self._keeps_plans = True
        self._written: int | None = None
        self._warned = False
        if folder is not None:
            try:
                private_files.make_folder(folder)
            except (OSError, private_files.NotPrivate) as problem:
                self._give_up("cannot be used", problem)
                self.folder = None

    def load_object(self, key: str) -> CompiledKernel | None:
        """A kernel's object file, or None where it must be compiled."""
        data = self._read(key + OBJECT)
        if data is None:
            return None
        try:
            return unpack_object(data)
        except DamagedObject:
            return None

    def store_object(self, key: str, kernel: CompiledKernel) -> None:
        self._write(key + OBJECT, pack_object(kernel))

    def load_blob(self, key: str) -> loader.Code | None:
        """A linked blob, mapped and ready to be called, or None where it must be linked.

        Raises ExecutableMemoryError and TargetError as `loader.load` does.
        """
        name = key + BLOB
        try:
            if name in self._memory:
                return loader.load_bytes(self._memory[name])
            with self._opened(name) as descriptor:
                return None if descriptor is None else loader.load_descriptor(descriptor, str(self.folder) + "/" + name)
        except KernelFileError:
            return None

    def store_blob(self, key: str, data: bytes) -> loader.Code:
        """Keeps the bytes of a kernel file and maps them; raises as `loader.load_bytes` does."""
        self._write(key + BLOB, data)
        return self.load_blob(key) or loader.load_bytes(data)

    def map_plan(self, key: str) -> mmap.mmap | None:
        """The file of a plan, mapped read-only and shared with other processes; None where there is none."""
        with self._opened(key + PLAN) as descriptor:
            if descriptor is None:
                return None
            with contextlib.suppress(OSError, ValueError):  # of length 0, where a power failure left nothing else
                return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            return None

    def store_plan(self, key: str, parts: Sequence[bytes | memoryview]) -> None:
        """Keeps the bytes of a plan, unless the folder cannot be written or they would take a large part of it: making
        a plan anew is no reason for a warning."""
        size = sum(len(part) for part in parts)
        if self.folder is None or not self._keeps_plans or size > self.bound // PLANS_PART:
            return
        try:
            private_files.write(self.folder / (key + PLAN), *parts)
            self._bound_size(size, key + PLAN)
        except OSError:
            self._keeps_plans = False

    def size(self) -> int:
        """Bytes that the folder's files take, or that are kept in memory."""
        return sum(len(data) for data in self._memory.values()) + sum(file.size for file in self._files())

    def _read(self, name: str) -> bytes | None:
        if name in self._memory:
            return self._memory[name]
        with self._opened(name) as descriptor:
            if descriptor is None:
                return None
            try:
                with open(descriptor, "rb", closefd=False) as file:
                    return file.read()
            except OSError as problem:
                self._warn(f"kernel cache: {name} cannot be read: {_text(problem)}")
                return None

    def _write(self, name: str, data: bytes) -> None:
        if self.folder is not None and self._writable:
            try:
                private_files.write(self.folder / name, data)
                self._bound_size(len(data), name)
                return
            except OSError as problem:
                self._give_up("cannot be written", problem)
        self._memory[name] = data

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int | None]:
        """A descriptor of a file of the cache, None where there is none that may be trusted."""
        descriptor = None
        if self.folder is not None:
            try:
                descriptor = private_files.open_file(self.folder / name)
            except FileNotFoundError:
                pass
            except (OSError, private_files.NotPrivate) as problem:
                self._warn(f"kernel cache: {name} is ignored: {_text(problem)}")
        try:
            if descriptor is not None:
                _touch(descriptor)
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _give_up(self, what: str, problem: Exception) -> None:
        """The folder is not written any more, which costs one warning; what it holds may still be read."""
        self._writable = False
        self._warn(
            f"kernel cache {self.folder} {what}: {_text(problem)}; kernels are compiled anew in every process. "
            "Set MILLIJOULE_CACHE to a folder of your own, or to off"
        )

    def _warn(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warn(message)

    def _files(self) -> list[_File]:
        files = []
        if self.folder is not None:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.endswith(OURS):
                        # Another process may have pruned it meanwhile.
                        with contextlib.suppress(FileNotFoundError):
                            status = entry.stat(follow_symlinks=False)
                            used = max(status.st_atime, status.st_mtime)
                            files.append(_File(entry.path, entry.name, _blocks(status.st_size), used))
        return files

    def _bound_size(self, added: int, keep: str) -> None:
        """Prunes when this process first writes, and again whenever it has written enough to pass the bound."""
        if self._written is not None:
            self._written += _blocks(added)
        if self._written is None or self._written > self.bound:
            self._written = self._prune(keep)

    def _prune(self, keep: str) -> int:
        """Deletes what crashed writers left and, above the bound, what was used longest ago, but never `keep`.

        Some room is made at once, so that the next write need not prune again. Returns the bytes that remain.
        """
        files = sorted(self._files(), key=lambda file: file.used)
        total = sum(file.size for file in files)
        goal = self.bound * 7 // 8 if total > self.bound else total
        before = time.time() - ABANDONED
        for file in files:
            temporary = file.name.endswith(private_files.TEMPORARY)
            if file.used < before if temporary else total > goal and file.name != keep:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(file.path)
                total -= file.size
        return total


class _File(msgspec.Struct, frozen=True):
    path: str
    name: str
    size: int
    used: float


def default_folder() -> Path | None:
    """MILLIJOULE_CACHE, else millijoule in the XDG cache folder; None where it is off or there is no home."""
    asked = os.environ.get("MILLIJOULE_CACHE", "")
    if asked.strip().lower() == "off":
        return None
    if asked:
        return Path(os.path.abspath(os.path.expanduser(asked)))
    # The XDG Base Directory Specification has relative paths ignored.
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base, "millijoule") if os.path.isabs(base) else None


def default_cache() -> KernelCache:
    """This process's cache in `default_folder`; the same one as long as the environment stays the same."""
    return _cache_in(default_folder())


@cache
def _cache_in(folder: Path | None) -> KernelCache:
    return KernelCache(folder)


def _touch(descriptor: int) -> None:
    status = os.fstat(descriptor)
    now = time.time()
    if now - max(status.st_atime, status.st_mtime) > ACCESS_STEP:
        # On a read-only file system files are not pruned either.
        with contextlib.suppress(OSError):
            os.utime(descriptor, (now, status.st_mtime))


def _blocks(size: int) -> int:
    """What a file takes on the disk: most objects are smaller than one block."""
    return -(-size // BLOCK) * BLOCK


def _text(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
