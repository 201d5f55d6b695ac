"""Checks attributes, which come from unvouched files, against the annotations of an operator's reference."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import ModelError
from ..graph import Attribute, Node
from .registry import Op

LEAST, MOST = -(2**63), 2**63 - 1
"""Of int64."""


@cache
def hints_of(reference: Callable[..., Any]) -> dict[str, Any]:
    return get_type_hints(reference)


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return get_origin(hint), get_args(hint)


def fits(value: Attribute, hint: Any) -> bool:
    """Whether an attribute is what an annotation says: int, float (or int), str, bool, None, Graph, ndarray, sequences
    and unions of those. Integers must fit int64; a boolean is none, as NumPy takes it for another thing."""
    if hint is type(value) and hint is not int:  # which takes least to see, and is so of most
        return True
    origin, options = _parts(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in options)
    if origin in (list, tuple, Sequence):
        return isinstance(value, (list, tuple)) and _all_fit(value, options[0])
    if hint is Any:
        return True
    if hint in (int, float):
        if isinstance(value, float):
            return hint is float
        return isinstance(value, int) and not isinstance(value, bool) and LEAST <= value <= MOST
    return isinstance(value, hint)


def _all_fit(items: Sequence[Attribute], hint: Any) -> bool:
    """As fits, of all items, which may be millions of integers."""
    if hint is int and set(map(type, items)) == {int}:
        return min(items) >= LEAST and max(items) <= MOST
    return all(fits(item, hint) for item in items)


def check(op: Op, node: Node, attrs: dict[str, Attribute]) -> None:
    """ModelError on an attribute of the wrong type."""
    hints = hints_of(op.reference)
    for name, value in attrs.items():
        if name in hints and not fits(value, hints[name]):
            wanted = getattr(hints[name], "__name__", str(hints[name]))
            raise ModelError(f"{node}: attribute '{name}' must be {wanted}, not {value!r:.60}")
