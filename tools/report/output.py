"""Files that a command writes: whether it may, before it does anything else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from ...runtime.errors import Error, InputError

STANDARD_OUTPUT = "-"


def check_output(output: str, read: Iterable[str]) -> None:
    """InputError where output is one of the files that the command reads, by whatever name or link, or standard output;
    Error where its folder does not exist."""
    if output == STANDARD_OUTPUT:
        raise InputError("-o -: a file is wanted; standard output is for what the command reports (-o ./- is a file)")
    for path in read:
        if _same(output, path):
            other = "" if output == path else f", the same file as {path},"
            raise InputError(f"-o {output}{other} would replace what the command reads: name another file")
    if not output:
        raise InputError("-o: a file is wanted, and its name is empty")
    folder = os.path.dirname(os.path.realpath(output))
    if not os.path.isdir(folder):
        raise Error(f"cannot write {output}: {os.strerror(errno.ENOENT)}: {folder}")


def check_model_output(output: str, read: Iterable[str]) -> None:
    """As check_output, and InputError where a model's file by that name would be taken for a source."""
    from ...runtime.file.write import check_name

    check_output(output, read)
    check_name(output)


def _same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
