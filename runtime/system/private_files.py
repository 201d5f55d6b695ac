"""Files and folders that only their owner can have written."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

TEMPORARY: Final = ".tmp"

_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class NotPrivate(Exception):
    """A file or folder that another user could have written, or that leads elsewhere."""


def make_folder(path: Path) -> None:
    """Creates the folder for its owner only, unless it is there; OSError or NotPrivate where it cannot be used."""
    # The XDG Base Directory Specification asks for these rights.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotPrivate("it is a symbolic link or no folder") from None
        _check(status)


def open_file(path: Path) -> int:
    """A descriptor of a regular file, for reading; FileNotFoundError, another OSError, or NotPrivate."""
    if path.is_symlink():
        raise NotPrivate("it is a symbolic link")
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotPrivate("it is not a regular file")
        _check(status)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def write(path: Path, *parts: bytes | memoryview) -> None:
    """Puts a file for its owner only in the path's place, whole or not at all. OSError where that fails.

    Not synced to the disk, which is slow on memory cards: what a power failure leaves behind, a checksum must tell.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}{TEMPORARY}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _check(status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise NotPrivate(f"it belongs to user {status.st_uid}")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise NotPrivate("others may write to it")
