"""What the caller feeds, checked against what the model takes; and the arrays that the caller may look into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..model import Model, TensorInfo


def check_feeds(model: Model, feeds: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The arrays by graph name; InputError where a name, shape or dtype is not the model's."""
    if not isinstance(feeds, Mapping):
        raise InputError(f"arrays by input name expected, as in run({{'{next(iter(model.inputs), '')}': array}})")
    arrays: dict[str, np.ndarray] = {}
    for given, value in feeds.items():
        name = model.input_name(given)
        if name in arrays:
            raise InputError(f"input '{name}' is given twice")
        arrays[name] = _checked(model.inputs[name], value)
    missing = [_describe(info) for name, info in model.inputs.items() if name not in arrays]
    if missing:
        raise InputError(f"missing {', '.join(missing)}")
    return arrays


class Arrays(Mapping[str, np.ndarray]):
    """Arrays by name or alias, to be read and written in place, not replaced.

    resolve: gives the name for an alias, or raises InputError.
    """

    def __init__(self, arrays: dict[str, np.ndarray], resolve: Callable[[str], str]) -> None:
        self._arrays, self._resolve = arrays, resolve

    def __getitem__(self, name: str) -> np.ndarray:
        found = self._arrays.get(name)
        return self._arrays[self._resolve(name)] if found is None else found

    def __setitem__(self, name: str, value: Any) -> None:
        raise InputError(f"'{name}' cannot be replaced; write into it, as in [{name!r}][...] = array")

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return repr(self._arrays)


def _checked(info: TensorInfo, value: Any) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as problem:
        raise InputError(f"{_describe(info)} expected: {problem}") from None
    if array.dtype != info.dtype:
        raise InputError(f"{_describe(info)} expected, got {array.dtype}; convert it with .astype('{info.dtype}')")
    if info.shape is None:
        return array
    if array.ndim != len(info.shape) or any(
        isinstance(want, int) and want != got for want, got in zip(info.shape, array.shape, strict=True)
    ):
        raise InputError(f"{_describe(info)} expected, got shape {array.shape}")
    return array


def _describe(info: TensorInfo) -> str:
    shape = (
        "any shape"
        if info.shape is None
        else f"({', '.join(map(str, info.shape))}{',' if len(info.shape) == 1 else ''})"
    )
    return f"input '{info.name}' {info.dtype} {shape}"
