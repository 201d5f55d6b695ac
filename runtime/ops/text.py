"""What operators on text share."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..boxed import TEXT, name_of
from .registry import Context, Tensor

MOST_CHARACTERS = 1 << 26
"""Of all elements of a tensor that an operator makes: a few operators in a row could make text of any length."""


def require_text(ctx: Context, index: int) -> Tensor:
    tensor = ctx.input(index)
    if tensor.dtype != TEXT:
        raise ctx.error(f"'{tensor.name}' is {name_of(tensor.dtype)}, not text")
    return tensor


def array_of(texts: Iterable[str], shape: tuple[int, ...]) -> np.ndarray:
    """A tensor of text. ValueError where it has more than MOST_CHARACTERS."""
    found, count = np.empty(shape, TEXT), 0
    flat = found.reshape(-1)
    for place, text in enumerate(texts):
        count += len(text)
        if count > MOST_CHARACTERS:
            raise ValueError(f"text of more than {MOST_CHARACTERS} characters")
        flat[place] = text
    return found
