"""What models gave for samples, kept on disk, so that another goal for the same models and samples costs nothing."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Final

import numpy as np

from ...runtime.compiler.cache import default_folder
from ...runtime.system import private_files

BOUND: Final = 1 << 30
"""Bytes that the folder may hold; the files used longest ago are deleted first."""
SUFFIX: Final = ".npz"


def find(key: str) -> dict[str, np.ndarray] | None:
    """The arrays kept under this key; None where there are none, or what is there is not sound."""
    folder = _folder()
    if folder is None:
        return None
    try:
        descriptor = private_files.open_file(folder / (key + SUFFIX))
        with open(descriptor, "rb") as file, np.load(io.BytesIO(file.read()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive}
        os.utime(folder / (key + SUFFIX))
        return arrays
    except Exception:
        # Whatever is wrong with a file that was kept: it is made anew.
        return None


def keep(key: str, arrays: dict[str, np.ndarray]) -> None:
    """Keeps arrays, unless the folder cannot be used."""
    folder = _folder()
    if folder is None:
        return
    data = io.BytesIO()
    np.savez(data, **arrays)  # type: ignore[arg-type]
    with contextlib.suppress(OSError, private_files.NotPrivate):
        private_files.make_folder(folder)
        private_files.write(folder / (key + SUFFIX), data.getvalue())
        _prune(folder)


def _folder() -> Path | None:
    base = default_folder()
    return None if base is None else base / "outputs"


def _prune(folder: Path) -> None:
    files = sorted((file.stat().st_mtime, file.stat().st_size, file) for file in folder.glob("*" + SUFFIX))
    total = sum(size for _, size, _ in files)
    for _, size, file in files[:-1]:
        if total <= BOUND:
            return
        file.unlink(missing_ok=True)
        total -= size
