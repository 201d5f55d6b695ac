"""Writes files that exist whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import Error


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes path's place when the block ends.

    Where the block raises, the disk is full or the folder cannot be written, nothing changes at path and nothing is
    left beside it. Error says in one line why the system refused.
    """
    if not os.fspath(path):
        raise Error("cannot write a file whose name is empty")
    # Before links are followed: those to pipes lead to no path.
    if os.path.exists(path) and not os.path.isfile(path):
        raise Error(f"cannot write {os.fspath(path)}: it exists and is not a regular file")
    target = os.path.realpath(path)
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}.tmp")
    try:
        # Not tempfile: its files are for their owner only, whatever the umask grants.
        with open(temporary, "xb") as file, _removed_on_error(temporary):
            yield file
            file.flush()
            os.fsync(file.fileno())
            # While it is still open, so that what goes wrong here removes it too.
            os.replace(temporary, target)
    except OSError as error:
        raise Error(f"cannot write {os.fspath(path)}: {error.strerror or error}") from None


@contextlib.contextmanager
def _removed_on_error(path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        os.unlink(path)
        raise
