"""What the caller feeds, checked against what the model takes; and the arrays that the caller may look into."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

import numpy as np

from ..boxed import TEXT, is_boxed, taken
from ..errors import InputError
from ..model import Model, TensorInfo

Feeds = Mapping[str, Any]
"""What is fed to each input: anything that NumPy takes for an array of the input's dtype."""


def check_feeds(model: Model, feeds: Feeds | Any, optional: Container[str] = ()) -> dict[str, np.ndarray]:
    """The arrays by graph name; InputError where a name, shape or dtype is not the model's.

    feeds: arrays by input name or alias, or the one array of a model with one input. optional: inputs that need not be
    fed.
    """
    known = model.inputs
    if not isinstance(feeds, Mapping):
        needed = [name for name in known if name not in optional]
        if len(needed) != 1:
            listed = ", ".join(f"'{name}': ..." for name in needed)
            raise InputError(f"the model has {len(needed)} inputs: arrays by name are wanted, as in run({{{listed}}})")
        feeds = {needed[0]: feeds}
    arrays: dict[str, np.ndarray] = {}
    for given, value in feeds.items():
        name = given if given in known else model.input_name(given)
        if name in arrays:
            raise InputError(f"input '{name}' is given twice")
        arrays[name] = check_array(known[name], value)
    missing = [f"input {info}" for name, info in known.items() if name not in arrays and name not in optional]
    if missing:
        raise InputError(f"missing {', '.join(missing)}")
    return arrays


class FeedCheck:
    """check_feeds of one model, in a tenth of its time for arrays of the shapes and dtypes of those before."""

    def __init__(self, model: Model, optional: Container[str] = ()) -> None:
        self._model, self._optional = model, optional
        needed = [name for name in model.inputs if name not in optional]
        self._only = needed[0] if len(needed) == 1 else None
        # One object, which no thread changes.
        self._passed: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        self._boxed = any(is_boxed(info.dtype) for info in model.inputs.values())

    def __call__(self, feeds: Feeds | Any) -> dict[str, np.ndarray]:
        passed = self._passed
        if self._boxed:  # of which dtype and shape say little
            return check_feeds(self._model, feeds, self._optional)
        if type(feeds) is np.ndarray and self._only is not None:
            feeds = {self._only: feeds}
        if type(feeds) is dict and passed and len(feeds) == len(passed):
            for name, array in feeds.items():
                before = passed.get(name)
                if before is None or type(array) is not np.ndarray:
                    break
                if array.shape != before[0] or array.dtype is not before[1]:
                    break
            else:
                return feeds
        arrays = check_feeds(self._model, feeds, self._optional)
        self._passed = {name: (array.shape, array.dtype) for name, array in arrays.items()}
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


def check_array(info: TensorInfo, value: Any) -> np.ndarray:
    """The array to feed as an input; InputError, with what makes one that fits, where its dtype or shape does not."""
    if is_boxed(info.dtype):
        return _check_boxed(info, value)
    array = as_array(f"input {info}", value)
    if array.dtype != info.dtype:
        raise InputError(f"input {info} expected, got {array.dtype}{_way_out(info, array)}")
    check_shape(f"input {info}", info, array)
    return array


def _check_boxed(info: TensorInfo, value: Any) -> np.ndarray:
    try:
        array = taken(value, info.dtype)
    except InputError as problem:
        raise InputError(f"input {info} expected: {problem}") from None
    if info.dtype == TEXT:
        check_shape(f"input {info}", info, array)
    return array


def as_array(what: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as problem:
        raise InputError(f"{what} expected: {problem}") from None


def check_shape(what: str, info: TensorInfo, array: np.ndarray) -> None:
    """InputError where the array has not the rank and sizes that are declared."""
    if info.shape is None:
        return
    if array.ndim != len(info.shape) or any(
        isinstance(want, int) and want != got for want, got in zip(info.shape, array.shape, strict=True)
    ):
        raise InputError(f"{what} expected, got shape {array.shape}")


def _way_out(info: TensorInfo, array: np.ndarray) -> str:
    """What makes an array of the input's dtype; nothing where no cast keeps what the numbers mean."""
    if info.quant is not None:
        way = f"; session.quantize('{info.name}', array) makes them of real numbers" if array.dtype.kind == "f" else ""
        return f": it takes integers q that stand for scale * (q - zero point), {info.quant}{way}"
    from ..vision.preprocess import takes_image  # which runs on arrays never need

    if array.dtype == np.uint8 and info.dtype.kind == "f" and takes_image(info):
        return f"; session.prepare(array) does what the model wants of pixels, .astype('{info.dtype}') only the cast"
    kinds = array.dtype.kind.replace("u", "i") + info.dtype.kind.replace("u", "i")
    return f"; convert it with .astype('{info.dtype}')" if kinds in ("ff", "ii", "if", "bi", "bf") else ""
