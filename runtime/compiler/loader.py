"""Maps kernel files, so that their machine code can be called. Needs neither numba nor LLVM. Linux only."""

from __future__ import annotations

import os
import stat
from types import TracebackType

from ..system.executable import ExecutableMemoryError, Mapping, map_bytes, map_file
from .kernel_file import MAX_SIZE, Kernel, KernelFile, KernelFileError, Part, decode
from .part_choice import choose_part

__all__ = ["Code", "ExecutableMemoryError", "load", "load_bytes", "load_descriptor"]


class Code:
    """Machine code ready to be called, until close().

    target: the name of the target it was compiled for. kernels: name -> offset from base, and parameters.
    shared: whether its pages are the file's, shared between processes.
    """

    def __init__(self, mapping: Mapping, part: Part, *, shared: bool) -> None:
        self._mapping = mapping
        self.target = part.target
        self.kernels: dict[str, Kernel] = part.kernels
        self.shared = shared

    @property
    def base(self) -> int:
        """The address of the first byte of code; ValueError once closed."""
        if not self._mapping.address:
            raise ValueError("the kernels of this session are closed")
        return self._mapping.address

    @property
    def size(self) -> int:
        """Bytes of code."""
        return self._mapping.size

    def address(self, kernel: str) -> int:
        """The address of a kernel's first instruction; KeyError where the file has no such kernel."""
        return self.base + self.kernels[kernel].offset

    def close(self) -> None:
        """Unmaps the code; none of it may be running. Closing twice is harmless."""
        self._mapping.close()

    def __enter__(self) -> Code:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(path: str | os.PathLike[str], target: str | None = None) -> Code:
    """Maps the part of a kernel file that serves this CPU best, or the one for that target. The file may be replaced
    (by renaming) while it is mapped, but not written to.

    Raises KernelFileError where it cannot be read, is damaged, or has nothing for this CPU or that target; TargetError
    where no kernels run on this system or there is no such target; ExecutableMemoryError where the system grants no
    executable memory: then NumPy has to do.
    """
    name = os.fspath(path)
    try:
        # Opening a pipe would otherwise wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise KernelFileError(f"cannot open kernel file {name}: {error.strerror}") from error
    try:
        return load_descriptor(descriptor, name, target)
    finally:
        os.close(descriptor)


def load_descriptor(descriptor: int, name: str, target: str | None = None) -> Code:
    """Like `load`, of a file that is open for reading; it may be closed afterwards. name is what errors call it."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_SIZE:
        raise KernelFileError(f"{name} is not a kernel file; write one with `mj compile MODEL -o FILE.mjk`")
    try:
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            contents = decode(file.read(MAX_SIZE), name)
    except OSError as error:
        raise KernelFileError(f"cannot read kernel file {name}: {error.strerror}") from error
    part = choose_part(contents, name, target)
    try:
        mapping = map_file(descriptor, contents.code_offset + part.offset, part.size)
    except ExecutableMemoryError:
        # The mount is noexec, or a policy wants files to be labelled: a copy in memory may still be allowed.
        return _in_memory(contents, part)
    return Code(mapping, part, shared=True)


def load_bytes(data: bytes, name: str = "the kernels just compiled") -> Code:
    """Like `load`, of the bytes of a kernel file: the code is copied into memory."""
    contents = decode(data, name)
    return _in_memory(contents, choose_part(contents, name))


def _in_memory(contents: KernelFile, part: Part) -> Code:
    return Code(map_bytes(bytes(contents.code_of(part))), part, shared=False)
