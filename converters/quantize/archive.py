"""Arrays of an .npz file read row by row, so that samples of any number take the memory of one."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from typing import IO

import numpy as np

from ...runtime.errors import InputError

SUFFIX = ".npy"


@dataclass(frozen=True, slots=True)
class Header:
    """Of one array in the file."""

    shape: tuple[int, ...]
    dtype: np.dtype


def headers(path: str) -> dict[str, Header]:
    """What the file holds, by array name; InputError where it is no sound .npz file of plain arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            found = {}
            for member in archive.namelist():
                with archive.open(member) as stream:
                    found[member.removesuffix(SUFFIX)] = _header(path, member, stream)
            return found
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as problem:
        raise _unsound(path, problem) from None


def rows(path: str, names: list[str]) -> Iterator[dict[str, np.ndarray]]:
    """Arrays by name, one index of the first axis after the other, as long as all of them have one."""
    try:
        with zipfile.ZipFile(path) as archive, ExitStack() as stack:
            streams = {name: stack.enter_context(archive.open(name + SUFFIX)) for name in names}
            kinds = {name: _header(path, name, stream) for name, stream in streams.items()}
            for _ in range(min(kind.shape[0] for kind in kinds.values())):
                yield {name: _row(streams[name], kinds[name]) for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise _unsound(path, problem) from None


def _header(path: str, name: str, stream: IO[bytes]) -> Header:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise InputError(f"{path}: '{name.removesuffix(SUFFIX)}' holds Python objects, not numbers")
    if fortran and len(shape) > 1:
        raise InputError(
            f"{path}: '{name.removesuffix(SUFFIX)}' is in Fortran order, whose samples do not lie one after the other; "
            "save np.ascontiguousarray of it"
        )
    return Header(shape, dtype)


def _row(stream: IO[bytes], header: Header) -> np.ndarray:
    shape = header.shape[1:]
    wanted = prod(shape) * header.dtype.itemsize
    data = stream.read(wanted)
    if len(data) < wanted:
        raise EOFError("it ends too early")
    return np.frombuffer(data, header.dtype).reshape(shape)


def _unsound(path: str, problem: Exception) -> InputError:
    if isinstance(problem, OSError) and problem.strerror:
        return InputError(f"cannot read {path}: {problem.strerror}")
    return InputError(f"{path} is not a sound .npz file: {(str(problem).splitlines() or ['damaged'])[0]}")
