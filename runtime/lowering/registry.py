"""Which operators have kernels. An operator that is not here, or whose lowering declines a node, runs in NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import msgspec

from ..ops.registry import find as find_op

if TYPE_CHECKING:
    from ..ops.registry import Context, Op
    from ..program.builder import Builder
    from ..program.view import Border

Lower = Callable[["Context", "Builder"], bool]
WantedBorder = Callable[["Context"], "tuple[Border, int] | None"]


class Lowering(msgspec.Struct, frozen=True):
    """lower: appends kernel calls to the Builder and returns True; or returns False, having emitted no step, where no
    kernel serves the node. border: padding that the operator wants around its first input's elements in memory, and
    its value (of quantized integers: the zero point); None where it wants none. limits: for docs/operators.md, which
    nodes have a kernel, where that is not plain from their types."""

    lower: Lower
    border: WantedBorder | None = None
    limits: str = ""


OfOperator = Callable[["Op"], bool]

_lowerings: dict[str, Lowering] = {}
_kinds: list[tuple[OfOperator, Lowering]] = []


def lowers(
    *names: str, where: OfOperator | None = None, border: WantedBorder | None = None, limits: str = ""
) -> Callable[[Lower], Lower]:
    """Decorator: makes a function the lowering of these operators, and of those for which `where` holds that have no
    other."""

    def add(lower: Lower) -> Lower:
        for name in names:
            if name in _lowerings:
                raise ValueError(f"operator {name} is lowered twice")
            _lowerings[name] = Lowering(lower, border, limits)
        if where is not None:
            _kinds.append((where, Lowering(lower, border, limits)))
        return lower

    return add


@cache
def find(name: str) -> Lowering | None:
    _import_all()
    if name in _lowerings:
        return _lowerings[name]
    op = find_op(name)
    return None if op is None else next((lowering for where, lowering in _kinds if where(op)), None)


@cache
def _import_all() -> None:
    """Every file of this folder, each of which registers its lowerings."""
    for file in sorted(os.listdir(os.path.dirname(__file__))):
        if file.endswith(".py") and file != "__init__.py":
            import_module(f".{file.removesuffix('.py')}", __package__)
