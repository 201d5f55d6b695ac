"""Constants of text as tensors of bytes.

First comes how long each element is, in C order, as unsigned little-endian integers of 32 bits that count bytes; behind
these the elements in UTF-8, one behind the other. How many there are the value's shape says.
"""

from __future__ import annotations

import math

import numpy as np

from ..boxed import TEXT
from ..errors import ModelError

MOST_BYTES = 1 << 26
"""Of one constant, whose elements take several times as much in Python."""
_LENGTH = np.dtype("<u4")


def encode(data: np.ndarray) -> np.ndarray:
    """uint8, of one dimension. ModelError where it takes more than MOST_BYTES."""
    parts = [text.encode() for text in data.reshape(-1)]
    lengths = np.array([*map(len, parts)], _LENGTH)
    raw = np.frombuffer(lengths.tobytes() + b"".join(parts), np.uint8)
    if raw.size > MOST_BYTES:
        raise ModelError(f"a constant of text takes {raw.size} bytes, above the limit of {MOST_BYTES}")
    return raw


def decode(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The text. ModelError where the bytes are not exactly that of a tensor of this shape."""
    count = math.prod(shape)
    start = count * _LENGTH.itemsize
    if data.dtype != np.uint8 or data.ndim != 1 or data.size > MOST_BYTES:
        raise ModelError(f"text is up to {MOST_BYTES} bytes in one dimension, not {data.dtype} of shape {data.shape}")
    if start > data.size:
        raise ModelError(f"{data.size} bytes are not {count} texts")
    raw = data.tobytes()
    lengths = np.frombuffer(raw, _LENGTH, count)
    if start + int(lengths.sum(dtype=np.uint64)) != len(raw):
        raise ModelError(f"{count} texts do not end where their {len(raw)} bytes do")
    found = np.empty(count, TEXT)
    for place, length in enumerate(lengths.tolist()):
        try:
            found[place] = raw[start : start + length].decode()
        except UnicodeDecodeError:
            raise ModelError(f"text {place} is not UTF-8") from None
        start += length
    return found.reshape(shape)
