"""What is asked: an input's arrays, and what it is found by."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..file.schema import DTYPES
from .digest import seed_of

NAMES = frozenset(dtype.str[1:] for dtype in DTYPES.values())

Form = tuple[tuple[int, ...], np.dtype]
"""An array's shape and dtype."""


@dataclass(frozen=True, slots=True)
class Signature:
    """owner: the model's digest, and all else that its answers depend on. forms: of its inputs, in their order. seed:
    of the digests of such inputs."""

    owner: bytes
    forms: tuple[Form, ...]
    seed: int = field(compare=False)

    @staticmethod
    def of(owner: bytes, forms: tuple[Form, ...]) -> Signature:
        return Signature(owner, forms, seed_of(f"{owner.hex()} {written(forms)}"))

    def restore(self, data: bytes) -> list[np.ndarray]:
        """The arrays that bytes_of made these bytes of, not to be written to."""
        found, at = [], 0
        for shape, dtype in self.forms:
            size = math.prod(shape) * dtype.itemsize
            found.append(np.frombuffer(data[at : at + size], dtype).reshape(shape))
            at += size
        return found


def written(forms: tuple[Form, ...]) -> str:
    """As in '<f4[1,32,32,3], |u1[]'."""
    return ", ".join(f"{dtype.str}[{','.join(map(str, shape))}]" for shape, dtype in forms)


def read_forms(text: str) -> tuple[Form, ...]:
    """What `written` wrote; ValueError where it is anything else."""
    forms = []
    for part in filter(None, text.split(", ")):
        name, _, sizes = part.partition("[")
        if name.lstrip("<>|=") not in NAMES or not sizes.endswith("]"):
            raise ValueError(f"no shape and dtype: {part!r}")
        shape = tuple(int(size) for size in sizes[:-1].split(",") if size)
        if min(shape, default=0) < 0:
            raise ValueError(f"no shape: {shape}")
        forms.append((shape, np.dtype(name)))
    return tuple(forms)


def bytes_in(forms: tuple[Form, ...]) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in forms)


Question = tuple[Hashable, Signature, Sequence[np.ndarray]]
"""A digest that the input is found by, its signature, and its arrays."""


def bytes_of(arrays: Sequence[np.ndarray]) -> bytes:
    """In C order, one array after the other."""
    return arrays[0].tobytes() if len(arrays) == 1 else b"".join([array.tobytes() for array in arrays])
