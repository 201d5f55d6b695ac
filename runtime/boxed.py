"""Boxed values: text, sequences of tensors and optional values, which are NumPy arrays of Python's objects.

No arena holds them and no kernel sees them. What a value is its dtype says, as of every other value:

- TEXT, NumPy's dtype of objects: a tensor of any shape whose elements are `str`.
- `sequence_of(dtype)`: the tensors of a sequence, all of that dtype, along one dimension.
- `optional_of(dtype)`: one element, or none where the value is absent.

The last two are structures of one object, whose field's name says what it holds: so they are like no other dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from .errors import InputError

TEXT: Final = np.dtype(object)
PLAIN: Final = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
"""Names of the dtypes that are not boxed."""


def _holding(kind: str, dtype: np.dtype) -> np.dtype:
    return np.dtype([(f"{kind}({name_of(dtype)})", object)])


def sequence_of(dtype: np.dtype) -> np.dtype:
    return _holding("sequence", dtype)


def optional_of(dtype: np.dtype) -> np.dtype:
    return _holding("optional", dtype)


def is_boxed(dtype: np.dtype) -> bool:
    return dtype.hasobject


def is_sequence(dtype: np.dtype) -> bool:
    return dtype.names is not None and dtype.names[0].startswith("sequence")


def is_optional(dtype: np.dtype) -> bool:
    return dtype.names is not None and dtype.names[0].startswith("optional")


def holds(dtype: np.dtype) -> np.dtype:
    """The dtype of what a sequence or an optional value holds."""
    assert dtype.names is not None
    return DTYPES[dtype.names[0].split("(", 1)[1][:-1]]


@cache
def name_of(dtype: np.dtype) -> str:
    """As in DTYPES: float32, text, sequence(float32), optional(sequence(text))."""
    if dtype.names is not None:
        return str(dtype.names[0])
    return "text" if dtype == TEXT else dtype.name


def _all() -> dict[str, np.dtype]:
    tensors = [*map(np.dtype, PLAIN), TEXT]
    sequences = [sequence_of(dtype) for dtype in tensors]
    return {name_of(dtype): dtype for dtype in (*tensors, *sequences, *map(optional_of, (*tensors, *sequences)))}


DTYPES: Final = _all()
"""Every dtype that a value may have, by its name."""


def packed(items: Iterable[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """A sequence's array, or an optional value's. dtype: of the array."""
    items = list(items)
    found = np.empty(len(items), dtype)
    assert dtype.names is not None
    for index, item in enumerate(items):
        found[dtype.names[0]][index] = item
    return found


def unpacked(array: np.ndarray) -> list[np.ndarray]:
    """The tensors of a sequence, or what an optional value holds, if anything."""
    assert array.dtype.names is not None
    return list(array[array.dtype.names[0]])


def blank(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Zeros, or texts without a character; nothing yet of sequences."""
    return np.full(shape, "", TEXT) if dtype == TEXT else np.zeros(shape, dtype)


def text_of(array: np.ndarray) -> np.ndarray:
    """An array of `str`, of objects that are `str`, or of UTF-8 bytes as a tensor of text. InputError where an element
    is anything else."""
    if array.dtype.kind == "U":
        return array.astype(TEXT)
    if array.dtype.kind not in "OS":
        raise InputError(f"got {array.dtype}, not text")
    found = np.empty(array.shape, TEXT)
    for place, item in enumerate(array.reshape(-1)):
        found.reshape(-1)[place] = _text(item)
    return found


def stored_bytes(array: np.ndarray) -> int:
    """Bytes that a constant takes in a file: of text its own, and 4 for each element's length."""
    return array.nbytes if array.dtype != TEXT else sum(4 + len(text.encode()) for text in array.reshape(-1))


def _text(item: Any) -> str:
    if isinstance(item, bytes):
        try:
            return item.decode()
        except UnicodeDecodeError:
            raise InputError(f"got {item!r:.40}, which is not UTF-8 text") from None
    if not isinstance(item, str):
        raise InputError(f"got {item!r:.40}, not text")
    try:
        item.encode()
    except UnicodeEncodeError:
        raise InputError(f"got {item!r:.40}, which UTF-8 has no form for") from None
    return str(item)


def taken(given: Any, dtype: np.dtype) -> np.ndarray:
    """The array of what a caller gives as a value of this dtype: text in any of NumPy's forms, a list of arrays for a
    sequence, None for an optional value that is absent. InputError where it is not that."""
    if isinstance(given, np.ndarray) and dtype.names is not None and given.dtype == dtype:
        return packed([taken(item, holds(dtype)) for item in unpacked(given)], dtype)
    if is_optional(dtype):
        return packed([] if given is None else [taken(given, holds(dtype))], dtype)
    if is_sequence(dtype):
        if not isinstance(given, (list, tuple)):
            raise InputError(f"got {type(given).__name__}, not a list of arrays")
        return packed([taken(item, holds(dtype)) for item in given], dtype)
    try:
        array = np.asarray(given)
    except (TypeError, ValueError) as problem:
        raise InputError(str(problem)) from None
    if dtype == TEXT:
        return text_of(array)
    if array.dtype != dtype:
        raise InputError(f"got {array.dtype}")
    return array


def given(array: np.ndarray) -> Any:
    """What a caller is given for a value: a new list of arrays for a sequence, None for an optional value that is
    absent, the array itself for a tensor."""
    if is_sequence(array.dtype):
        return [given(item.copy()) for item in unpacked(array)]
    if is_optional(array.dtype):
        return given(unpacked(array)[0].copy()) if array.size else None
    return array
