"""Executable memory: never writable and executable at once, and without a C compiler. Linux only."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from ..errors import Error

MAP_FAILED: Final = ctypes.c_void_p(-1).value
PAGE: Final = mmap.PAGESIZE
# Refusals by policy (noexec mounts, SELinux, seccomp, PaX, systemd's MemoryDenyWriteExecute), not mistakes of ours.
REFUSALS: Final = frozenset({errno.EPERM, errno.EACCES, errno.ENODEV, errno.ENOTSUP})

# void flush(begin, end), where libgcc_s is absent. Arm ARM, B2.4.4: clean the data cache to the point of unification
# (dc cvau over CTR_EL0's line size), dsb ish, invalidate the instruction cache (ic ivau), dsb ish, isb.
AARCH64_FLUSH: Final = bytes.fromhex(
    "23003bd5840080d2654c50d38520c59a660c40928620c69aa70400d10800278a287b0bd50801058b1f0101eba3ffff54"
    "9f3b03d5c70400d10800278a28750bd50801068b1f0101eba3ffff549f3b03d5df3f03d5c0035fd6"
)


class ExecutableMemoryError(Error):
    """The system grants no executable memory: machine code cannot run here, the NumPy references can."""


class Mapping:
    """Pages of machine code, readable and executable, until close().

    address: of the first byte. size: bytes, without the padding to a page.
    """

    def __init__(self, address: int, size: int) -> None:
        self.address = address
        self.size = size

    def function(self, prototype: Any, offset: int = 0) -> Any:
        """The code at offset as a function of a ctypes prototype; it keeps the mapping alive."""
        function = prototype(self.address + offset)
        function.mapping = self
        return function

    def close(self) -> None:
        """Unmap; the caller sees to it that no code in here runs any more. Closing twice is harmless."""
        if self.address:
            _libc().munmap(self.address, _pages(self.size))
            self.address = 0

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # At interpreter exit ctypes may be gone already, as may all names of this module, and the system unmaps anyway.
        if self.address and not ending():
            self.close()


def map_file(descriptor: int, offset: int, size: int) -> Mapping:
    """Maps size bytes of a file at offset (a multiple of the page size) read+execute, shared with other processes.

    Raises ExecutableMemoryError where the mount is noexec or a policy refuses; map_bytes may work even then.
    """
    return Mapping(_mmap(_pages(size), mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, descriptor, offset), size)


def map_bytes(code: bytes) -> Mapping:
    """Copies code into fresh pages, turns them from writable to executable, and flushes the instruction cache.

    Raises ExecutableMemoryError where the system refuses.
    """
    mapping = _map_unflushed(code)
    if platform.machine() == "aarch64":
        _aarch64_flush()(mapping.address, mapping.address + mapping.size)
    return mapping


def _map_unflushed(code: bytes) -> Mapping:
    size = _pages(len(code))
    address = _mmap(size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    mapping = Mapping(address, len(code))
    ctypes.memmove(address, code, len(code))
    if _libc().mprotect(address, size, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        number = ctypes.get_errno()
        mapping.close()
        raise _refused(number)
    return mapping


@cache
def _aarch64_flush() -> Callable[[int, int], None]:
    """libgcc's __clear_cache, else our own, which lives in pages that Linux itself made coherent.

    Linux cleans and invalidates the caches for a page when it first becomes executable (__sync_icache_dcache), which
    is enough for the first routine but promised to nobody, so everything after it is flushed explicitly.
    """
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    try:
        return prototype(("__clear_cache", ctypes.CDLL("libgcc_s.so.1")))
    except (OSError, AttributeError):
        own = _map_unflushed(AARCH64_FLUSH)
        return own.function(prototype)


def _pages(size: int) -> int:
    return max(1, -(-size // PAGE)) * PAGE


def _mmap(size: int, protection: int, flags: int, descriptor: int, offset: int) -> int:
    address = _libc().mmap(None, size, protection, flags, descriptor, offset)
    if address == MAP_FAILED:
        raise _refused(ctypes.get_errno())
    return int(address)


def _refused(number: int) -> Exception:
    if number in REFUSALS:
        return ExecutableMemoryError(f"the system refuses executable memory ({os.strerror(number)})")
    return OSError(number, os.strerror(number))


@cache
def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        raise ExecutableMemoryError(f"compiled kernels need Linux, this is {sys.platform}; NumPy runs the operators")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc
