"""A file of a model, mapped."""

from __future__ import annotations

import mmap
import os
import stat

from ..errors import ModelError

LENGTH_BYTES = 8
"""At the beginning of a .mj file: the size of its header."""


def release_pages(mapping: mmap.mmap) -> None:
    """Gives the pages back that were read; a later read maps them again."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def map_file(path: str | os.PathLike[str]) -> mmap.mmap:
    """ModelError, without the path, where it cannot be read or is too short to be a .mj file."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ModelError("not a regular file")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size <= LENGTH_BYTES:
                raise ModelError("not a .mj file: it is too short")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror}") from None
