"""What is fed to a cascade, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine.feeds import Feeds, as_array, check_array
from ..errors import InputError
from ..model import TensorInfo
from .model import CascadeModel

Row = dict[str, np.ndarray]


class FedRows:
    """batched: whether all inputs have a first dimension of 1, or a symbolic one, along which rows can be fed."""

    def __init__(self, model: CascadeModel) -> None:
        self._model = model
        self._declared = model.inputs
        self._infos = {name: _one_row(info) for name, info in self._declared.items()}
        self.batched = all(info is not None for info in self._infos.values())

    def may_be_one(self, feeds: Any) -> bool:
        """Whether these look like arrays of one row, by names."""
        if type(feeds) is not dict:
            return False
        shape = getattr(next(iter(feeds.values()), None), "shape", None)
        return shape is not None and len(shape) > 0 and (not self.batched or shape[0] == 1)

    def split(self, feeds: Feeds | Any) -> list[Row]:
        """The rows of arrays by name or alias, or of the one array that all inputs take; views where that can be.

        InputError on a wrong name, shape or dtype, and where the inputs have different numbers of rows.
        """
        if self._is_row(feeds):
            return [dict(feeds)]
        arrays = self._by_name(feeds)
        if not self.batched:
            return [{name: check_array(self._declared[name], array) for name, array in arrays.items()}]
        counts = {name: array.shape[0] for name, array in arrays.items() if array.ndim}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"'{name}' {count}" for name, count in counts.items())
            raise InputError(f"the inputs have different numbers of rows: {listed}")
        rows: list[Row] = []
        for index in range(next(iter(counts.values()), 1)):
            row = {name: array[index : index + 1] if array.ndim else array for name, array in arrays.items()}
            for name, array in row.items():
                info = self._infos[name]
                assert info is not None
                row[name] = check_array(info, array)
            rows.append(row)
        return rows

    def _is_row(self, feeds: Any) -> bool:
        """Whether these are arrays of one row just as they have to be, which most are: all else takes longer to say."""
        if type(feeds) is not dict or len(feeds) != len(self._infos):
            return False
        for name, array in feeds.items():
            info = self._infos.get(name)
            if info is None or type(array) is not np.ndarray:
                return False
            if array.shape != info.shape or array.dtype != info.dtype:
                return False
        return True

    def _by_name(self, feeds: Feeds | Any) -> Row:
        model = self._model
        if not isinstance(feeds, Mapping):
            if model.linked.inputs.apart or len(self._declared) != 1:
                listed = ", ".join(str(info) for info in self._declared.values())
                raise InputError(f"the cascade takes {listed}: arrays by name are wanted")
            feeds = {next(iter(self._declared)): feeds}
        arrays: Row = {}
        for given, value in feeds.items():
            name = model.input_name(given)
            if name in arrays:
                raise InputError(f"input '{name}' is given twice")
            arrays[name] = as_array(f"input {self._declared[name]}", value)
        missing = [f"input {info}" for name, info in self._declared.items() if name not in arrays]
        if missing:
            raise InputError(f"missing {', '.join(missing)}")
        return arrays


def one_row(model: CascadeModel) -> dict[str, tuple[int, ...]] | None:
    """The inputs' shapes with one row; None where other dimensions are symbolic."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in model.input_shapes({}).items():
        sizes = [1 if at == 0 and isinstance(dim, str) else dim for at, dim in enumerate(shape or ("?",))]
        if any(isinstance(dim, str) for dim in sizes[1:]) or shape is None:
            return None
        found[name] = tuple(int(dim) for dim in sizes)
    return found


def _one_row(info: TensorInfo) -> TensorInfo | None:
    """The input with one row; None where its first dimension is no batch."""
    if not info.shape or (info.shape[0] != 1 and not isinstance(info.shape[0], str)):
        return None
    return TensorInfo(info.name, (1, *info.shape[1:]), info.dtype, info.quant)
