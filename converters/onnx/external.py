"""Weights that a model keeps in files of their own. Only files inside of the model's folder are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto

from ...runtime.errors import ModelError

OVERLAP = 1 << 26
"""Bytes by which what is read of one file may be more than it has: tensors of their own do not overlap."""


class Files:
    """Those beside a model. folder: None where there are none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._taken: dict[Path, int] = {}

    def read(self, tensor: TensorProto, nbytes: int, where: str) -> np.ndarray:
        """nbytes of the tensor's external data as uint8. ModelError where the file is missing, too short or elsewhere,
        or where tensors have the same bytes of it over and over."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if self._folder is None:
            raise ModelError(f"{where}: its data lies in '{location}', beside a model that was not read from a file")
        path = _inside(self._folder, location, where)
        offset = _number(entries.get("offset", "0"), "offset", where)
        length = _number(entries.get("length", str(nbytes)), "length", where)
        if length != nbytes:
            raise ModelError(f"{where}: its shape needs {nbytes} bytes, but {length} are declared in '{location}'")
        size = path.stat().st_size
        if offset + nbytes > size:
            raise ModelError(f"{where}: needs bytes {offset} to {offset + nbytes} of '{location}', which has {size}")
        self._taken[path] = self._taken.get(path, 0) + nbytes
        if self._taken[path] > size + OVERLAP:
            raise ModelError(f"{where}: tensors that overlap in '{location}' take more than the {size} bytes it has")
        return np.fromfile(path, np.uint8, nbytes, offset=offset)


def _inside(folder: Path, location: str, where: str) -> Path:
    try:
        root = folder.resolve()
        path = (root / location).resolve()
        found = bool(location) and path.is_relative_to(root) and path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{where}: external data file '{location}' cannot be read: {error}") from None
    if not found:
        raise ModelError(f"{where}: external data file '{location}' is not a file inside of the model's folder {root}")
    return path


def _number(text: str, what: str, where: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ModelError(f"{where}: {what} '{text}' of its external data is not a number")
    return int(text)
